"""One call to something outside for all requests that need its answer at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedCall(Generic[T]):
    """The answer of `call`, which runs once at a time, however many wait for it: none of them waits
    for the failures of those before. It goes on when whoever waits for it goes away."""

    def __init__(self, call: Callable[[], Awaitable[T]]) -> None:
        self._call = call
        self._calling: asyncio.Task[T] | None = None

    async def answer(self) -> T:
        """Raises as `call`."""
        if self._calling is None or self._calling.done():
            self._calling = asyncio.create_task(self._called())
            self._calling.add_done_callback(_seen)
        return await asyncio.shield(self._calling)

    async def _called(self) -> T:
        return await self._call()


def _seen(task: asyncio.Task[T]) -> None:
    """Look at a failure: asyncio complains of one for which nobody waits any more."""
    if not task.cancelled():
        task.exception()
