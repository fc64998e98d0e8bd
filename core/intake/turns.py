"""Turns: a bounded number of calls in flight, shared fairly between the ways in.

A plain semaphore serves whoever came first, so one sender's ten thousand events delay everybody
else's. Here a slot that becomes free goes to the next way that waits, in rotation, and within a way
to whoever came first.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """At most `slots` holders."""

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        """By way, in the order of their next turns; no queue is empty."""

    @asynccontextmanager
    async def take(self, way: str) -> AsyncIterator[None]:
        """Holds a slot, after waiting for this way's turn."""
        await self._acquire(way)
        try:
            yield
        finally:
            self._release()

    async def _acquire(self, way: str) -> None:
        if self._free:  # then nobody waits
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(way, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # the slot came, too late
                self._release()
            raise

    def _release(self) -> None:
        """Pass the slot on to the next way, which goes to the end of the rotation."""
        while self._waiting:
            way = next(iter(self._waiting))
            queue = self._waiting.pop(way)
            turn = queue.popleft()
            if queue:
                self._waiting[way] = queue
            if not turn.done():  # it is, where its holder was cancelled meanwhile
                turn.set_result(None)
                return
        self._free += 1
