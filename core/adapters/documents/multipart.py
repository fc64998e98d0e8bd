"""Parts for multipart uploads: the same bytes, cut to one size."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from io import BytesIO
from typing import Final

PART_BYTES: Final = 8 * 1024 * 1024
"""10,000 parts, the most that S3 takes, are 80 GiB; 50,000, the most of Azure, are 390 GiB."""


async def parts(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The bytes in parts of exactly `PART_BYTES`, except the last; no part for no bytes."""
    held = BytesIO()
    async for chunk in chunks:
        rest = memoryview(chunk)
        while rest:
            wanted = PART_BYTES - held.tell()
            held.write(rest[:wanted])
            rest = rest[wanted:]
            if held.tell() == PART_BYTES:
                yield held.getvalue()  # its own buffer, not a copy
                held = BytesIO()
    if held.tell():
        yield held.getvalue()
