"""One document up and down through the store that `bootstrap` picks, measured from within.

    python -m tests.benchmarks.transfer ROOT BYTES

Prints JSON: seconds `up` and `down`, hashes included, and `growth`: the most resident memory during
both, in MiB, over what was resident before, when a small document had been up and down already.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from core import bootstrap
from core.config.settings import Settings
from core.ports.documents import CHUNK_BYTES, DocumentStore

_STATUS: Final = Path("/proc/self/status")


async def main(root: str, size: int) -> dict[str, float]:
    documents = bootstrap.documents(Settings(documents=(root,)))
    await _transfer(documents, f"{root}small.bin", 1024)
    before = _start_of_growth()
    up, down = await _transfer(documents, f"{root}large.bin", size)
    return {"up": up, "down": down, "growth": _peak() - before}


async def _transfer(documents: DocumentStore, uri: str, size: int) -> tuple[float, float]:
    """Seconds up and down. Raises when another content comes down than went up."""
    sent, received = hashlib.sha256(), hashlib.sha256()
    begun = time.perf_counter()
    written = await documents.write(
        uri, _content(size, sent), content_type="application/octet-stream"
    )
    half_way = time.perf_counter()
    async for chunk in documents.read(written):
        received.update(chunk)
    ended = time.perf_counter()
    if received.digest() != sent.digest() or written.size != size:
        raise RuntimeError(f"{uri}: what came down is not what went up")
    return half_way - begun, ended - half_way


async def _content(size: int, digest: hashlib._Hash) -> AsyncIterator[bytes]:
    """So many bytes in chunks of which no two are alike."""
    noise = os.urandom(CHUNK_BYTES - 8)
    for begin in range(0, size, CHUNK_BYTES):
        chunk = (begin.to_bytes(8, "big") + noise)[: size - begin]
        digest.update(chunk)
        yield chunk


def _start_of_growth() -> float:
    """Resident memory now, from which on the peak counts anew where the system lets it."""
    if _STATUS.exists():
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets VmHWM
        return _status("VmRSS")
    return _peak()


def _peak() -> float:
    """The most memory that was resident, in MiB."""
    if _STATUS.exists():
        return _status("VmHWM")
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / CHUNK_BYTES


def _status(field: str) -> float:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"{_STATUS} has no {field}")


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1], int(sys.argv[2])))))
