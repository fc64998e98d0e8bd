"""The Document Store port: how the system reads and writes documents, wherever they lie."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from typing import Protocol

from core.domain.event import DocumentRef

CHUNK_BYTES = 1024 * 1024
"""How much of a document an adapter holds at a time while it streams."""


class DocumentStore(Protocol):
    """A place for documents, addressed by URI (`s3://bucket/key`, `azure://account/container/blob`,
    `file:///folder/name`).

    Every method raises `DocumentRefused` for a URI outside the configured roots and
    `StoreUnavailable` for what may work later. Memory does not grow with the document.
    """

    async def stat(self, uri: str) -> DocumentRef:
        """The document's current size, etag and version. Raises `DocumentNotFound`."""
        ...

    def read(self, document: DocumentRef) -> AsyncIterator[bytes]:
        """The document's bytes in chunks of at most `CHUNK_BYTES`.

        A reference with a version reads that version; one with only an etag raises
        `DocumentChanged` when the content is another by now. The chunks are of one content, never
        of two: what is overwritten meanwhile may end in `DocumentChanged`, too. Raises
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
        """Write the document whole or not at all; with `if_absent`, raise `DocumentExists`
        instead of overwriting."""
        ...

    def list(self, prefix: str) -> AsyncIterator[DocumentRef]:
        """All documents whose URI starts with `prefix`, in the order of their URIs."""
        ...
