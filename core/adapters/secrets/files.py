"""Secrets in files, as Docker, Kubernetes and systemd mount them: `file:/run/secrets/name`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from core.domain.secret_reference import SecretReference
from core.errors import SecretUnavailable, SettingsError

MAX_BYTES: Final = 64 * 1024
"""As large as a secret may be in AWS Secrets Manager. Key Vault's limit is lower."""


class FileSecretStore:
    """A `SecretStore` over the file system. Editors and `echo` end a file with a line break: one is
    taken off, and nothing else."""

    async def read(self, reference: SecretReference) -> str:
        return await asyncio.to_thread(_read, reference)


def _read(reference: SecretReference) -> str:
    path = Path(reference.place)
    try:
        if not path.is_file():  # a pipe or a device might never end
            raise SettingsError(
                f"the secret {reference} is not there: there is no such file",
                fix="mount it, or mend the reference",
            )
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except PermissionError as error:
        raise SettingsError(
            f"the secret {reference} may not be read by this process",
            fix="give its user the permission to read the file",
        ) from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SecretUnavailable(f"the secret {reference} cannot be read: {reason}") from error
    if len(content) > MAX_BYTES:
        raise SettingsError(
            f"the secret {reference} is larger than {MAX_BYTES} bytes", fix="mend the reference"
        )
    text = _text(content)
    if text is None:
        raise SettingsError(
            f"the secret {reference} is not UTF-8", fix="keep it as text, e.g. in base64"
        )
    return text


def _text(content: bytes) -> str | None:
    """None for what is not UTF-8; the codec's own error would carry the content along."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
