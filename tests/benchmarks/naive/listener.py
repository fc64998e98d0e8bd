"""The naive listener: starts, then signals."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from temporalio.client import Client

from core.domain.event import Event
from tests.benchmarks.naive.workflows import TASK_QUEUE, NaiveRoot


class NaiveListener:
    """Starts and signals with one client on one event loop."""

    def __init__(self, address: str) -> None:
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._client = self._runner.run(Client.connect(address))

    def handle(self, events: Sequence[Event]) -> None:
        async def accept_all() -> None:
            await asyncio.gather(*map(self._accept, events))

        self._runner.run(accept_all())

    def close(self) -> None:
        self._runner.close()

    async def _accept(self, event: Event) -> None:
        handle = await self._client.start_workflow(
            NaiveRoot.run, id=f"naive:{event.key}", task_queue=TASK_QUEUE
        )
        await handle.signal(NaiveRoot.event, event.to_wire())
