"""Documents in Amazon S3, addressed as `s3://bucket/key` with the key unencoded.

boto3 is synchronous: each call runs in a thread, one chunk or part at a time. A document smaller
than a part is one PutObject; a larger one is a multipart upload.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from core.adapters.documents.multipart import PART_BYTES, parts
from core.domain.event import DocumentRef
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

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_GONE: Final = {"NoSuchKey", "NoSuchVersion", "404", "NotFound", "MethodNotAllowed", "405"}
_FIX_NAME: Final = "its name is at fault: let it be uploaded under another key"
_REFUSED: Final = {"KeyTooLongError", "InvalidBucketName", "InvalidURI"}


class S3DocumentStore:
    """A `DocumentStore` over S3. Credentials, region and endpoint are boto3's own settings."""

    def __init__(self, client: S3Client | None = None) -> None:
        if client is None:
            import boto3  # here, because a listener that quarantines nothing does not need it
            from botocore.config import Config

            retries: Any = {"mode": "standard", "max_attempts": 3}
            # A store may take long, without a byte, to assemble a large document from its parts.
            client = boto3.client(
                "s3", config=Config(retries=retries, connect_timeout=5, read_timeout=60)
            )
        self._s3 = client

    async def stat(self, uri: str) -> DocumentRef:
        bucket, key = _split(uri)
        with _errors(uri):
            head = await asyncio.to_thread(self._s3.head_object, Bucket=bucket, Key=key)
        return _reference(uri, head, size=head["ContentLength"])

    async def read(
        self, document: DocumentRef, *, first: int | None = None
    ) -> AsyncGenerator[bytes]:
        bucket, key = _split(document.uri)
        pin: Any = {}
        if document.version and document.version != "null":
            pin = {"VersionId": document.version}
        elif document.etag:
            pin = {"IfMatch": document.etag}
        if first is not None:
            pin["Range"] = f"bytes=0-{first - 1}"
        with _errors(document.uri, precondition=DocumentChanged):
            try:
                got = await asyncio.to_thread(self._s3.get_object, Bucket=bucket, Key=key, **pin)
            except ClientError as error:
                if _code(error) == "InvalidRange":  # an empty object has none
                    return
                raise
        with contextlib.closing(got["Body"]) as body:
            while True:
                with _errors(document.uri):
                    chunk = await asyncio.to_thread(body.read, CHUNK_BYTES)
                if not chunk:
                    return
                yield chunk

    async def write(
        self,
        uri: str,
        chunks: AsyncIterable[bytes],
        *,
        content_type: str,
        if_absent: bool = False,
    ) -> DocumentRef:
        bucket, key = _split(uri)
        target: Any = {"Bucket": bucket, "Key": key}
        condition: Any = {"IfNoneMatch": "*"} if if_absent else {}
        rest = parts(chunks)
        first = await anext(rest, b"")
        if len(first) < PART_BYTES:
            with _errors(uri, precondition=DocumentExists):
                put = await asyncio.to_thread(
                    self._s3.put_object, **target, **condition, Body=first, ContentType=content_type
                )
            return _reference(uri, put, size=len(first))
        head = [first]
        del first  # a part is held no longer than it takes to send
        return await self._write_parts(uri, target, condition, content_type, head, rest)

    async def _write_parts(
        self,
        uri: str,
        target: Any,
        condition: Any,
        content_type: str,
        head: list[bytes],
        rest: AsyncIterator[bytes],
    ) -> DocumentRef:
        with _errors(uri):
            upload = await asyncio.to_thread(
                self._s3.create_multipart_upload, **target, ContentType=content_type
            )
        target = {**target, "UploadId": upload["UploadId"]}
        done: list[Any] = []
        size = 0

        async def send(part: bytes) -> None:
            nonlocal size
            number = len(done) + 1
            with _errors(uri):
                sent = await asyncio.to_thread(
                    self._s3.upload_part, **target, PartNumber=number, Body=part
                )
            done.append({"PartNumber": number, "ETag": sent["ETag"]})
            size += len(part)

        try:
            while head:
                await send(head.pop(0))
            async for part in rest:
                await send(part)
                del part
            with _errors(uri, precondition=DocumentExists):
                put = await asyncio.to_thread(
                    self._s3.complete_multipart_upload,
                    **target,
                    **condition,
                    MultipartUpload={"Parts": done},
                )
        except BaseException:
            # Its own error matters less than the one that made the upload fail.
            with contextlib.suppress(TidegateError), _errors(uri):
                await asyncio.to_thread(self._s3.abort_multipart_upload, **target)
            raise
        return _reference(uri, put, size=size)

    async def list(self, prefix: str) -> AsyncIterator[ListedDocument]:
        bucket, key = _split(prefix, whole_bucket=True)
        pages = iter(self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key))
        while True:
            with _errors(prefix):
                page = await asyncio.to_thread(next, pages, None)
            if page is None:
                return
            for item in page.get("Contents", []):
                yield ListedDocument(
                    uri=f"s3://{bucket}/{item['Key']}",
                    size=item["Size"],
                    etag=item["ETag"].strip('"'),
                    modified=item["LastModified"],
                )

    async def delete(self, document: DocumentRef) -> None:
        bucket, key = _split(document.uri)
        condition: Any = {"IfMatch": document.etag} if document.etag else {}
        with (
            contextlib.suppress(DocumentNotFound),
            _errors(document.uri, precondition=DocumentChanged),
        ):
            await asyncio.to_thread(self._s3.delete_object, Bucket=bucket, Key=key, **condition)

    async def check_writable(self, folder: str) -> None:
        """An upload in parts is begun, which needs the same permissions as a document, the key's
        included, and aborted before it has any part."""
        bucket, key = _split(folder, whole_bucket=True)
        target: Any = {"Bucket": bucket, "Key": key + PROBE}
        with _errors(folder):
            begun = await asyncio.to_thread(self._s3.create_multipart_upload, **target)
            await asyncio.to_thread(
                self._s3.abort_multipart_upload, **target, UploadId=begun["UploadId"]
            )


def _split(uri: str, *, whole_bucket: bool = False) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket or not (key or whole_bucket):
        raise DocumentRefused(f"{uri!r} does not name an object in S3", fix=_FIX_NAME)
    return bucket, key


def _reference(uri: str, answer: Any, *, size: int) -> DocumentRef:
    return DocumentRef(
        uri=uri, size=size, etag=answer["ETag"].strip('"'), version=answer.get("VersionId")
    )


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


@contextlib.contextmanager
def _errors(uri: str, *, precondition: type[TidegateError] = StoreUnavailable) -> Iterator[None]:
    """Raises S3's errors as ours, without chaining them: they quote requests and answers.

    A missing bucket or a refused credential is transient: the operator can fix it, and the document
    is not at fault.
    """
    try:
        yield
    except ClientError as error:
        code = _code(error)
        if code in _GONE:
            raise DocumentNotFound(f"{uri} does not exist") from None
        if code == "InvalidObjectState":
            raise DocumentNotFound(f"{uri} is archived and must be restored first") from None
        if code in ("PreconditionFailed", "412"):
            raise precondition(f"{uri}: other content is stored there") from None
        if code in _REFUSED:
            raise DocumentRefused(f"{uri}: {third_party(error)}", fix=_FIX_NAME) from None
        raise StoreUnavailable(f"{uri}: {third_party(error)}") from None
    except ParamValidationError as error:
        raise DocumentRefused(f"{uri}: {third_party(error)}", fix=_FIX_NAME) from None
    except BotoCoreError as error:
        raise StoreUnavailable(f"{uri}: {third_party(error)}") from None
