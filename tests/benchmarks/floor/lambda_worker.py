"""The floor of `wake`: an invocation as the workers' handler makes it, for an empty workflow.

What it has over the interpreter is the SDK with its connection, a worker, the sandbox and the wait.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from core import bootstrap
from core.config.settings import Settings
from tests.benchmarks.naive.bare_worker import TASK_QUEUE, Empty
from workers.runtime.process import Plan
from workers.serverless import session
from workers.serverless.slots import Sizes, Work


def handler(_event: Any, context: Any) -> None:
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000
    asyncio.run(_serve(context.aws_request_id, deadline))


async def _serve(identity: str, deadline: float) -> None:
    settings = Settings.from_env()
    await session.serve(
        await bootstrap.connect(settings),
        [Plan(task_queue=TASK_QUEUE, workflows=[Empty], activities=[])],
        build_id=settings.require("build_id"),
        identity=identity,
        limits=session.Limits.of(settings, deadline=deadline, now=time.monotonic()),
        work=Work(),
        sizes=Sizes(workflow=10, activity=10, cached_workflows=30),
    )
