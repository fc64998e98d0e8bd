"""The backlog of a worker's task queue, logged once a minute.

Every platform reads the log already: a metric filter turns the line into a metric that a service
scales on, and nothing but the worker needs access to Temporal.

    {"message": "backlog", "task_queue": "tidegate-root", "backlog": 7, "backlog_age_seconds": 2.1}
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from temporalio.client import Client

from core.adapters.temporal import admin
from core.errors import TidegateError

log = logging.getLogger("tidegate.worker")

INTERVAL: Final = 60.0
"""Seconds; autoscalers evaluate their metrics once a minute."""


async def reporting(client: Client, task_queue: str) -> None:
    """Log the backlog periodically until cancelled."""
    while True:
        await report(client, task_queue)
        await asyncio.sleep(INTERVAL)


async def report(client: Client, task_queue: str) -> None:
    """Log the backlog once, or a warning when Temporal does not say it."""
    try:
        backlog = await admin.backlog(client, task_queue)
    except TidegateError as error:
        log.warning("the backlog is unknown: %s", error.message)
        return
    log.info(
        "backlog",
        extra={
            "task_queue": task_queue,
            "backlog": backlog.tasks,
            "backlog_age_seconds": round(backlog.age.total_seconds(), 1),
        },
    )
