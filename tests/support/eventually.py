"""Waiting for what other processes do: ask until the answer is right, up to a deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

PATIENCE = 60.0
"""Seconds. Far more than any answer takes; a test that waits this long has failed."""

Answer = TypeVar("Answer")


async def eventually(ask: Callable[[], Awaitable[Answer | None]], what: str) -> Answer:
    """The first true answer. Raises AssertionError naming `what` when there is none in time."""
    deadline = time.monotonic() + PATIENCE
    while True:
        if answer := await ask():
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {PATIENCE:g} s in vain: {what}")
        await asyncio.sleep(0.02)
