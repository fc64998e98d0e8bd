"""The least that a worker process can be: the SDK, one empty workflow, one task.

It is copied beside the packages that it needs. `bare_worker.main()` takes a workflow's ID as the
process's argument.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Final

from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker

TASK_QUEUE: Final = "bare"


@workflow.defn(name="Empty")
class Empty:
    """Completes in its first task."""

    @workflow.run
    async def run(self) -> None:
        return None


def main() -> None:
    asyncio.run(_serve(sys.argv[1]))


async def _serve(id: str) -> None:
    client = await Client.connect(os.environ["TEMPORAL_ADDRESS"])
    # Without a build ID the worker would read the bytecode of all modules to make one.
    async with Worker(client, task_queue=TASK_QUEUE, workflows=[Empty], build_id="bench"):
        await client.get_workflow_handle(id).result()
