"""Secrets in AWS Secrets Manager: `aws:name-or-arn`, `aws:name-or-arn#field`.

boto3 is synchronous, so it runs in a thread. It is imported there, too, with the first such secret:
a listener without one does not pay for it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from typing import TYPE_CHECKING, Any, Final

from core.domain.secret_reference import SecretReference
from core.errors import SecretUnavailable, SettingsError, third_party

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

_INVALID: Final = {
    "ResourceNotFoundException",
    "InvalidRequestException",  # marked for deletion
    "InvalidParameterException",
    "ValidationException",
}


class AwsSecretStore:
    """A `SecretStore` over Secrets Manager: the value at stage AWSCURRENT.

    Credentials and endpoint are boto3's own settings, and so is the region where none is given; an
    ARN is read in its own region.
    """

    def __init__(self, *, region: str | None) -> None:
        self._region = region
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
            kind = SettingsError if code in _INVALID else SecretUnavailable
            raise _error(kind, reference, error) from None
        except ParamValidationError as error:
            raise _error(SettingsError, reference, error) from None
        except BotoCoreError as error:
            raise _error(SecretUnavailable, reference, error) from None
        if "SecretString" not in answer:
            raise SettingsError(
                f"the secret {reference} is binary", fix="keep it as text, e.g. in base64"
            )
        return answer["SecretString"]

    def _client(self, place: str) -> SecretsManagerClient:
        import boto3
        from botocore.config import Config

        region = place.split(":")[3] if place.startswith("arn:") else self._region
        with self._making:  # boto3 must not create two clients concurrently
            if region not in self._clients:
                # At DEBUG it would log whole responses.
                logging.getLogger("botocore.parsers").setLevel(logging.INFO)
                retries: Any = {"mode": "standard", "max_attempts": 2}
                self._clients[region] = boto3.client(
                    "secretsmanager",
                    region_name=region,
                    config=Config(retries=retries, connect_timeout=3, read_timeout=5),
                )
            return self._clients[region]


def _error(
    kind: type[SettingsError | SecretUnavailable], reference: SecretReference, error: Exception
) -> SettingsError | SecretUnavailable:
    message = f"AWS does not return the secret {reference}: {third_party(error)}"
    if kind is SettingsError:
        return SettingsError(message, fix="create or restore it, or fix the reference")
    return kind(message)


def _field(text: str, reference: SecretReference, name: str) -> str:
    """One field of a secret that is a JSON object. Raises `SettingsError`."""
    value = _object(text).get(name)
    if not isinstance(value, str):
        raise SettingsError(
            f"the secret {reference} is not a JSON object with that field as text",
            fix="fix the secret, or what follows # in the reference",
        )
    return value


def _object(text: str) -> dict[str, Any]:
    """The text as a JSON object, empty if it is not one. The parser's own error would quote it."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
