"""The on-call workflow in tests: real, with everything outside the machine faked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from core.adapters.notifiers.addresses import read_addresses
from core.contracts import INCIDENT_TASK_QUEUE, ON_CALL_ID, ON_CALL_WORKFLOW
from core.domain.oncall.file import NOBODY, OnCallFile
from core.domain.targets import Post
from core.errors import NotificationFailed
from core.ports.notifier import Address, Notification
from tests.support.calendars import NoCalendars
from tests.support.histories import record, replayer, runs
from tests.support.incidents import failed_tasks
from workers.oncall.activities import OnCallActivities
from workers.oncall.workflows import OnCallWorkflow
from workers.runtime import process


class Inbox:
    """A `Notifier` that remembers, by address. It fails while `broken`."""

    def __init__(self) -> None:
        self.delivered: list[tuple[str, Notification]] = []
        self.broken = False

    async def notify(
        self, notification: Notification, addresses: Sequence[Address]
    ) -> dict[str, Post]:
        if self.broken:
            raise NotificationFailed("no answer")
        self.delivered += [(address.name, notification) for address in addresses]
        return {}

    async def update(self, notification: Notification, address: Address) -> Post:
        raise NotImplementedError("none of its messages can be edited")


@dataclass
class OnCallHarness:
    """A worker that serves the on-call workflow alone."""

    client: Client
    file: OnCallFile = NOBODY
    addresses: dict[str, str] = field(default_factory=dict)
    inbox: Inbox = field(default_factory=Inbox)
    continue_as_new_after: int | None = None

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        activities = OnCallActivities(
            file=self.file,
            calendars=NoCalendars(),
            notifier=self.inbox,
            addresses=read_addresses(self.file.targets, self.addresses),
            continue_as_new_after=self.continue_as_new_after,
        )
        plan = process.Plan(
            task_queue=INCIDENT_TASK_QUEUE,
            workflows=[OnCallWorkflow],
            activities=activities.all,
        )
        async with process.worker(self.client, plan):
            yield

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        return self.client.get_workflow_handle(ON_CALL_ID)

    async def start_anew(self) -> WorkflowHandle[Any, Any]:
        """Start the workflow without what an earlier one has left; returns its first run."""
        await self.terminate()
        handle = await self.client.start_workflow(
            ON_CALL_WORKFLOW, id=ON_CALL_ID, task_queue=INCIDENT_TASK_QUEUE
        )
        return self.client.get_workflow_handle(ON_CALL_ID, run_id=handle.result_run_id)

    async def end(self, first: WorkflowHandle[Any, Any], mark: pytest.Mark | None) -> None:
        """End the test: every run of the workflow replays and has no failed task; they are recorded
        where the test is marked."""
        async for history in runs(self.client, first):
            await replayer().replay_workflow(history)
            assert not failed_tasks(history)
        if mark:
            await record(self.client, first, f"on-call-{mark.args[0]}", Path("/nowhere"))
        await self.terminate()

    async def terminate(self) -> None:
        """End the workflow of whatever test was before."""
        try:
            await self.handle.terminate("of another test")
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
