"""Secrets in Azure Key Vault: `azure:vault/name`, `azure:https://vault-host/name`.

Through Microsoft's client rather than plain requests: a vault answers with a challenge that names
the token it wants, and the client verifies that the challenge is from that resource before it sends
one. The client is the synchronous one, in a thread: it belongs to no event loop and has no session
to close. It is imported there, too, with the first such secret.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Final

from core.domain.secret_reference import SecretReference
from core.errors import SecretUnavailable, SettingsError, third_party

if TYPE_CHECKING:
    from azure.core.exceptions import HttpResponseError
    from azure.identity import DefaultAzureCredential
    from azure.keyvault.secrets import SecretClient

_FIX: Final = "create, enable or restore it, or fix the reference"


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

        failure = f"Key Vault does not return the secret {reference}"
        try:
            return self._client(reference.place).get_secret(name).value or ""
        except ResourceNotFoundError:
            raise SettingsError(f"{failure}: it does not exist", fix=_FIX) from None
        except HttpResponseError as error:
            if _is_disabled(error):
                raise SettingsError(f"{failure}: it is disabled", fix=_FIX) from None
            raise SecretUnavailable(f"{failure}: {_line(error)}") from None
        except AzureError as error:
            raise SecretUnavailable(f"{failure}: {_line(error)}") from None
        except ValueError:
            raise SettingsError(
                f"{failure}: {reference.place} does not answer like a vault",
                fix="fix the vault's host in the reference",
            ) from None

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
    """Whether it was disabled on purpose, which the status (403) does not tell."""
    inner = (error.error and error.error.innererror) or {}
    return inner.get("code") == "SecretDisabled"


def _line(error: Exception) -> str:
    """The first line: the credential's errors have a paragraph for each way of authenticating."""
    return third_party(error).strip().partition("\n")[0]
