"""Heartbeats of activities, by which the server notices a dead worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from temporalio import activity

HEARTBEAT_TIMEOUT: Final = timedelta(seconds=10)
"""How long the server waits for a heartbeat before it retries the activity on another worker."""

_INTERVAL: Final = 3.0


@asynccontextmanager
async def heartbeating() -> AsyncIterator[None]:
    """Send heartbeats inside the block; they also tell the activity that it was cancelled."""
    task = asyncio.create_task(_heartbeat())
    try:
        yield
    finally:
        task.cancel()


async def _heartbeat() -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(_INTERVAL)
