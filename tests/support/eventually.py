"""Waits for other processes, up to a deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

PATIENCE = 60.0
"""Seconds. Far longer than anything takes; a test that waits this long has failed."""

Answer = TypeVar("Answer")


async def eventually(ask: Callable[[], Awaitable[Answer | None]], what: str) -> Answer:
    """The first true result. Raises AssertionError naming `what` after a timeout."""
    deadline = time.monotonic() + PATIENCE
    while True:
        if answer := await ask():
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"timed out after {PATIENCE:g} s: {what}")
        await asyncio.sleep(0.02)
