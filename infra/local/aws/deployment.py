"""Serverless workers of a stack, deployed as in a deployment: a published version, the version of
Temporal's worker deployment that invokes it, and that one made current."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from typing import Final

from core.contracts import SERVERLESS_DEPLOYMENT, WorkerSpec
from infra.local.aws.serverless import EXTERNAL_ID, ROLE, LambdaServer
from infra.local.processes import LocalStackError, program
from infra.local.progress import Step

BUILD_ID: Final = "local"


def deploy_workers(
    function: LambdaServer, workers: Sequence[WorkerSpec], env: Mapping[str, str], step: Step
) -> None:
    """Deploy these workers with the settings `env`. Raises `LocalStackError`."""
    with step("workers' function"):
        function.wait()
        served = ",".join(worker.name for worker in workers)
        arn = function.publish(
            {**env, "TIDEGATE_BUILD_ID": BUILD_ID, "TIDEGATE_SERVED_WORKERS": served}
        )
    with step("workers deployed and promoted"):
        _temporal(env, "create", "--name", SERVERLESS_DEPLOYMENT)
        _temporal(
            env,
            "create-version",
            *("--deployment-name", SERVERLESS_DEPLOYMENT),
            *("--build-id", BUILD_ID),
            *("--aws-lambda-function-arn", arn),
            *("--aws-lambda-assume-role-arn", ROLE),
            *("--aws-lambda-assume-role-external-id", EXTERNAL_ID),
        )
        _temporal(
            env,
            "set-current-version",
            *("--deployment-name", SERVERLESS_DEPLOYMENT),
            *("--build-id", BUILD_ID),
            *("--yes", "--allow-no-pollers"),
        )


def _temporal(env: Mapping[str, str], *arguments: str) -> None:
    command = [program("temporal"), "--address", env["TEMPORAL_ADDRESS"], "worker", "deployment"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LocalStackError(done.stderr.strip())
