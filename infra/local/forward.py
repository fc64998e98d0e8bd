"""Lets containers reach a server of this machine that listens on 127.0.0.1 only.

    python -m infra.local.forward --socket DESCRIPTOR --to 7233

forwards connections to the inherited socket to this port of 127.0.0.1. The socket listens on the
address of Docker's bridge, which no other machine can reach.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
from contextlib import suppress

from infra.local.loopback import HOST, inherited

_CHUNK = 65536


async def forward(listening: socket.socket, port: int) -> None:
    """Serve until cancelled."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            inner_reader, inner_writer = await asyncio.open_connection(HOST, port)
            await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))
        writer.close()

    server = await asyncio.start_server(connected, sock=listening)
    await server.serve_forever()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy one direction until it ends or breaks, then close the other end."""
    with suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
    writer.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m infra.local.forward")
    parser.add_argument("--socket", type=inherited, required=True, help="a file descriptor")
    parser.add_argument("--to", type=int, required=True, help="the port of 127.0.0.1")
    options = parser.parse_args()
    asyncio.run(forward(options.socket, options.to))


if __name__ == "__main__":
    main()
