"""Secrets in files, as Docker, Kubernetes and systemd mount them: `file:/run/secrets/name`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from core.domain.secret_reference import SecretReference
from core.errors import SecretUnavailable, SettingsError

MAX_BYTES: Final = 64 * 1024
"""The limit of AWS Secrets Manager. Key Vault's is lower."""


class FileSecretStore:
    """A `SecretStore` over the file system."""

    async def read(self, reference: SecretReference) -> str:
        return await asyncio.to_thread(_read, reference)


def _read(reference: SecretReference) -> str:
    path = Path(reference.place)
    try:
        if not path.is_file():  # a pipe or a device might never end
            raise SettingsError(
                f"the secret {reference} does not exist: there is no such file",
                fix="mount it, or fix the reference",
            )
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except PermissionError as error:
        raise SettingsError(
            f"this process may not read the secret {reference}",
            fix="give its user permission to read the file",
        ) from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SecretUnavailable(f"the secret {reference} cannot be read: {reason}") from error
    if len(content) > MAX_BYTES:
        raise SettingsError(
            f"the secret {reference} is larger than {MAX_BYTES} bytes", fix="fix the reference"
        )
    text = _text(content)
    if text is None:
        raise SettingsError(
            f"the secret {reference} is not UTF-8", fix="keep it as text, e.g. in base64"
        )
    return text


def _text(content: bytes) -> str | None:
    """The content as text, None if it is not UTF-8. The codec's own error would quote it."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None
