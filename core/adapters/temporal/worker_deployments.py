"""The builds of serverless workers, by Temporal's worker deployments and their compute
configuration.

The configuration is one scaling group for all task queues, of the provider `aws-lambda`, with the
details `arn`, `role` and `role_external_id` as JSON. Temporal checks it whenever it is set, and
refuses a role that it may assume without the external ID.
Source: the API of Temporal 1.31, temporal.api.compute.v1 and temporal.api.deployment.v1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import uuid4

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import Payload
from temporalio.api.compute.v1 import (
    ComputeConfig,
    ComputeConfigScalingGroup,
    ComputeConfigScalingGroupUpdate,
    ComputeProvider,
)
from temporalio.api.deployment.v1 import (
    WorkerDeploymentInfo,
    WorkerDeploymentVersion,
    WorkerDeploymentVersionInfo,
)
from temporalio.api.enums.v1 import TaskQueueType, WorkerDeploymentVersionStatus
from temporalio.api.taskqueue.v1 import TaskQueue as TemporalTaskQueue
from temporalio.api.workflowservice.v1 import (
    CreateWorkerDeploymentRequest,
    CreateWorkerDeploymentVersionRequest,
    DescribeTaskQueueRequest,
    DescribeWorkerDeploymentRequest,
    DescribeWorkerDeploymentVersionRequest,
    DescribeWorkerDeploymentVersionResponse,
    GetSystemInfoRequest,
    SetWorkerDeploymentCurrentVersionRequest,
    SetWorkerDeploymentRampingVersionRequest,
    UpdateWorkerDeploymentVersionComputeConfigRequest,
    ValidateWorkerDeploymentVersionComputeConfigRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from core.adapters.temporal.connection import is_missing, reason_of, refusal
from core.errors import (
    RolloutConflict,
    RolloutRefused,
    SettingsError,
    TemporalUnavailable,
    TidegateError,
)
from core.ports.worker_deployment import (
    Backlog,
    Build,
    Deployment,
    Function,
    Poller,
    State,
    TaskQueue,
    Version,
)

Got = TypeVar("Got")

OLDEST: Final = (1, 31)
"""The first server that can call functions."""
_PROVIDER: Final = "aws-lambda"
_GROUP: Final = "default"
_READ: Final = timedelta(seconds=10)
_CHECK: Final = timedelta(seconds=20)
"""For calls in which Temporal calls AWS."""
_FIX_CONTROLLER: Final = (
    "set workercontroller.enabled, workercontroller.compute_providers.enabled to "
    '["aws-lambda"] and workercontroller.scaling_algorithms.enabled to ["no-sync"] in the dynamic '
    "configuration of the server"
)
_REFUSALS: Final = (
    (
        r"requires \"role",
        "name --role-arn and --external-id; a test server without IAM does without if "
        "workercontroller.compute_providers.aws.require_role_and_external_id is false",
    ),
    (
        r"does not enforce ExternalID",
        "let the role's trust policy demand the external ID: a condition StringEquals on "
        "sts:ExternalId",
    ),
    (
        r"failed to assume role",
        "let the role's trust policy name who Temporal is, with this very external ID; see that "
        "--role-arn and --external-id are those of the stack",
    ),
    (
        r"ResourceNotFound|StatusCode: 404",
        "publish the version, or name one that exists: `aws lambda list-versions-by-function`",
    ),
    (
        r"AccessDenied|StatusCode: 403",
        "grant the role lambda:GetFunction and lambda:InvokeFunction on the qualified ARN",
    ),
)
"""What Temporal says of a function or a role, and what to do about it."""
_UNAVAILABLE: Final = r"exceeded maximum number of attempts|StatusCode: (429|5)|request send failed"
"""What Temporal says of a call of AWS that may work later."""
_STATES: Final = {
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_UNSPECIFIED: State.CREATED,
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_CREATED: State.CREATED,
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_INACTIVE: State.INACTIVE,
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_CURRENT: State.CURRENT,
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_RAMPING: State.RAMPING,
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_DRAINING: State.DRAINING,
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_DRAINED: State.DRAINED,
}


class TemporalWorkerDeployment:
    """A worker deployment by its name; what each method does says the port."""

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self._service = client.workflow_service
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    async def check_server(self) -> str:
        answer = await self._call(self._service.get_system_info, GetSystemInfoRequest())
        if not answer.capabilities.server_scaled_deployments:
            raise _too_old(answer.server_version)
        return answer.server_version

    async def describe(self) -> Deployment | None:
        request = DescribeWorkerDeploymentRequest(
            namespace=self._client.namespace, deployment_name=self._name
        )
        answer = await self._found(self._service.describe_worker_deployment, request)
        if answer is None:
            return None
        info = answer.worker_deployment_info
        routing = info.routing_config
        builds = map(_build, info.version_summaries)
        return Deployment(
            token=answer.conflict_token,
            builds=sorted(builds, key=lambda each: each.created, reverse=True),
            current=routing.current_deployment_version.build_id or None,
            ramping=routing.ramping_deployment_version.build_id or None,
            ramp=routing.ramping_version_percentage,
        )

    async def version(self, build_id: str) -> Version | None:
        request = DescribeWorkerDeploymentVersionRequest(
            namespace=self._client.namespace,
            deployment_version=self._id(build_id),
            report_task_queue_stats=True,
        )
        describe = self._service.describe_worker_deployment_version
        answer = await self._found(describe, request)
        if answer is None:
            # Seconds after a version has polled a task queue, its statistics may not be found, and
            # then nothing of the version is.
            request.report_task_queue_stats = False
            answer = await self._found(describe, request)
        if answer is None:
            return None
        return Version(_function(answer.worker_deployment_version_info), _backlogs(answer))

    async def create(self) -> bool:
        request = CreateWorkerDeploymentRequest(
            namespace=self._client.namespace,
            deployment_name=self._name,
            identity=self._client.identity,
            request_id=str(uuid4()),
        )
        return await self._created(self._service.create_worker_deployment, request)

    async def create_version(self, build_id: str, function: Function) -> bool:
        request = CreateWorkerDeploymentVersionRequest(
            namespace=self._client.namespace,
            deployment_version=self._id(build_id),
            compute_config=ComputeConfig(scaling_groups={_GROUP: _group(function)}),
            identity=self._client.identity,
            request_id=str(uuid4()),
        )
        create = self._service.create_worker_deployment_version
        return await self._created(create, request, checks=True)

    async def set_function(self, build_id: str, function: Function) -> None:
        update = ComputeConfigScalingGroupUpdate(scaling_group=_group(function))
        update.update_mask.paths.append("provider")
        request = UpdateWorkerDeploymentVersionComputeConfigRequest(
            namespace=self._client.namespace,
            deployment_version=self._id(build_id),
            compute_config_scaling_groups={_GROUP: update},
            identity=self._client.identity,
            request_id=str(uuid4()),
        )
        set_config = self._service.update_worker_deployment_version_compute_config
        await self._call(set_config, request, checks=True)

    async def check_function(self, build_id: str) -> None:
        request = ValidateWorkerDeploymentVersionComputeConfigRequest(
            namespace=self._client.namespace,
            deployment_version=self._id(build_id),
            identity=self._client.identity,
        )
        validate = self._service.validate_worker_deployment_version_compute_config
        await self._call(validate, request, checks=True)

    async def set_current(self, build_id: str, token: bytes, *, force: bool = False) -> None:
        request = SetWorkerDeploymentCurrentVersionRequest(
            namespace=self._client.namespace,
            deployment_name=self._name,
            build_id=build_id,
            conflict_token=token,
            identity=self._client.identity,
            ignore_missing_task_queues=force,
            allow_no_pollers=True,  # it is called when there is work
        )
        set_current = self._service.set_worker_deployment_current_version
        await self._call(set_current, request)

    async def set_ramp(
        self, build_id: str | None, percent: float, token: bytes, *, force: bool = False
    ) -> None:
        request = SetWorkerDeploymentRampingVersionRequest(
            namespace=self._client.namespace,
            deployment_name=self._name,
            build_id=build_id or "",
            percentage=percent,
            conflict_token=token,
            identity=self._client.identity,
            ignore_missing_task_queues=force,
            allow_no_pollers=True,
        )
        set_ramp = self._service.set_worker_deployment_ramping_version
        await self._call(set_ramp, request)

    async def task_queue(self, name: str) -> TaskQueue:
        request = DescribeTaskQueueRequest(
            namespace=self._client.namespace,
            task_queue=TemporalTaskQueue(name=name),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
        answer = await self._call(self._service.describe_task_queue, request)
        current = answer.versioning_info.current_deployment_version
        pollers = [
            Poller(
                poller.deployment_options.deployment_name,
                poller.deployment_options.build_id,
                _time(poller.last_access_time),
            )
            for poller in answer.pollers
        ]
        return TaskQueue(current.deployment_name, current.build_id, pollers)

    def _id(self, build_id: str) -> WorkerDeploymentVersion:
        return WorkerDeploymentVersion(deployment_name=self._name, build_id=build_id)

    async def _found(self, call: Callable[..., Awaitable[Got]], request: Any) -> Got | None:
        """The answer; None where there is no such thing, or the server knows none of its kind."""
        try:
            return await call(request, timeout=_READ)
        except RPCError as error:
            if is_missing(error) or error.status is RPCStatusCode.UNIMPLEMENTED:
                return None
            raise self._refusal(error) from None

    async def _created(
        self, create: Callable[..., Awaitable[Any]], request: Any, *, checks: bool = False
    ) -> bool:
        """Whether what is created did not exist."""
        try:
            await create(request, timeout=_CHECK if checks else _READ)
        except RPCError as error:
            if error.status is RPCStatusCode.ALREADY_EXISTS:
                return False
            raise self._refusal(error, checks=checks) from None
        return True

    async def _call(
        self, call: Callable[..., Awaitable[Got]], request: Any, *, checks: bool = False
    ) -> Got:
        """The answer. `checks` says that Temporal calls AWS for it."""
        try:
            return await call(request, timeout=_CHECK if checks else _READ)
        except RPCError as error:
            raise self._refusal(error, checks=checks) from None

    def _refusal(self, error: RPCError, *, checks: bool = False) -> TidegateError:
        """What an answer of Temporal's means to whoever rolls out."""
        text = reason_of(error).removeprefix(f"{_GROUP}: ")
        match error.status:
            case RPCStatusCode.UNIMPLEMENTED:
                return _too_old("")
            case RPCStatusCode.FAILED_PRECONDITION if "conflict token mismatch" in text:
                return RolloutConflict(f"somebody else has changed the deployment {self._name}")
            case RPCStatusCode.FAILED_PRECONDITION:
                return RolloutRefused(f"Temporal refuses it: {text}")
            case RPCStatusCode.INVALID_ARGUMENT if "Could not instantiate compute provider" in text:
                return SettingsError(
                    "Temporal's worker controller does not call Lambda functions: it is off, or "
                    "its provider aws-lambda is",
                    fix=_FIX_CONTROLLER,
                )
            case RPCStatusCode.INVALID_ARGUMENT if "deadline exceeded" in text:
                return _not_in_time()
            case RPCStatusCode.INVALID_ARGUMENT if re.search(_UNAVAILABLE, text):
                return TemporalUnavailable(
                    f"Temporal cannot reach AWS now: {text}", fix="repeat the command"
                )
            case RPCStatusCode.INVALID_ARGUMENT:
                return RolloutRefused(f"Temporal refuses the function: {text}", fix=_fix(text))
            case RPCStatusCode.CANCELLED | RPCStatusCode.DEADLINE_EXCEEDED if checks:
                return _not_in_time()
            case RPCStatusCode.NOT_FOUND if is_missing(error):
                return RolloutRefused(f"Temporal refuses it: {text}")
            case _:
                return refusal(error, about=f"namespace {self._client.namespace}: ")


def _build(summary: WorkerDeploymentInfo.WorkerDeploymentVersionSummary) -> Build:
    if (state := _STATES.get(summary.status)) is None:
        raise _unknown(f"the status {summary.status} of a build")
    check = summary.compute_status.provider_validation
    groups = summary.compute_config.scaling_groups.values()
    return Build(
        id=summary.deployment_version.build_id,
        state=state,
        created=_time(summary.create_time),
        has_function=any(group.provider_type == _PROVIDER for group in groups),
        last_current=_time_or_none(summary.last_current_time),
        problem=check.error_message.removeprefix(f"{_GROUP}: "),
        checked=_time_or_none(check.last_check_time),
    )


def _function(info: WorkerDeploymentVersionInfo) -> Function | None:
    """The function that Temporal calls for a version; None where it calls none."""
    for group in info.compute_config.scaling_groups.values():
        if group.provider.type == _PROVIDER:
            try:
                details = json.loads(group.provider.details.data)
                arn = details["arn"]
            except (ValueError, TypeError, KeyError):
                raise _unknown("a function without its ARN in JSON") from None
            return Function(arn, details.get("role"), details.get("role_external_id"))
    return None


def _group(function: Function) -> ComputeConfigScalingGroup:
    details = {
        "arn": function.arn,
        "role": function.role,
        "role_external_id": function.external_id,
    }
    text = json.dumps({name: value for name, value in details.items() if value})
    payload = Payload(metadata={"encoding": b"json/plain"}, data=text.encode())
    return ComputeConfigScalingGroup(provider=ComputeProvider(type=_PROVIDER, details=payload))


def _backlogs(answer: DescribeWorkerDeploymentVersionResponse) -> dict[str, Backlog]:
    """By task queue, with the tasks of both kinds together."""
    backlogs: dict[str, Backlog] = {}
    for queue in sorted(answer.version_task_queues, key=lambda each: each.name):
        other = backlogs.get(queue.name, Backlog())
        backlogs[queue.name] = Backlog(
            other.tasks + queue.stats.approximate_backlog_count,
            max(other.age, queue.stats.approximate_backlog_age.ToTimedelta()),
        )
    return backlogs


def _time(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(tzinfo=UTC)


def _time_or_none(stamp: Timestamp) -> datetime | None:
    return _time(stamp) if stamp.seconds > 0 else None


def _too_old(version: str) -> SettingsError:
    """Of a server whose API has no serverless workers."""
    first = ".".join(map(str, OLDEST))
    named = f"the Temporal server {version}" if version else "this Temporal server"
    return SettingsError(
        f"{named} cannot call functions: that takes {first} or later",
        fix=f"upgrade the server to {first} or later, or run the workers in containers",
    )


def _unknown(what: str) -> SettingsError:
    """Of an answer that another version of Temporal's API has."""
    return SettingsError(
        f"Temporal answers with {what}, which this version of Tidegate cannot read",
        fix="upgrade Tidegate; until then use `temporal worker deployment`",
    )


def _not_in_time() -> TemporalUnavailable:
    return TemporalUnavailable(
        f"Temporal did not answer within {_CHECK.seconds} s: its worker controller does not run, "
        "or it may not invoke the function",
        fix="see that workercontroller.enabled is true on the server, that the role has "
        "lambda:InvokeFunction on the qualified ARN, and that the function is not throttled by "
        "its reserved concurrency; then repeat the command",
    )


def _fix(text: str) -> str | None:
    return next((fix for pattern, fix in _REFUSALS if re.search(pattern, text)), None)
