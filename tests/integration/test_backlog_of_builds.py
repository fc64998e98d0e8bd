"""The backlog of a task queue whose workers are versioned."""

from __future__ import annotations

from uuid import uuid4

from temporalio import workflow
from temporalio.api.workflowservice.v1 import (
    SetWorkerDeploymentCurrentVersionRequest,
)
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkerDeploymentConfig

from core.adapters.temporal import admin
from tests.support.eventually import eventually


@workflow.defn(name="Waits", versioning_behavior=VersioningBehavior.PINNED)
class Waits:
    def __init__(self) -> None:
        self._done = False

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self._done)

    @workflow.signal
    def end(self) -> None:
        self._done = True


def worker(client: Client, name: str, build_id: str) -> Worker:
    return Worker(
        client,
        task_queue=name,
        workflows=[Waits],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_cached_workflows=0,
        max_concurrent_workflow_task_polls=1,
        deployment_config=WorkerDeploymentConfig(
            version=WorkerDeploymentVersion(name, build_id), use_worker_versioning=True
        ),
    )


async def make_current(client: Client, name: str, build_id: str) -> None:
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace, deployment_name=name, build_id=build_id
    )

    async def accepted() -> bool:
        try:
            await client.workflow_service.set_worker_deployment_current_version(request)
        except RPCError:  # the server does not know the version yet
            return False
        return True

    await eventually(accepted, f"{build_id} to be current")


async def test_a_task_of_a_build_that_is_no_longer_current_is_in_the_backlog(
    temporal_client: Client,
) -> None:
    """Its function may be gone, and nobody else can do that task."""
    name = f"queue-{uuid4().hex}"
    async with worker(temporal_client, name, "1"):
        await make_current(temporal_client, name, "1")
        handle = await temporal_client.start_workflow(Waits.run, id=name, task_queue=name)

        async def pinned() -> bool:
            return (await handle.describe()).history_length > 3

        await eventually(pinned, "the workflow to begin")
    async with worker(temporal_client, name, "2"):
        await make_current(temporal_client, name, "2")
    await handle.signal(Waits.end)

    async def waits() -> bool:
        return (await admin.backlog(temporal_client, name)).tasks == 1

    await eventually(waits, "the task in the backlog")
    await handle.terminate()
