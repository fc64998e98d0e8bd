"""The heartbeat worker in tests: real, with an intake that remembers what it accepted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from core.contracts import HEARTBEAT_WORKFLOW, QUERY_HEARTBEAT, SIGNAL_EVENT, SIGNAL_SYNC
from core.domain.event import HEARTBEAT, Event
from core.domain.heartbeat.declaration import HeartbeatRule
from core.domain.heartbeat.model import Heartbeat
from core.domain.heartbeat.names import workflow_id
from core.errors import TemporalUnavailable
from core.formats.shared.delivery import Arrival
from core.intake.receipts import Receipt, Verdict
from tests.support.eventually import eventually
from tests.support.histories import record
from tests.support.incidents import failed_tasks, replay
from workers.heartbeat.activities import HeartbeatActivities
from workers.heartbeat.workflows import HeartbeatWorkflow
from workers.runtime import process


class Accepting:
    """An intake that remembers what it accepted, as `KEY STATUS`; refuses while it is broken."""

    def __init__(self) -> None:
        self.alerts: list[str] = []
        self.events: list[Event] = []
        self.attempts = 0
        self.broken = False

    async def accept(self, arrivals: Sequence[Arrival], **_: Any) -> list[Receipt]:
        self.attempts += 1
        if self.broken:
            raise TemporalUnavailable("no answer")
        for arrival in arrivals:
            assert isinstance(arrival.item, Event)
            self.events.append(arrival.item)
            self.alerts.append(f"{arrival.item.data['key']} {arrival.item.data['status']}")
        return [Receipt(verdict=Verdict.DELIVERED) for _ in arrivals]


def rules(**declared: Mapping[str, Any]) -> dict[str, HeartbeatRule]:
    """The heartbeats of an on-call file, by their names with `_` for `-`."""
    return {
        name.replace("_", "-"): HeartbeatRule.model_validate(rule)
        for name, rule in declared.items()
    }


def beat_event(name: str, *, at: datetime | None = None, **data: Any) -> Event:
    """A beat as the format `heartbeat` reads it."""
    id = uuid4().hex
    return Event(
        id=id,
        source="webhook:beats",
        type=HEARTBEAT,
        key=f"heartbeat:webhook:beats#{id}",
        subject=name,
        time=at.astimezone(UTC).isoformat() if at else None,
        data={"status": "ok", **data},
    )


@dataclass
class Harness:
    """One worker of heartbeats on a task queue of its own."""

    client: Client
    heartbeats: dict[str, HeartbeatRule]
    intake: Accepting = field(default_factory=Accepting)
    queue: str = field(default_factory=lambda: f"heartbeat-{uuid4()}")

    signalled: dict[str, str] = field(default_factory=dict)
    """The first run of each heartbeat that was signalled, by its name."""

    @asynccontextmanager
    async def working(self, **options: Any) -> AsyncIterator[None]:
        activities = HeartbeatActivities(
            heartbeats=self.heartbeats,
            intake=lambda: self.intake,  # type: ignore[arg-type,return-value]
        )
        plan = process.Plan(
            task_queue=self.queue, workflows=[HeartbeatWorkflow], activities=activities.all
        )
        async with process.worker(self.client, plan, **options):
            yield

    async def beat(self, name: str, **data: Any) -> WorkflowHandle[Any, Any]:
        """Signal a beat, as the intake does."""
        return await self.send(name, beat_event(name, **data))

    async def send(self, name: str, event: Event) -> WorkflowHandle[Any, Any]:
        return await self._signalled(name, SIGNAL_EVENT, [event.to_wire()])

    async def sync(self, *names: str) -> None:
        for name in names or self.heartbeats:
            await self._signalled(name, SIGNAL_SYNC, [])

    async def _signalled(self, name: str, signal: str, args: list[Any]) -> WorkflowHandle[Any, Any]:
        handle: WorkflowHandle[Any, Any] = await self.client.start_workflow(
            HEARTBEAT_WORKFLOW,
            id=workflow_id(name),
            task_queue=self.queue,
            start_signal=signal,
            start_signal_args=args,
        )
        self.signalled.setdefault(name, handle.result_run_id or "")
        return handle

    async def end(self, recorded: pytest.Mark | None = None) -> None:
        """Every heartbeat that was signalled replays and has no failed task, and is terminated:
        other tests have the same names. Records the first where the test is marked."""
        for name, run_id in self.signalled.items():
            handle = self.client.get_workflow_handle(workflow_id(name))
            history = await handle.fetch_history()
            await replay(history)
            assert not failed_tasks(history)
            if recorded:
                first = self.client.get_workflow_handle(workflow_id(name), run_id=run_id)
                await record(self.client, first, f"heartbeat-{recorded.args[0]}", Path("/nowhere"))
                recorded = None
            try:
                await handle.terminate()
            except RPCError as error:  # it has ended by itself
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise

    async def state(self, name: str) -> Heartbeat:
        handle = self.client.get_workflow_handle(workflow_id(name))
        state: Heartbeat = await handle.query(QUERY_HEARTBEAT, result_type=Heartbeat)
        return state

    async def alerted(self, *expected: str) -> None:
        """Wait until these alerts are accepted, in this order."""

        async def accepted() -> bool:
            return self.intake.alerts == list(expected)

        try:
            await eventually(accepted, "the alerts")
        except AssertionError:
            assert self.intake.alerts == list(expected)
            raise
