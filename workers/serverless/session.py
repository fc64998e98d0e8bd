"""One invocation's work: serve task queues until there is nothing left to do, or until the
function's deadline is near.

    connect -> poll -> idle, or near the deadline -> stop polling -> let what runs end

What does not end although it is cut off is left behind, so that the log and the metrics still get
out.

Temporal calls the function again for a task that nobody polls for, so a session may end whenever
nothing runs, and a task that arrives a moment later is not lost. It is late where the server has
already given it to a poll that the end cuts off: the SDK drops what such a poll brings, even where
the server completes polls at a shutdown. Tried with the SDK 1.35 and the server 1.32: in a window
of 5 to 10 ms before the end a workflow task is dropped. Temporal knows that after the workflow task
timeout, 10 s by default, and calls the function then; an activity, after its heartbeat timeout.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from temporalio.client import Client

from core.adapters.temporal import admin
from core.config.settings import Settings
from core.contracts import SERVERLESS_DEPLOYMENT, SERVERLESS_RESERVE
from core.errors import ConfigurationError, TransientError
from workers.runtime import process
from workers.serverless.slots import Sizes, Work, tuner
from workers.serverless.time_left import TimeLeft

log = logging.getLogger("tidegate.worker")

_TO_END: Final = SERVERLESS_RESERVE / 2
"""Seconds in which what was cut off has to end."""

_checked: Final[set[str]] = set()
"""Namespaces that have what the workers of this process need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a session ends. Durations are in seconds; `cut_at`, the time by which activities must
    have ended, is of `time.monotonic`."""

    idle: float
    first_task: float
    drain: float
    cut_at: float

    @classmethod
    def of(cls, settings: Settings, *, deadline: float, now: float) -> Limits:
        """Raises `SettingsError` when the function's deadline leaves no time for polling."""
        settings.check_function_timeout(deadline - now)
        return cls(
            idle=settings.idle_timeout,
            first_task=settings.first_task_timeout,
            drain=settings.drain_timeout,
            cut_at=deadline - SERVERLESS_RESERVE,
        )

    def time_left(self, work: Work, now: float) -> float:
        """Seconds until the session ends if no task comes. While a task runs, it cannot end before
        the idle timeout after now."""
        patience = self.idle if work.begun else self.first_task
        left = max(patience - work.idle_for(), work.due_in())
        return min(left, self.cut_at - self.drain - now)


class Stuck(Exception):
    """Something runs on, although it was cut off."""


async def serve(
    client: Client,
    plans: Sequence[process.Plan],
    *,
    build_id: str,
    identity: str,
    limits: Limits,
    work: Work,
    sizes: Sizes,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Serve the plans' task queues; returns when all that was begun has ended, and the SDK's
    threads are done with the workers: a process that ends before that may abort.

    Raises `ConfigurationError`, `Stuck`, and what a worker failed by.
    """
    time_left = TimeLeft(
        ends_at=limits.cut_at,
        drain=limits.drain,
        longest_wait=2 * limits.idle,
        work=work,
        clock=clock,
    )
    workers = [
        process.worker(
            client,
            plan,
            # As long as the function has: `TimeLeft` cuts activities off, not the SDK.
            drain_timeout=limits.cut_at - clock(),
            build_id=build_id,
            deployment=SERVERLESS_DEPLOYMENT,
            identity=identity,
            tuner=tuner(work, sizes),
            interceptors=[time_left],
            max_cached_workflows=sizes.cached_workflows,
            max_concurrent_workflow_task_polls=2,
            max_concurrent_activity_task_polls=2,
        )
        for plan in plans
    ]
    running = [asyncio.create_task(worker.run()) for worker in workers]
    checking = asyncio.create_task(_check(client, plans))
    preparing = asyncio.create_task(_prepare(plans))
    watched = {checking, *running}
    while (left := limits.time_left(work, clock())) > 0:
        # Whatever comes meanwhile, the session cannot end before the idle timeout after now.
        patience = min(left, limits.idle)
        ended, _ = await asyncio.wait(
            watched, timeout=patience, return_when=asyncio.FIRST_COMPLETED
        )
        if any(task.exception() for task in ended):
            break
        watched -= ended
    stopping = asyncio.gather(*(worker.shutdown() for worker in workers))
    # The cause that an operator can act on comes first.
    all_done = asyncio.gather(checking, *running, preparing, stopping, return_exceptions=True)
    done, _ = await asyncio.wait([all_done], timeout=limits.cut_at + _TO_END - clock())
    if not done:
        raise Stuck(f"{work.running()} tasks run on although they were cut off")
    for outcome in all_done.result():
        if isinstance(outcome, BaseException):
            raise outcome


async def _check(client: Client, plans: Sequence[process.Plan]) -> None:
    """Once per process, while the first tasks are on their way. Raises `ConfigurationError` when
    the namespace is not there or lacks a search attribute."""
    if client.namespace in _checked:
        return
    try:
        await admin.retention(client)  # the namespace exists
        names = dict.fromkeys(name for plan in plans for name in plan.search_attributes)
        if names:
            await process.check_search_attributes(client, tuple(names))
    except TransientError as error:
        log.warning("cannot check the namespace, continuing: %s", error.message)
    else:
        _checked.add(client.namespace)
        for plan in plans:
            await process.begin(client, plan)


async def _prepare(plans: Sequence[process.Plan]) -> None:
    """Load what activities need, in a thread, while the first tasks are on their way. What can
    never work is logged, and fails the activity that needs it."""
    for plan in plans:
        try:
            await asyncio.to_thread(plan.prepare)
        except ConfigurationError as error:
            log.critical("some activities cannot succeed: %s", error)
