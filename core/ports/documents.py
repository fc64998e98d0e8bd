"""The Document Store port: reads and writes documents, wherever they are stored."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from core.domain.event import DocumentRef

CHUNK_BYTES = 1024 * 1024
"""The most of a document that is held in memory while it streams."""

PROBE: Final = "tidegate-doctor"
"""The name under which it is tried whether documents can be written. No document has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedDocument(DocumentRef):
    """A document in a listing, with when the store last wrote it; some stores round to seconds."""

    modified: datetime


class DocumentStore(Protocol):
    """Documents addressed by URI (`s3://bucket/key`, `azure://account/container/blob`,
    `file:///folder/name`).

    Every method raises `DocumentRefused` for a URI outside the configured roots, and
    `StoreUnavailable` for what a retry may fix. Memory does not grow with the document.
    """

    async def stat(self, uri: str) -> DocumentRef:
        """The document's current size, etag and version. Raises `DocumentNotFound`."""
        ...

    def read(self, document: DocumentRef, *, first: int | None = None) -> AsyncGenerator[bytes]:
        """The document's bytes in chunks of at most `CHUNK_BYTES`; with `first`, at least 1, no
        more than so many bytes from its beginning, and no more are transferred.

        A reference with a version reads that version; one with only an etag raises
        `DocumentChanged` when the content has changed. Chunks never mix two contents: a document
        that is overwritten while it is read may raise `DocumentChanged`, too. Raises
        `DocumentNotFound`.
        """
        ...

    async def write(
        self,
        uri: str,
        chunks: AsyncIterable[bytes],
        *,
        content_type: str,
        if_absent: bool = False,
    ) -> DocumentRef:
        """Write the document atomically. With `if_absent`, raises `DocumentExists` instead of
        overwriting."""
        ...

    def list(self, prefix: str) -> AsyncIterator[ListedDocument]:
        """All documents whose URI starts with `prefix`, sorted by URI."""
        ...

    async def delete(self, document: DocumentRef) -> None:
        """Delete the document as it is now, or nothing where there is none. A store that keeps old
        versions keeps this one among them.

        A reference with an etag raises `DocumentChanged` when the content has changed.
        """
        ...

    async def check_writable(self, folder: str) -> None:
        """Return if a document can be written below `folder`, a prefix that ends with a slash;
        nothing is left there (docs/decisions/0029)."""
        ...
