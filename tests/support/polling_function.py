"""A function that polls the task queues of the workers as its build, and ends: all that Temporal
must see of a build before it gets work."""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio import workflow
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.envconfig import ClientConfigProfile
from temporalio.worker import Worker, WorkerDeploymentConfig

from core.config.settings import Settings
from core.contracts import SERVERLESS_DEPLOYMENT

_POLLS_FOR = 1.0


@workflow.defn(name="Nothing", sandboxed=False, versioning_behavior=VersioningBehavior.PINNED)
class Nothing:
    """A worker has to have a workflow."""

    @workflow.run
    async def run(self) -> None:
        pass


def handler(event: Any, context: Any) -> None:
    asyncio.run(_poll(Settings.from_env()))


async def _poll(settings: Settings) -> None:
    client = await Client.connect(**ClientConfigProfile.load().to_client_connect_config())
    version = WorkerDeploymentVersion(SERVERLESS_DEPLOYMENT, settings.require("build_id"))
    workers = [
        Worker(
            client,
            task_queue=queue,
            workflows=[Nothing],
            deployment_config=WorkerDeploymentConfig(version=version, use_worker_versioning=True),
        )
        for queue in settings.served_queues
    ]
    polling = [asyncio.create_task(worker.run()) for worker in workers]
    await asyncio.wait(polling, timeout=_POLLS_FOR)
    await asyncio.gather(*(worker.shutdown() for worker in workers))
    await asyncio.gather(*polling)
