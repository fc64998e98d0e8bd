"""How much work waits on a worker's task queue, said in its log once a minute.

The log is the one place that every platform reads already: a metric filter makes a metric of it,
and a service grows by that, with nobody else having to reach Temporal.

    {"message": "backlog", "task_queue": "tidegate-root", "backlog": 7, "backlog_age_seconds": 2.1}
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from temporalio.client import Client

from core.adapters.temporal import admin
from core.errors import TemporalUnavailable

log = logging.getLogger("tidegate.worker")

EVERY: Final = 60.0
"""Seconds from one report to the next; what scales a service looks once a minute."""


async def reporting(client: Client, task_queue: str) -> None:
    """Report until cancelled. A report that cannot be had is left out, the worker goes on."""
    while True:
        await report(client, task_queue)
        await asyncio.sleep(EVERY)


async def report(client: Client, task_queue: str) -> None:
    """Log one report."""
    try:
        backlog = await admin.backlog(client, task_queue)
    except TemporalUnavailable as error:
        log.warning("the backlog is not known: %s", error.message)
        return
    log.info(
        "backlog",
        extra={
            "task_queue": task_queue,
            "backlog": backlog.tasks,
            "backlog_age_seconds": round(backlog.age.total_seconds(), 1),
        },
    )
