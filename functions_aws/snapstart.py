"""SnapStart: Lambda takes a snapshot of a process that has loaded everything, once for a version,
and every process of that version goes on from it.

So what is made before is the same for all of them, and as old as the version. Before the snapshot
there is only what every process has in common: settings, tables, code. Nothing is connected, and no
loop and no thread runs. What tells one process from the others, and what another machine knows of
it, is made after.

Source: AWS Lambda, "Lambda SnapStart runtime hooks" for Python.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from typing import Final

from core.errors import TemporalUnavailable
from functions_aws import runtime, telemetry

_PATIENCE: Final = 3.0
"""Seconds for connecting. Lambda gives up a process whose hooks take ten."""


def hooks(prepare: Callable[[], object]) -> None:
    """Have Lambda call `prepare` before the snapshot and `resume` after it.

    Elsewhere than under SnapStart nothing happens; its package is in Lambda's runtime only.
    """
    if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") != "snap-start":
        return
    from snapshot_restore_py import (  # type: ignore[import-not-found]
        register_after_restore,
        register_before_snapshot,
    )

    register_before_snapshot(prepare)
    register_after_restore(resume)


def resume() -> None:
    """Make what is this process's own, and connect. Temporal may be away: then the first event
    connects, as in a process without a snapshot, and is given back if that fails."""
    # Python's own numbers at random, which spread retries, go on where the snapshot was taken:
    # alike in all processes. IDs come from the system and are each its own.
    random.seed()
    try:
        runtime.loop().run_until_complete(_connect())
    except (TemporalUnavailable, TimeoutError) as error:
        telemetry.logger.warning("not connected after the restore: %s", error)


async def _connect() -> None:
    async with asyncio.timeout(_PATIENCE):
        await runtime.starter().connect()
