"""One document up and down through the store that `bootstrap` picks, measured from within.

    python -m tests.benchmarks.transfer ROOT BYTES

Prints JSON: the seconds `up` and `down`, hashes included, and `growth`: the peak resident memory
during both, in MiB, above what was resident after a first, small transfer.
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
    """Seconds up and down. Raises `RuntimeError` when the contents differ."""
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
        raise RuntimeError(f"{uri}: downloaded content differs from what was uploaded")
    return half_way - begun, ended - half_way


async def _content(size: int, digest: hashlib._Hash) -> AsyncIterator[bytes]:
    """This many bytes, in chunks that all differ."""
    noise = os.urandom(CHUNK_BYTES - 8)
    for begin in range(0, size, CHUNK_BYTES):
        chunk = (begin.to_bytes(8, "big") + noise)[: size - begin]
        digest.update(chunk)
        yield chunk


def _start_of_growth() -> float:
    """The resident memory now, in MiB; resets the peak to it where the system can."""
    if _STATUS.exists():
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets VmHWM
        return _status("VmRSS")
    return _peak()


def _peak() -> float:
    """The peak resident memory in MiB."""
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
