"""How many calls a client makes to Temporal, counted on the wire.

A proxy forwards every byte between client and server and reads the HTTP/2 frames: gRPC opens one
stream per call, so streams are calls, whichever client made them, retries included.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Self

_PREFACE: Final = len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
_FRAME_HEADER: Final = 9
_HEADERS: Final = 1


class Streams:
    """Counts the streams that a client opens, from the bytes it sends (RFC 9113, section 4.1)."""

    def __init__(self) -> None:
        self.opened = 0
        self._skip = _PREFACE
        self._header = bytearray()

    def feed(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        while view:
            if self._skip:
                skipped = min(self._skip, len(view))
                self._skip -= skipped
                view = view[skipped:]
                continue
            missing = _FRAME_HEADER - len(self._header)
            self._header += view[:missing]
            view = view[missing:]
            if len(self._header) == _FRAME_HEADER:
                self.opened += self._header[3] == _HEADERS
                self._skip = int.from_bytes(self._header[:3], "big")
                self._header.clear()


class Proxy:
    """A TCP proxy in front of a server, on a thread of its own."""

    def __init__(self, upstream: str) -> None:
        self._host, _, self._port = upstream.rpartition(":")
        self._connections: list[Streams] = []
        self._ready = threading.Event()
        self._answers: asyncio.Event
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._loop: asyncio.AbstractEventLoop
        self._over: asyncio.Event
        self.address = ""

    @property
    def calls(self) -> int:
        """Calls so far, over all connections."""
        return sum(streams.opened for streams in self._connections)

    @contextmanager
    def answers_held(self) -> Iterator[None]:
        """Within the block nothing that the server sends arrives; after it, everything does."""
        self._loop.call_soon_threadsafe(self._answers.clear)
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._answers.set)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the proxy did not start")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        self._answers = asyncio.Event()
        self._answers.set()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._over.wait()
        server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        streams = Streams()
        self._connections.append(streams)
        upstream_reader, upstream_writer = await asyncio.open_connection(
            self._host, int(self._port)
        )
        await asyncio.gather(
            _pass_on(reader, upstream_writer, streams=streams),
            _pass_on(upstream_reader, writer, gate=self._answers),
        )


async def _pass_on(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    *,
    streams: Streams | None = None,
    gate: asyncio.Event | None = None,
) -> None:
    try:
        while chunk := await reader.read(65536):
            if streams is not None:
                streams.feed(chunk)
            if gate is not None:
                await gate.wait()
            writer.write(chunk)
            await writer.drain()
    finally:
        writer.close()


@contextmanager
def counted(proxy: Proxy) -> Iterator[list[int]]:
    """A list that holds the number of calls made within the block, after it."""
    before, found = proxy.calls, list[int]()
    yield found
    found.append(proxy.calls - before)
