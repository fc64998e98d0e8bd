"""Workflow starters in place of Temporal, for tests that need no server."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from core.domain.event import Event
from core.domain.identity import workflow_id
from core.errors import InvalidEvent, TemporalUnavailable
from core.ports.workflow_starter import Start


class MemoryStarter:
    """Starts each workflow ID once, as Temporal does, and records the calls.

    `before` is called before each start, and may raise what the Temporal adapter would.
    """

    def __init__(self, before: Callable[[Event], object] = lambda event: None) -> None:
        self.before = before
        self.calls: list[Event] = []
        self.started: dict[str, Event] = {}

    async def start(self, event: Event) -> Start:
        self.calls.append(event)
        self.before(event)
        id = workflow_id(event.key)
        new = id not in self.started
        self.started.setdefault(id, event)
        return Start(id, "run", new=new)


class HangingStarter(MemoryStarter):
    """Never answers for the events whose key contains `word`."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self._word = word

    async def start(self, event: Event) -> Start:
        if self._word in event.key:
            await asyncio.Event().wait()
        return await super().start(event)


def fickle(seed: int) -> MemoryStarter:
    """Starts most events; now and then it is unavailable, and now and then an event is invalid."""
    chance = random.Random(seed)  # noqa: S311

    def before(event: Event) -> None:
        if (luck := chance.random()) < 0.2:
            raise TemporalUnavailable("unavailable")
        if luck < 0.3:
            raise InvalidEvent("refused")

    return MemoryStarter(before)
