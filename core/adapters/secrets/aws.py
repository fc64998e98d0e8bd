"""Secrets in AWS Secrets Manager: `aws:name-or-arn`, `aws:name-or-arn#field`.

boto3 is synchronous, so it works in a thread. It is imported there too, when the first such secret
is asked for: a listener without one does not pay for it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from typing import TYPE_CHECKING, Any, Final

from core.domain.secret_reference import SecretReference
from core.errors import SecretUnavailable, SettingsError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

_WRONG: Final = {
    "ResourceNotFoundException",
    "InvalidRequestException",  # it is marked for deletion
    "InvalidParameterException",
    "ValidationException",
}


class AwsSecretStore:
    """A `SecretStore` over Secrets Manager: the value at stage AWSCURRENT.

    Region, credentials and endpoint are boto3's own settings; an ARN is asked for in its own
    region.
    """

    def __init__(self) -> None:
        self._clients: dict[str | None, SecretsManagerClient] = {}
        self._making = threading.Lock()

    async def read(self, reference: SecretReference) -> str:
        text = await asyncio.to_thread(self._read, reference)
        return text if reference.name is None else _field(text, reference, reference.name)

    def _read(self, reference: SecretReference) -> str:
        from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

        try:
            answer = self._client(reference.place).get_secret_value(SecretId=reference.place)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            kind = SettingsError if code in _WRONG else SecretUnavailable
            raise _said(kind, reference, error) from error
        except ParamValidationError as error:
            raise _said(SettingsError, reference, error) from error
        except BotoCoreError as error:
            raise _said(SecretUnavailable, reference, error) from error
        if "SecretString" not in answer:
            raise SettingsError(
                f"the secret {reference} is binary", fix="keep it as text, e.g. in base64"
            )
        return answer["SecretString"]

    def _client(self, place: str) -> SecretsManagerClient:
        import boto3
        from botocore.config import Config

        region = place.split(":")[3] if place.startswith("arn:") else None
        with self._making:  # boto3 does not make two clients at a time
            if region not in self._clients:
                # At DEBUG it would write whole answers to the log.
                logging.getLogger("botocore.parsers").setLevel(logging.INFO)
                retries: Any = {"mode": "standard", "max_attempts": 2}
                self._clients[region] = boto3.client(
                    "secretsmanager",
                    region_name=region,
                    config=Config(retries=retries, connect_timeout=3, read_timeout=5),
                )
            return self._clients[region]


def _said(
    kind: type[SettingsError | SecretUnavailable], reference: SecretReference, error: Exception
) -> SettingsError | SecretUnavailable:
    said = f"AWS has not given the secret {reference}: {error}"
    if kind is SettingsError:
        return SettingsError(said, fix="create or restore it, or mend the reference")
    return kind(said)


def _field(text: str, reference: SecretReference, name: str) -> str:
    """One field of a secret that is a JSON object. Raises `SettingsError`."""
    value = _object(text).get(name)
    if not isinstance(value, str):
        raise SettingsError(
            f"the secret {reference} is not there: no JSON object with such a field of text",
            fix="mend the secret, or what follows # in the reference",
        )
    return value


def _object(text: str) -> dict[str, Any]:
    """Empty for what is no JSON object; the parser's own error would carry the secret along."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
