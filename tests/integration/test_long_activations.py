"""A workflow task that takes longer than the SDK allows by default is completed at its first
attempt: after a flood, one task brings thousands of signals."""

from __future__ import annotations

import asyncio
import time
from uuid import uuid4

from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from workers.runtime import process

SECONDS = 2.5
"""The SDK's limit is 2."""
PATIENCE = 30.0


@workflow.defn(sandboxed=False)
class Slow:
    @workflow.run
    async def run(self) -> str:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            pass
        return "done"


async def test_a_long_activation_is_no_deadlock(temporal_client: Client) -> None:
    queue = f"slow-{uuid4()}"
    plan = process.Plan(task_queue=queue, workflows=[Slow], activities=[])
    async with process.worker(temporal_client, plan):
        handle = await temporal_client.start_workflow(Slow.run, id=queue, task_queue=queue)
        async with asyncio.timeout(PATIENCE):
            assert await handle.result() == "done"
    failed = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
    assert not [
        event async for event in handle.fetch_history_events() if event.event_type == failed
    ]
