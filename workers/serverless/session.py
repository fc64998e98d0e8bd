"""One invocation's work: serve task queues until there is nothing left to do, or until the
function's deadline is near.

    connect -> poll -> idle, or near the deadline -> stop polling -> let what runs end

Temporal calls the function again for a task that nobody polls for, so a session may end whenever
nothing runs.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from temporalio.client import Client
from temporalio.worker import Worker

from core.config.settings import Settings
from core.contracts import SERVERLESS_DEPLOYMENT, SERVERLESS_RESERVE
from core.errors import ConfigurationError, SettingsError
from workers.runtime import process
from workers.serverless.slots import Sizes, Work, tuner

log = logging.getLogger("tidegate.worker")

_LOOK = 0.1
"""Seconds between two looks at what runs: the first task makes the shorter timeout count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a session ends. Durations are in seconds; `polls_until` is of `time.monotonic`."""

    idle: float
    first_task: float
    polls_until: float
    drain: float

    @classmethod
    def of(cls, settings: Settings, *, deadline: float, now: float) -> Limits:
        """Raises `SettingsError` when the function's deadline leaves no time for polling."""
        drain = settings.drain_timeout
        least = drain + SERVERLESS_RESERVE + settings.first_task_timeout
        if deadline - now < least:
            raise SettingsError(
                f"the function has {deadline - now:.0f} s left, and needs {least:g}: "
                f"TIDEGATE_DRAIN_TIMEOUT={drain:g}, "
                f"TIDEGATE_FIRST_TASK_TIMEOUT={settings.first_task_timeout:g} and "
                f"{SERVERLESS_RESERVE:g} to end",
                fix="give the function a longer timeout, or set a shorter TIDEGATE_DRAIN_TIMEOUT",
            )
        return cls(
            idle=settings.idle_timeout,
            first_task=settings.first_task_timeout,
            polls_until=deadline - SERVERLESS_RESERVE - drain,
            drain=drain,
        )

    def time_left(self, work: Work, now: float) -> float:
        """Seconds for which the session polls on if no task comes; it ends when there are none.
        While a task runs, that is until the idle timeout after now."""
        patience = self.idle if work.begun else self.first_task
        return min(patience - work.idle_for(), self.polls_until - now)


async def serve(
    client: Client,
    plans: Sequence[process.Plan],
    *,
    build_id: str,
    identity: str,
    limits: Limits,
    work: Work,
    sizes: Sizes,
    cached_workflows: int,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Serve the plans' task queues; returns when all that was begun has ended."""
    workers = [
        process.worker(
            client,
            plan,
            drain_timeout=limits.drain,
            build_id=build_id,
            deployment=SERVERLESS_DEPLOYMENT,
            identity=identity,
            tuner=tuner(work, sizes),
            max_cached_workflows=cached_workflows,
            max_concurrent_workflow_task_polls=2,
            max_concurrent_activity_task_polls=2,
        )
        for plan in plans
    ]
    running = [asyncio.create_task(worker.run()) for worker in workers]
    preparing = asyncio.create_task(_prepare(plans))
    while (left := limits.time_left(work, clock())) > 0:
        patience = min(left, _LOOK)
        ended, _ = await asyncio.wait(
            running, timeout=patience, return_when=asyncio.FIRST_COMPLETED
        )
        if ended:  # only a worker that failed ends by itself
            break
    await _shut_down(workers)
    await asyncio.gather(*running, preparing)


async def _prepare(plans: Sequence[process.Plan]) -> None:
    """Load what activities need, in a thread, while the first tasks are on their way. What can
    never work is logged, and fails the activity that needs it."""
    for plan in plans:
        try:
            await asyncio.to_thread(plan.prepare)
        except ConfigurationError as error:
            log.critical("some activities cannot succeed: %s", error)


async def _shut_down(workers: Sequence[Worker]) -> None:
    """Returns when the SDK's threads are done with the workers: a process that ends before that may
    abort."""
    await asyncio.gather(*(worker.shutdown() for worker in workers))
