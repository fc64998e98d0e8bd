"""Slots that know whether a worker has anything to do, and since when it has not.

A slot is the SDK's permit for one task. The SDK marks it as used when a task arrives and releases
it when the task's outcome is with the server, so nothing that was begun is ever taken for idle.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from temporalio.worker import (
    CustomSlotSupplier,
    SlotMarkUsedContext,
    SlotPermit,
    SlotReleaseContext,
    SlotReserveContext,
    WorkerTuner,
)


class Kind(StrEnum):
    """What a slot is for."""

    WORKFLOW = "workflow"
    ACTIVITY = "activity"
    LOCAL_ACTIVITY = "local_activity"
    NEXUS = "nexus"


class Work:
    """What the workers of one invocation do. The SDK's native threads write to it.

    `clock` is in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._running: dict[SlotPermit, Kind] = {}
        self._since = clock()
        """When the first of those that run began; the last one's end when none does."""
        self._began, self._busy = self._since, 0.0
        self._due = self._since
        self.cut_off = 0
        """Activities that were cut off by the function's deadline."""
        self.begun = False
        """Whether there was a task."""
        self.done: Counter[Kind] = Counter()

    def begin(self, permit: SlotPermit, kind: Kind) -> None:
        with self._lock:
            if not self._running:
                self._since = self._clock()
            self._running[permit] = kind
            self.begun = True

    def end(self, permit: SlotPermit) -> None:
        """Does nothing for a slot that was never used."""
        with self._lock:
            if (kind := self._running.pop(permit, None)) is None:
                return
            self.done[kind] += 1
            if not self._running:
                now = self._clock()
                self._busy += now - self._since
                self._since = now

    def expect(self, moment: float) -> None:
        """Something is due then, e.g. the retry of an activity that has failed."""
        with self._lock:
            self._due = max(self._due, moment)

    def due_in(self) -> float:
        """Seconds until the last of what is due; not positive when nothing is."""
        return self._due - self._clock()

    def idle_for(self) -> float:
        """Seconds since the last task ended, or since the beginning; 0 while one runs."""
        with self._lock:
            return 0.0 if self._running else self._clock() - self._since

    def busy_for(self) -> float:
        """Seconds in which at least one task ran."""
        with self._lock:
            return self._busy + (self._clock() - self._since if self._running else 0.0)

    def idle_in_all(self) -> float:
        """Seconds since the beginning in which no task ran."""
        return self._clock() - self._began - self.busy_for()

    def running(self) -> int:
        """How many tasks run now."""
        return len(self._running)


class Sizes(NamedTuple):
    """How much one worker runs concurrently, and how many workflows it keeps in memory."""

    workflow: int
    activity: int
    cached_workflows: int

    @classmethod
    def of(cls, memory_mb: int) -> Sizes:
        """What fits a function's memory.

        Measured: a process with both workers takes 100 MB before its first task, and 0.2 MB for
        each new incident in the cache; one with a long history takes more. An activity's document
        may take some MB. Lambda's CPU grows with its memory, and workflow tasks are bound by it.
        """
        room = max(memory_mb - 200, 0)
        return cls(
            workflow=min(max(room // 80, 4), 20),
            activity=min(max(room // 40, 4), 40),
            cached_workflows=min(max(room // 4, 20), 500),
        )


def tuner(work: Work, sizes: Sizes) -> WorkerTuner:
    """Slots for one worker, which report to `work`. Call it on the loop that the worker runs on."""
    return WorkerTuner.create_composite(
        workflow_supplier=_Slots(work, Kind.WORKFLOW, sizes.workflow),
        activity_supplier=_Slots(work, Kind.ACTIVITY, sizes.activity),
        local_activity_supplier=_Slots(work, Kind.LOCAL_ACTIVITY, sizes.activity),
        nexus_supplier=_Slots(work, Kind.NEXUS, 1),
    )


class _Slots(CustomSlotSupplier):
    """A fixed number of slots for tasks of one kind."""

    def __init__(self, work: Work, kind: Kind, size: int) -> None:
        self._work, self._kind = work, kind
        self._lock, self._free = threading.Lock(), size
        self._loop, self._freed = asyncio.get_running_loop(), asyncio.Event()

    async def reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit:
        while (permit := self.try_reserve_slot(ctx)) is None:
            # A slot that is freed meanwhile sets the event on this loop, so after this line.
            self._freed.clear()
            await self._freed.wait()
        return permit

    def try_reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit | None:
        with self._lock:
            if not self._free:
                return None
            self._free -= 1
        return SlotPermit()

    def mark_slot_used(self, ctx: SlotMarkUsedContext) -> None:
        self._work.begin(ctx.permit, self._kind)

    def release_slot(self, ctx: SlotReleaseContext) -> None:
        self._work.end(ctx.permit)
        with self._lock:
            self._free += 1
        self._loop.call_soon_threadsafe(self._freed.set)
