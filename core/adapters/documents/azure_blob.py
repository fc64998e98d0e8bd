"""Documents in Azure Blob Storage, addressed as `azure://account/container/blob` with the blob's
name unencoded.

A document of one chunk is one Put Blob; a larger one is staged in blocks and then committed whole.
Azure deletes blocks that are never committed after a week.
"""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator
from io import BytesIO
from typing import Any, Final

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from azure.storage.blob import BlobBlock, ContentSettings
from azure.storage.blob.aio import BlobClient, BlobServiceClient

from core.adapters.azure_clients import blob_service
from core.adapters.documents.multipart import parts
from core.domain.event import DocumentRef
from core.domain.store_uris import AZURE_ACCOUNT, AZURE_CONTAINER
from core.errors import (
    DocumentChanged,
    DocumentExists,
    DocumentNotFound,
    DocumentRefused,
    StoreUnavailable,
    TidegateError,
    third_party,
)
from core.ports.documents import CHUNK_BYTES, PROBE, ListedDocument

_SCHEME: Final = "azure://"
_ACCOUNT: Final = re.compile(AZURE_ACCOUNT)
_CONTAINER: Final = re.compile(AZURE_CONTAINER)
_NAME: Final = re.compile(r"[^\x00-\x1f\x7f\x81\ud800-\udfff]{1,1024}")

_FIX_NAME: Final = (
    "its name is at fault: let it be uploaded under one of 1 to 1,024 characters without control "
    "characters such as a tab"
)
_REFUSED: Final = {"InvalidUri", "InvalidResourceName", "OutOfRangeInput", "InvalidInput"}
_PRECONDITION: Final = {"ConditionNotMet", "BlobAlreadyExists"}
_DENIED: Final = (401, 403)

_CONNECTION: Final = "AZURE_STORAGE_CONNECTION_STRING"
_FIX_ACCESS: Final = (
    "give the identity the role Storage Blob Data Contributor on the account or the container; "
    f"or set {_CONNECTION} to a connection string of this account"
)
_FIX_CONNECTION: Final = (
    f"copy it from the account's access keys again, or unset {_CONNECTION} to use the identity"
)


class AzureDocumentStore:
    """A `DocumentStore` over Azure Blob Storage.

    `connection` is the connection string of one account; every other account is accessed as the
    identity that `DefaultAzureCredential` finds.
    """

    def __init__(self, connection: str | None = None) -> None:
        self._connection = connection

    async def stat(self, uri: str) -> DocumentRef:
        blob = await self._blob(uri)
        with _errors(uri):
            blob_now = await blob.get_blob_properties()
        return _reference(uri, blob_now.etag, blob_now.version_id, size=blob_now.size)

    async def read(
        self, document: DocumentRef, *, first: int | None = None
    ) -> AsyncGenerator[bytes]:
        blob = await self._blob(document.uri)
        pin: Any = {}
        if document.version:
            pin = {"version_id": document.version}
        elif document.etag:
            pin = {"etag": f'"{document.etag}"', "match_condition": MatchConditions.IfNotModified}
        part: Any = {} if first is None else {"offset": 0, "length": first}
        with _errors(document.uri, precondition=DocumentChanged):
            try:
                # The bytes as stored, which `size` and every checksum are of.
                stream = await blob.download_blob(**pin, **part, decompress=False)
            except HttpResponseError as error:
                if _code(error) == "InvalidRange":  # an empty blob has none
                    return
                raise
        ranges = aiter(stream.chunks())
        while True:
            with _errors(document.uri, precondition=DocumentChanged):
                block = await anext(ranges, b"")
            if not block:
                return
            for begin in range(0, len(block), CHUNK_BYTES):
                yield block[begin : begin + CHUNK_BYTES]

    async def write(
        self,
        uri: str,
        chunks: AsyncIterable[bytes],
        *,
        content_type: str,
        if_absent: bool = False,
    ) -> DocumentRef:
        blob = await self._blob(uri)
        how: Any = {"content_settings": ContentSettings(content_type=content_type)}
        rest = parts(chunks)
        first = await anext(rest, b"")
        if len(first) <= CHUNK_BYTES:
            with _errors(uri, precondition=DocumentExists):
                put: Any = await blob.upload_blob(first, overwrite=not if_absent, **how)
            return _reference(uri, put["etag"], put.get("version_id"), size=len(first))
        if if_absent:
            how["match_condition"] = MatchConditions.IfMissing
        blocks = [await _stage(blob, uri, first)]
        size = len(first)
        del first
        async for part in rest:
            blocks.append(await _stage(blob, uri, part))
            size += len(part)
        with _errors(uri, precondition=DocumentExists):
            put = await blob.commit_block_list(blocks, **how)
        return _reference(uri, put["etag"], put.get("version_id"), size=size)

    async def list(self, prefix: str) -> AsyncIterator[ListedDocument]:
        account, container, name = _split(prefix, whole_account=True)
        service = await self._service(account, prefix)
        with _errors(prefix):
            # A root may be a whole account. The slash sorts containers as their URIs sort.
            names = [container] if container else [c.name async for c in service.list_containers()]
            for each in sorted(names, key=lambda name: f"{name}/"):
                blobs = service.get_container_client(each).list_blobs(
                    name_starts_with=name, include=["metadata"]
                )
                async for blob in blobs:
                    # A hierarchical namespace lists folders, too, as blobs with this mark.
                    if (blob.metadata or {}).get("hdi_isfolder") != "true":
                        uri = f"{_SCHEME}{account}/{each}/{blob.name}"
                        yield ListedDocument(
                            uri=uri,
                            size=blob.size,
                            etag=blob.etag.strip('"'),
                            modified=blob.last_modified,
                        )

    async def delete(self, document: DocumentRef) -> None:
        blob = await self._blob(document.uri)
        pin: Any = {}
        if document.etag:
            pin = {"etag": f'"{document.etag}"', "match_condition": MatchConditions.IfNotModified}
        with contextlib.suppress(DocumentNotFound):
            try:
                with _errors(document.uri, precondition=DocumentChanged):
                    await blob.delete_blob(**pin)
            except DocumentChanged:
                await self.stat(document.uri)  # a blob that is not there has another etag, too
                raise

    async def check_writable(self, folder: str) -> None:
        """A blob is written on a condition that no blob meets. Azure looks at permissions first:
        whoever lacks them is refused, and whoever has them fails the condition."""
        blob = await self._blob(folder + PROBE)
        impossible: Any = {"etag": '"none"', "match_condition": MatchConditions.IfNotModified}
        with (
            contextlib.suppress(DocumentChanged),
            _errors(folder, precondition=DocumentChanged),
        ):
            await blob.upload_blob(b"", overwrite=True, **impossible)

    async def _blob(self, uri: str) -> BlobClient:
        account, container, name = _split(uri)
        service = await self._service(account, uri)
        return service.get_blob_client(container, name)

    async def _service(self, account: str, uri: str) -> BlobServiceClient:
        try:
            return await blob_service(account, self._connection)
        except ValueError:
            # Not chained: the library's message may quote the string, a secret.
            raise StoreUnavailable(
                f"{uri}: {_CONNECTION} is not a connection string", fix=_FIX_CONNECTION
            ) from None


async def _stage(blob: BlobClient, uri: str, part: bytes) -> BlobBlock:
    """Stage one block under a random name. Concurrent writers of one blob with the same block
    names, which the library's own upload uses, would commit each other's blocks."""
    block = BlobBlock(uuid.uuid4().hex)
    with _errors(uri):
        await blob.stage_block(block.id, BytesIO(part), length=len(part))
    return block


def _split(uri: str, *, whole_account: bool = False) -> tuple[str, str, str]:
    """Account, container and the blob's name; the last two may be empty with `whole_account`."""
    account, _, rest = uri.removeprefix(_SCHEME).partition("/")
    container, _, name = rest.partition("/")
    if (
        not uri.startswith(_SCHEME)
        or not _ACCOUNT.fullmatch(account)
        or not (_CONTAINER.fullmatch(container) or (whole_account and not rest))
        or not (_NAME.fullmatch(name) or (whole_account and not name))
    ):
        raise DocumentRefused(f"{uri!r} does not name a blob in Azure", fix=_FIX_NAME)
    return account, container, name


def _reference(uri: str, etag: str, version: str | None, *, size: int) -> DocumentRef:
    return DocumentRef(uri=uri, size=size, etag=etag.strip('"'), version=version)


@contextlib.contextmanager
def _errors(uri: str, *, precondition: type[TidegateError] = StoreUnavailable) -> Iterator[None]:
    """Raises Azure's errors as ours, without chaining them: they quote requests and answers.

    A missing container or a refused identity is transient: the operator can fix it, and the
    document is not at fault.
    """
    try:
        yield
    except HttpResponseError as error:
        code = _code(error)
        message = f"{uri}: {code}: {third_party(error).partition(chr(10))[0]}"
        if code == "BlobArchived":
            raise DocumentNotFound(f"{uri} is archived and must be rehydrated first") from None
        if error.status_code == 404 and code != "ContainerNotFound":
            raise DocumentNotFound(f"{uri} does not exist") from None
        if code in _PRECONDITION:
            raise precondition(f"{uri}: other content is stored there") from None
        if code in _REFUSED:
            raise DocumentRefused(message, fix=_FIX_NAME) from None
        if isinstance(error, ClientAuthenticationError) or error.status_code in _DENIED:
            raise StoreUnavailable(message, fix=_FIX_ACCESS) from None
        if code == "InvalidBlockList":
            raise StoreUnavailable(
                f"{uri}: it was written concurrently, and Azure dropped the staged blocks",
                fix="write it again",
            ) from None
        raise StoreUnavailable(message) from None
    except AzureError as error:
        raise StoreUnavailable(f"{uri}: {third_party(error)}") from None


def _code(error: HttpResponseError) -> str:
    """Azure's error code, else the status, else the exception's name, as where the identity failed
    before any request."""
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or error.status_code or type(error).__name__)
