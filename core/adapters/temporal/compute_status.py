"""What Temporal's controller says of the functions that it invokes for workers."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from temporalio.api.enums.v1 import WorkerDeploymentVersionStatus
from temporalio.api.workflowservice.v1 import DescribeWorkerDeploymentRequest
from temporalio.client import Client

from core.adapters.temporal.connection import unless_missing

_TIMEOUT: Final = timedelta(seconds=5)
_WORKING: Final = (
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_CURRENT,
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_RAMPING,
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_DRAINING,
)


async def unreachable_builds(client: Client, deployment: str) -> dict[str, str]:
    """Why Temporal cannot invoke a build's function, by build ID, for builds that have or get work.
    Empty where there is no such deployment.

    Raises `TemporalUnavailable`, and `SettingsError` where the namespace or the credentials are
    wrong.
    """
    request = DescribeWorkerDeploymentRequest(
        namespace=client.namespace, deployment_name=deployment
    )
    asked = client.workflow_service.describe_worker_deployment(request, timeout=_TIMEOUT)
    answer = await unless_missing(asked, about=f"namespace {client.namespace}: ")
    if answer is None:
        return {}
    return {
        version.deployment_version.build_id: problem
        for version in answer.worker_deployment_info.version_summaries
        if version.status in _WORKING
        and (problem := version.compute_status.provider_validation.error_message)
    }
