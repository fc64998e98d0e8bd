"""Secrets in Azure Key Vault: `azure:vault/name`, `azure:https://vault-host/name`.

Through Microsoft's client rather than plain requests: a vault says by a challenge whose token it
wants, and the client sends a token to nobody who asks for one that is not his. The synchronous
client, in a thread: it is bound to no event loop and leaves no session to be closed. It is imported
there too, when the first such secret is asked for.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Final

from core.domain.secret_reference import SecretReference
from core.errors import SecretUnavailable, SettingsError

if TYPE_CHECKING:
    from azure.core.exceptions import HttpResponseError
    from azure.identity import DefaultAzureCredential
    from azure.keyvault.secrets import SecretClient

_MEND: Final = "create, enable or restore it, or mend the reference"


class KeyVaultSecretStore:
    """A `SecretStore` over Key Vault: the latest version.

    The identity is azure-identity's own: managed identity in Azure, `az login` on a laptop.
    """

    def __init__(self) -> None:
        self._credential: DefaultAzureCredential | None = None
        self._clients: dict[str, SecretClient] = {}
        self._making = threading.Lock()

    async def read(self, reference: SecretReference) -> str:
        return await asyncio.to_thread(self._read, reference, reference.name or "")

    def _read(self, reference: SecretReference, name: str) -> str:
        from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError

        said = f"Key Vault has not given the secret {reference}"
        try:
            return self._client(reference.place).get_secret(name).value or ""
        except ResourceNotFoundError as error:
            raise SettingsError(f"{said}: there is none", fix=_MEND) from error
        except HttpResponseError as error:
            if _is_disabled(error):
                raise SettingsError(f"{said}: it is disabled", fix=_MEND) from error
            raise SecretUnavailable(f"{said}: {_line(error)}") from error
        except AzureError as error:
            raise SecretUnavailable(f"{said}: {_line(error)}") from error
        except ValueError as error:
            raise SettingsError(
                f"{said}: {reference.place} does not answer as a vault does",
                fix="mend the vault's host in the reference",
            ) from error

    def _client(self, vault: str) -> SecretClient:
        from azure.identity import DefaultAzureCredential
        from azure.keyvault.secrets import SecretClient

        with self._making:
            if self._credential is None:
                self._credential = DefaultAzureCredential()
            if vault not in self._clients:
                self._clients[vault] = SecretClient(
                    vault_url=vault,
                    credential=self._credential,
                    retry_total=1,
                    connection_timeout=3,
                    read_timeout=5,
                )
            return self._clients[vault]


def _is_disabled(error: HttpResponseError) -> bool:
    """Whether it was taken away on purpose, which the status (403) does not tell."""
    inner = (error.error and error.error.innererror) or {}
    return inner.get("code") == "SecretDisabled"


def _line(error: Exception) -> str:
    """What happened, in one line: the credential's own errors have a paragraph for each way."""
    return str(error).strip().partition("\n")[0]
