"""Workflows that stand for Temporal where no server is needed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from core.domain.event import Event
from core.domain.identity import workflow_id
from core.domain.routing.table import Target, WhenMissing
from core.errors import ChildMissing, InvalidEvent, TemporalUnavailable
from core.ports.workflows import Outcome, Sent


class MemoryWorkflows:
    """Starts each workflow ID once, as Temporal does, and remembers the events of all calls.

    `before` is asked before each event, and may raise what Temporal's adapter would.
    """

    def __init__(self, before: Callable[[Event], object] = lambda event: None) -> None:
        self.before = before
        self.calls: list[Event] = []
        self.started: dict[str, Event] = {}
        self.signals: list[tuple[str, str, list[str]]] = []
        """Workflow ID, request ID and the events' keys of each signal."""

    async def orchestrate(self, event: Event, *, table: str) -> Sent:
        return self._start(workflow_id(event.key), event)

    async def start(self, event: Event, target: Target, *, table: str) -> Sent:
        return self._start(target.id, event)

    async def signal(
        self, events: Sequence[Mapping[str, Any]], target: Target, *, request_id: str, table: str
    ) -> Sent:
        found = [Event.from_wire(wire) for wire in events]
        new = target.id not in self.started
        if new and target.when_missing is WhenMissing.QUARANTINE:
            raise ChildMissing(f"no workflow {target.id!r} is running")
        for event in found:
            self._start(target.id, event)
        self.signals.append((target.id, request_id, [event.key for event in found]))
        return Sent(target.id, "run", Outcome.STARTED if new else Outcome.DELIVERED)

    def _start(self, id: str, event: Event) -> Sent:
        self.calls.append(event)
        self.before(event)
        new = id not in self.started
        self.started.setdefault(id, event)
        return Sent(id, "run", Outcome.STARTED if new else Outcome.DUPLICATE)


class HangingWorkflows(MemoryWorkflows):
    """Never answers for the events whose key contains `word`."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self._word = word

    async def orchestrate(self, event: Event, *, table: str) -> Sent:
        if self._word in event.key:
            await asyncio.Event().wait()
        return await super().orchestrate(event, table=table)

    async def signal(
        self, events: Sequence[Mapping[str, Any]], target: Target, *, request_id: str, table: str
    ) -> Sent:
        if any(self._word in Event.from_wire(wire).key for wire in events):
            await asyncio.Event().wait()
        return await super().signal(events, target, request_id=request_id, table=table)


def fickle(seed: int) -> MemoryWorkflows:
    """Takes most events; now and then Temporal is unavailable, and now and then it refuses."""
    chance = random.Random(seed)  # noqa: S311

    def before(event: Event) -> None:
        if (luck := chance.random()) < 0.2:
            raise TemporalUnavailable("unavailable")
        if luck < 0.3:
            raise InvalidEvent("refused")

    return MemoryWorkflows(before)
