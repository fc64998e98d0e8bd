"""SnapStart hooks: Lambda snapshots one initialised process per version, and every process of that
version resumes from the snapshot.

So whatever exists before the snapshot is shared by all of them and as old as the version. That is
only what they have in common: settings, tables, code; no connection, no loop, no thread. Whatever
is unique to a process, or known to another machine, is made after the restore.

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
"""Seconds for connecting. Lambda discards a process whose hooks take ten."""


def hooks(prepare: Callable[[], object]) -> None:
    """Have Lambda call `prepare` before the snapshot and `resume` after it.

    Does nothing outside SnapStart, whose package is in Lambda's runtime only.
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
    """Make what is this process's own, and connect. If Temporal is unavailable, the first event
    connects, as in a process without a snapshot, and is redelivered if that fails."""
    # Python's random numbers, which spread retries, resume from the snapshot: the same in all
    # processes. IDs come from the operating system and are unique already.
    random.seed()
    try:
        runtime.loop().run_until_complete(_connect())
    except (TemporalUnavailable, TimeoutError) as error:
        telemetry.logger.warning("not connected after the restore: %s", error)


async def _connect() -> None:
    async with asyncio.timeout(_PATIENCE):
        await runtime.workflows().connect()
