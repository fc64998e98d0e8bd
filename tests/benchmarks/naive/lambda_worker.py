"""The incident worker behind the SDK's own handler for Lambda, as the SDK documents it.

It serves one task queue, and polls it until the function's deadline is near.
"""

from __future__ import annotations

import os
from typing import Final

from temporalio.common import WorkerDeploymentVersion
from temporalio.contrib.aws.lambda_worker import LambdaWorkerConfig, run_worker
from temporalio.worker import WorkerDeploymentConfig

from core.adapters.temporal.connection import data_converter
from core.config.settings import Settings
from core.contracts import SERVERLESS_DEPLOYMENT
from workers.incident.run_worker import plan as incident_plan
from workers.runtime.process import sandbox

VERSION: Final = WorkerDeploymentVersion(SERVERLESS_DEPLOYMENT, os.environ["TIDEGATE_BUILD_ID"])


def _configure(config: LambdaWorkerConfig) -> None:
    plan = incident_plan(Settings.from_env())
    config.client_connect_config["data_converter"] = data_converter()
    config.worker_config["task_queue"] = plan.task_queue
    config.worker_config["workflows"] = plan.workflows
    config.worker_config["activities"] = plan.activities
    config.worker_config["workflow_runner"] = sandbox(plan.activities)
    config.worker_config["deployment_config"] = WorkerDeploymentConfig(
        version=VERSION,
        use_worker_versioning=True,
        default_versioning_behavior=plan.versioning,
    )


handler = run_worker(VERSION, _configure)
