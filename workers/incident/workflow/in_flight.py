"""Activities in flight: they run beside the main loop, which learns of faults in their callbacks.

Deterministic: runs in the workflow sandbox.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterable
from typing import Any, NamedTuple

from temporalio import workflow
from temporalio.exceptions import ActivityError

from core.domain.incident.effects import FollowUp, Page, UpdatePost, WriteReport
from workers.incident.workflow import activity_options

WithActivity = Page | WriteReport | FollowUp | UpdatePost
"""The effects that start an activity."""


class Failure(NamedTuple):
    """Why an activity failed: in one line, the code of its error, and whether for good."""

    reason: str
    code: str | None
    is_final: bool


Settled = Callable[[Failure | None, Any], None]
"""Called when an activity has ended: with its failure and None, or with None and its result."""


class _Running(NamedTuple):
    handle: workflow.ActivityHandle[Any]
    effect: WithActivity | None


class InFlight:
    """Activities in flight. Those with a key can be cancelled."""

    def __init__(self) -> None:
        self._running: dict[Hashable, _Running] = {}
        self._watchers: set[asyncio.Task[None]] = set()
        self._fault: BaseException | None = None

    def __bool__(self) -> bool:
        return bool(self._running)

    def __contains__(self, key: str) -> bool:
        return key in self._running

    def effects(self) -> list[WithActivity]:
        return [running.effect for running in self._running.values() if running.effect]

    def has(self, kind: type[WithActivity]) -> bool:
        return any(isinstance(effect, kind) for effect in self.effects())

    def watch(
        self,
        handle: workflow.ActivityHandle[Any],
        settled: Settled,
        *,
        effect: WithActivity | None = None,
        key: str | None = None,
    ) -> None:
        """Call `settled` when the activity has ended."""
        name = key or handle
        self._running[name] = _Running(handle, effect)
        task = asyncio.create_task(self._settle(name, handle, settled))
        self._watchers.add(task)
        task.add_done_callback(self._watched)

    def cancel(self, keys: Iterable[str]) -> None:
        for key in keys:
            if running := self._running.get(key):
                running.handle.cancel()

    def is_faulty(self) -> bool:
        return self._fault is not None

    def check(self) -> None:
        """Raise what a callback raised, so that the workflow task fails with it."""
        if self._fault:
            raise self._fault

    async def _settle(
        self, name: Hashable, handle: workflow.ActivityHandle[Any], settled: Settled
    ) -> None:
        failure, result = None, None
        try:
            result = await handle
        except ActivityError as error:
            failure = Failure(
                activity_options.reason_of(error),
                activity_options.code_of(error),
                activity_options.is_final(error),
            )
        finally:
            running = self._running.get(name)
            if running and running.handle is handle:  # and not the next one under this key
                del self._running[name]
        settled(failure, result)

    def _watched(self, task: asyncio.Task[None]) -> None:
        self._watchers.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._fault = error
