"""Serverless workers of a stack, deployed as those of a cloud are: a published version of their
function, a build of Temporal's worker deployment that invokes it, and that build made current."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from temporalio.client import Client

from core.adapters.temporal.worker_deployments import TemporalWorkerDeployment
from core.contracts import SERVERLESS_DEPLOYMENT, WorkerSpec
from core.operations.worker_deployments import Plan, deploy, promote
from core.ports.worker_deployment import Function
from infra.local.aws.serverless import EXTERNAL_ID, ROLE, LambdaServer
from infra.local.progress import Step
from infra.local.temporal import NAMESPACE

BUILD_ID: Final = "local"
_PATIENCE: Final = 120.0


def deploy_workers(
    function: LambdaServer, workers: Sequence[WorkerSpec], env: Mapping[str, str], step: Step
) -> None:
    """Deploy these workers with the settings `env`, and send all work to them. Raises
    `LocalStackError`, or `TidegateError` for what Temporal refuses."""
    with step("workers' function"):
        function.wait()
        served = ",".join(worker.name for worker in workers)
        arn = function.publish(
            {**env, "TIDEGATE_BUILD_ID": BUILD_ID, "TIDEGATE_SERVED_WORKERS": served}
        )
    plan = Plan(
        build_id=BUILD_ID,
        function=Function(arn, ROLE, EXTERNAL_ID),
        queues=tuple(worker.task_queue for worker in workers),
        timeout=_PATIENCE,
    )
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(_roll_out(env["TEMPORAL_ADDRESS"], plan, step))


async def _roll_out(address: str, plan: Plan, step: Step) -> None:
    client = await Client.connect(address, namespace=NAMESPACE)
    deployment = TemporalWorkerDeployment(client, SERVERLESS_DEPLOYMENT)
    with step(f"workers deployed as build {plan.build_id}"):
        await deploy(deployment, plan, report=lambda *_: None)
    with step("build promoted"):
        await promote(deployment, plan.build_id, plan.queues)
