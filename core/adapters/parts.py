"""Large documents go to a store in parts: the same bytes, cut to one size."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from typing import Final

PART_BYTES: Final = 8 * 1024 * 1024
"""10,000 parts, the most that S3 takes, are 80 GiB; 50,000, the most of Azure, are 390 GiB."""


async def parts(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in parts of exactly `PART_BYTES`, but for the last; none for no bytes."""
    held = bytearray()
    async for chunk in chunks:
        held += chunk
        while len(held) >= PART_BYTES:
            yield bytes(held[:PART_BYTES])
            del held[:PART_BYTES]
    if held:
        yield bytes(held)
