"""An installation on Azure: the outputs that azd keeps, its container, its queue and its app.

Whatever needs an identity takes the one that `DefaultAzureCredential` finds, such as that of
`az login`; a storage account's own connection string is used where AZURE_STORAGE_CONNECTION_STRING
has it. Sources: Microsoft Learn, "Send Message" (Service Bus REST API), "Authenticate and authorize
an application with Microsoft Entra ID to access Azure Service Bus entities", "Delete Blob".
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from typing import Final

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from azure.storage.blob import ContentSettings
from azure.storage.blob.aio import BlobServiceClient

from core.adapters.azure_clients import blob_service
from core.adapters.deployments import http
from core.domain.event import DocumentRef
from core.errors import DeploymentUnavailable, SettingsError, third_party
from core.ports.deployment import MOST_LISTED, Answer, Places

TOKEN, DOCUMENTS, FUNCTION_APP = "PLATFORM_TOKEN", "PLATFORM_DOCUMENTS", "PLATFORM_FUNCTION_APP"
"""Outputs of infra/azure/main.bicep, as azd names them in its environment."""

_SCHEME: Final = "azure://"
_CONNECTION: Final = "AZURE_STORAGE_CONNECTION_STRING"
_SCOPE: Final = "https://servicebus.azure.net/.default"
_QUEUE: Final = re.compile(
    r"https://[a-z0-9-]+\.servicebus\.(windows\.net|usgovcloudapi\.net|chinacloudapi\.cn)/[^?#]+",
    re.I,
)
"""A queue in Azure's public cloud, or in one of its others."""
_LEFT: Final = "its version stays for as long as the account keeps versions"
_FIX_CREDENTIALS: Final = "sign in: `az login`, or `azd auth login`"
_FIX_PLACES: Final = (
    "export each, as `azd env get-value NAME` prints it, or name --documents, --queue and "
    "--webhooks"
)


class AzureDeployment:
    """The installation whose outputs are in an environment."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env

    async def places(self) -> Places:
        if missing := [n for n in (TOKEN, DOCUMENTS, FUNCTION_APP) if not self._env.get(n)]:
            raise SettingsError(f"{', '.join(missing)} is not set", fix=_FIX_PLACES)
        account = f"{_SCHEME}{self._env[DOCUMENTS]}"
        return Places(
            documents=f"{account}/documents/incidents/",
            queue=f"https://sb-{self._env[TOKEN]}.servicebus.windows.net/messages",
            webhooks=f"https://{self._env[FUNCTION_APP]}.azurewebsites.net/hooks/",
            quarantine=f"{account}/quarantine/",
        )

    async def upload(self, uri: str, body: bytes) -> DocumentRef:
        account, container, name = _split(uri)
        with _errors(f"upload {uri} (role Storage Blob Data Contributor)"):
            service = await self._service(account)
            put = await service.get_blob_client(container, name).upload_blob(
                body, content_settings=ContentSettings(content_type="text/plain")
            )
        return DocumentRef(uri=uri, size=len(body), version=put.get("version_id"))

    async def remove(self, document: DocumentRef) -> str:
        account, container, name = _split(document.uri)
        with _errors(f"remove {document.uri} (role Storage Blob Data Contributor)"):
            service = await self._service(account)
            await service.get_blob_client(container, name).delete_blob()
        return _LEFT if document.version else ""

    async def send(self, queue: str, id: str, body: bytes) -> None:
        headers = {
            "Content-Type": "application/json",
            # A queue with sessions takes no message without one; any other ignores it.
            "BrokerProperties": json.dumps({"MessageId": id, "SessionId": id}),
        }
        if not http.is_loopback(queue):
            if not _QUEUE.fullmatch(queue):  # nobody else may see the token
                raise SettingsError(
                    f"{queue} is not https://NAMESPACE.servicebus.windows.net/QUEUE"
                )
            headers["Authorization"] = f"Bearer {await asyncio.to_thread(_token)}"
        answer = await http.post(f"{queue}/messages", headers, body)
        if answer.status != HTTPStatus.CREATED:
            raise DeploymentUnavailable(
                f"cannot send to {queue} (role Azure Service Bus Data Sender): Service Bus "
                f"answered {answer.status}"
            )

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        return await http.post(url, headers, body)

    async def written(self, prefix: str, *, since: datetime) -> list[str]:
        account, container, start = _split(prefix)
        with _errors(f"list {prefix} (role Storage Blob Data Reader)"):
            service = await self._service(account)
            blobs = service.get_container_client(container).list_blobs(name_starts_with=start)
            found, listed = [], 0
            async for blob in blobs:
                listed += 1
                if listed > MOST_LISTED:
                    raise DeploymentUnavailable(
                        f"more than {MOST_LISTED:,} documents are in {prefix}"
                    )
                if blob.last_modified >= since:
                    found.append((blob.last_modified, blob.name))
        return [f"{_SCHEME}{account}/{container}/{name}" for _, name in sorted(found, reverse=True)]

    async def _service(self, account: str) -> BlobServiceClient:
        return await blob_service(account, self._env.get(_CONNECTION) or None)


def _token() -> str:
    from azure.identity import DefaultAzureCredential

    with _errors("get a token for Service Bus"), DefaultAzureCredential() as credential:
        return credential.get_token(_SCOPE).token


@contextmanager
def _errors(what: str) -> Iterator[None]:
    """The errors of Azure's clients as ours. `what` names the call, with the role that it needs."""
    try:
        yield
    except HttpResponseError as error:
        if isinstance(error, ClientAuthenticationError) and error.status_code is None:
            raise _no_credentials(error) from None
        # Not every answer has a code, such as a proxy's, and not every error is an answer.
        code = getattr(error, "error_code", None) or error.status_code
        answered = f"Azure answered {code}" if code else third_party(error)
        raise DeploymentUnavailable(f"cannot {what}: {answered}") from None
    except AzureError as error:
        raise DeploymentUnavailable(f"cannot {what}: {third_party(error)}") from None
    except ValueError as error:
        raise SettingsError(f"cannot {what}: {third_party(error)}") from None


def _no_credentials(error: Exception) -> SettingsError:
    line = third_party(error).partition("\n")[0]
    return SettingsError(f"there is no Azure identity: {line}", fix=_FIX_CREDENTIALS)


def _split(uri: str) -> tuple[str, str, str]:
    account, _, path = uri.removeprefix(_SCHEME).partition("/")
    container, _, name = path.partition("/")
    if not uri.startswith(_SCHEME) or not account or not container:
        raise SettingsError(f"{uri} is not azure://ACCOUNT/CONTAINER/FOLDER/")
    return account, container, name
