"""Lets containers reach a server of this machine that listens on 127.0.0.1 only.

    python -m infra.local.forward 172.17.0.1 7233 5555

listens on these ports of the first address, and brings what comes to the same ports of 127.0.0.1.
The address is that of Docker's bridge, which no other machine is on.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

_CHUNK = 65536


async def forward(address: str, ports: list[int]) -> None:
    """Serve until cancelled."""
    for port in ports:

        async def connected(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int = port
        ) -> None:
            await _join(reader, writer, port)

        await asyncio.start_server(connected, address, port)
    await asyncio.Event().wait()


async def _join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    with suppress(OSError):
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))
    writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One way, until it ends or breaks; then the other end is told."""
    with suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
    writer.close()


if __name__ == "__main__":
    asyncio.run(forward(sys.argv[1], [int(port) for port in sys.argv[2:]]))
