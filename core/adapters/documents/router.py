"""All document stores as one: routes by the URI's scheme, and refuses URIs outside the roots.

The roots are enforced here and nowhere else, so that no adapter can forget to.
"""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Mapping,
    Sequence,
)
from typing import Final

from core.domain.event import DocumentRef
from core.domain.validation import is_within
from core.errors import DocumentRefused
from core.ports.documents import DocumentStore, ListedDocument


class DocumentStores:
    """A `DocumentStore` for all URIs under `roots`; `makers` makes each scheme's on first use."""

    def __init__(
        self, makers: Mapping[str, Callable[[], DocumentStore]], *, roots: Sequence[str]
    ) -> None:
        self._makers: Final = makers
        self._roots: Final = tuple(roots)
        self._stores: dict[str, DocumentStore] = {}

    async def stat(self, uri: str) -> DocumentRef:
        return await self._store(uri).stat(uri)

    def read(self, document: DocumentRef, *, first: int | None = None) -> AsyncGenerator[bytes]:
        return self._store(document.uri).read(document, first=first)

    async def write(
        self,
        uri: str,
        chunks: AsyncIterable[bytes],
        *,
        content_type: str,
        if_absent: bool = False,
    ) -> DocumentRef:
        return await self._store(uri).write(
            uri, chunks, content_type=content_type, if_absent=if_absent
        )

    def list(self, prefix: str) -> AsyncIterator[ListedDocument]:
        return self._store(prefix).list(prefix)

    async def delete(self, document: DocumentRef) -> None:
        await self._store(document.uri).delete(document)

    async def check_writable(self, folder: str) -> None:
        await self._store(folder).check_writable(folder)

    def _store(self, uri: str) -> DocumentStore:
        if not is_within(uri, self._roots):
            raise DocumentRefused(f"{uri} is outside the configured roots")
        scheme = uri.partition("://")[0]
        if scheme not in self._stores:
            if scheme not in self._makers:
                known = ", ".join(sorted(self._makers))
                raise DocumentRefused(f"{uri}: no store for {scheme}:// (there are: {known})")
            self._stores[scheme] = self._makers[scheme]()
        return self._stores[scheme]
