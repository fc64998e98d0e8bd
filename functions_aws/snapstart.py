"""What a listener prepares before SnapStart's snapshot, and resumes after it: see `core.snapstart`.

Before the snapshot that is only what all processes have in common: settings, tables, code.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from core import snapstart
from core.errors import TemporalUnavailable
from functions_aws import runtime, telemetry

_PATIENCE: Final = 3.0
"""Seconds for connecting. Lambda discards a process whose hooks take ten."""


def hooks(prepare: Callable[[], object]) -> None:
    """Have Lambda call `prepare` before the snapshot, and connect after it."""
    snapstart.hooks(prepare, _connect)


def _connect() -> None:
    """If Temporal is unavailable, the first event connects, as in a process without a snapshot,
    and is redelivered if that fails."""
    try:
        runtime.loop().run_until_complete(_connected())
    except (TemporalUnavailable, TimeoutError) as error:
        telemetry.logger.warning("not connected after the restore: %s", error)


async def _connected() -> None:
    async with asyncio.timeout(_PATIENCE):
        await runtime.workflows().connect()
