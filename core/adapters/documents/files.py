"""Documents in a folder, addressed as `file:///absolute/path`: for development and tests.

A file's etag is made of its inode, size and modification time; there are no versions. A write goes
to a temporary file beside its document, which a killed process leaves behind: those are never
listed, and the first write of a process to a folder deletes the old ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from core.domain.event import DocumentRef
from core.errors import (
    DocumentChanged,
    DocumentExists,
    DocumentNotFound,
    DocumentRefused,
    StoreUnavailable,
)
from core.ports.documents import CHUNK_BYTES, ListedDocument

_SCHEME: Final = "file://"
_FIX_NAME: Final = "name it by its absolute path"
_TEMPORARY: Final = ".tidegate-"
_ABANDONED_SECONDS: Final = 3600
"""How long after its last write a temporary file belongs to nobody any more."""


class FileDocumentStore:
    """A `DocumentStore` over the local file system."""

    def __init__(self) -> None:
        self._swept: set[Path] = set()

    async def stat(self, uri: str) -> DocumentRef:
        with _errors(uri):
            return _reference(uri, await asyncio.to_thread(os.stat, _path(uri)))

    async def read(
        self, document: DocumentRef, *, first: int | None = None
    ) -> AsyncGenerator[bytes]:
        uri = document.uri
        with _errors(uri):
            file = _opened(_path(uri))
        with file:
            current = _reference(uri, os.fstat(file.fileno()))
            if document.etag and document.etag != current.etag:
                raise DocumentChanged(f"{uri} has etag {current.etag}, not {document.etag}")
            left = sys.maxsize if first is None else first
            while left:
                with _errors(uri):
                    chunk = await asyncio.to_thread(file.read, min(left, CHUNK_BYTES))
                if not chunk:
                    return
                left -= len(chunk)
                yield chunk

    async def write(
        self,
        uri: str,
        chunks: AsyncIterable[bytes],
        *,
        content_type: str,
        if_absent: bool = False,
    ) -> DocumentRef:
        path = _path(uri)
        with _errors(uri, writing=True):
            await asyncio.to_thread(os.makedirs, path.parent, exist_ok=True)
            if path.parent not in self._swept:
                await asyncio.to_thread(_sweep, path.parent)
                self._swept.add(path.parent)
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=_TEMPORARY)
        try:
            with os.fdopen(handle, "wb") as file:
                async for chunk in chunks:
                    with _errors(uri, writing=True):
                        await asyncio.to_thread(file.write, chunk)
            with _errors(uri, writing=True):
                if if_absent:
                    _link(temporary, path, uri)
                else:
                    os.replace(temporary, path)
                return _reference(uri, os.stat(path))
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)

    async def list(self, prefix: str) -> AsyncIterator[ListedDocument]:
        folder = _path(prefix if prefix.endswith("/") else prefix.rpartition("/")[0] + "/")
        for uri in await asyncio.to_thread(lambda: sorted(_uris_below(folder))):
            if uri.startswith(prefix):
                # Deleted meanwhile, or a symbolic link: not a document.
                with contextlib.suppress(DocumentNotFound, DocumentRefused):
                    with _errors(uri):
                        found = await asyncio.to_thread(os.stat, _path(uri))
                    ref = _reference(uri, found)
                    modified = datetime.fromtimestamp(found.st_mtime, UTC)
                    yield ListedDocument(uri=uri, size=ref.size, etag=ref.etag, modified=modified)

    async def delete(self, document: DocumentRef) -> None:
        uri = document.uri
        with contextlib.suppress(DocumentNotFound), _errors(uri):
            current = await self.stat(uri)
            if document.etag and document.etag != current.etag:
                raise DocumentChanged(f"{uri} has etag {current.etag}, not {document.etag}")
            await asyncio.to_thread(os.unlink, _path(uri))

    async def check_writable(self, folder: str) -> None:
        with _errors(folder, writing=True):
            await asyncio.to_thread(_write_nameless, _path(folder))


def _write_nameless(folder: Path) -> None:
    """Write a file that has no name and ends with its handle, where the folder is or would be."""
    while not folder.exists():
        folder = folder.parent
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"x")


def _opened(path: Path) -> BinaryIO:
    """The file, opened here and not in a thread, which would leave it open to nobody when its
    reader is cancelled meanwhile."""
    return path.open("rb")


def _uris_below(folder: Path) -> Iterator[str]:
    for parent, _, names in os.walk(folder):
        for name in names:
            if not name.startswith(_TEMPORARY):
                yield f"{_SCHEME}{parent.rstrip('/')}/{name}"


def _sweep(folder: Path) -> None:
    """Delete the temporary files of writes that were killed."""
    abandoned = time.time() - _ABANDONED_SECONDS
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(_TEMPORARY):
                with contextlib.suppress(OSError):  # another process may sweep, too
                    if entry.stat(follow_symlinks=False).st_mtime < abandoned:
                        os.unlink(entry.path)


def _path(uri: str) -> Path:
    path = Path(uri.removeprefix(_SCHEME))
    if not uri.startswith(_SCHEME) or not path.is_absolute() or "\0" in uri:
        raise DocumentRefused(f"{uri!r} is not file:// with an absolute path", fix=_FIX_NAME)
    if path.resolve() != Path(os.path.abspath(path)):
        raise DocumentRefused(
            f"{uri} leads elsewhere through a symbolic link", fix="name the place it leads to"
        )
    return path


def _link(source: str, path: Path, uri: str) -> None:
    """Name the file; unlike a rename, this fails when the name is taken."""
    try:
        os.link(source, path)
    except FileExistsError as error:
        raise DocumentExists(f"{uri} exists already") from error


def _reference(uri: str, stat: os.stat_result) -> DocumentRef:
    etag = f"{stat.st_ino:x}-{stat.st_size:x}-{stat.st_mtime_ns:x}"
    return DocumentRef(uri=uri, size=stat.st_size, etag=etag)


@contextlib.contextmanager
def _errors(uri: str, *, writing: bool = False) -> Iterator[None]:
    """Raises the system's errors as ours. A missing file is `DocumentNotFound` to a reader; to a
    writer it is a fault of the store."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        if writing:
            raise StoreUnavailable(f"{uri}: {error.strerror}") from error
        raise DocumentNotFound(f"{uri} does not exist") from error
    except OSError as error:
        raise StoreUnavailable(f"{uri}: {error.strerror or error}") from error
