"""What operators need to know of Temporal: retention, search attributes, workers, backlogs.

Every function raises `TemporalUnavailable`, and `SettingsError` where the namespace or the
credentials are wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from temporalio.api.deployment.v1 import WorkerDeploymentVersion, WorkerDeploymentVersionInfo
from temporalio.api.enums.v1 import (
    IndexedValueType,
    TaskQueueType,
    WorkerDeploymentVersionStatus,
    WorkerVersioningMode,
)
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
)
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeTaskQueueRequest,
    DescribeWorkerDeploymentVersionRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from core.adapters.temporal.connection import refusal
from core.errors import TidegateError

_TIMEOUT = timedelta(seconds=5)
_MAY_NOT_LIST = (
    RPCStatusCode.NOT_FOUND,
    RPCStatusCode.PERMISSION_DENIED,
    RPCStatusCode.UNAUTHENTICATED,
    RPCStatusCode.UNIMPLEMENTED,
)
"""Answers to who may work in a namespace, and may not list its search attributes."""


async def retention(client: Client) -> timedelta:
    """How long the namespace keeps closed workflows, and with them recognises duplicates."""
    request = DescribeNamespaceRequest(namespace=client.namespace)
    try:
        answer = await client.workflow_service.describe_namespace(request, timeout=_TIMEOUT)
    except RPCError as error:
        raise _refusal(client, error) from None
    return answer.config.workflow_execution_retention_ttl.ToTimedelta()


async def search_attributes(client: Client) -> dict[str, str]:
    """The custom search attributes of the namespace, by name: `Keyword`, `Int`, ..."""
    request = ListSearchAttributesRequest(namespace=client.namespace)
    try:
        answer = await client.operator_service.list_search_attributes(request, timeout=_TIMEOUT)
    except RPCError as error:
        raise _refusal(client, error) from None
    return {
        name: "".join(map(str.capitalize, IndexedValueType.Name(kind).split("_")[3:]))
        for name, kind in answer.custom_attributes.items()
    }


def may_not_list(error: TidegateError) -> bool:
    """Whether `search_attributes` raised this for somebody who may work in the namespace all the
    same."""
    cause = error.__context__  # not its cause: that would be shown with it
    return isinstance(cause, RPCError) and cause.status in _MAY_NOT_LIST


async def missing_search_attributes(client: Client, names: Sequence[str]) -> list[str]:
    """The names that are not registered in the namespace."""
    known = await search_attributes(client)
    return [name for name in names if name not in known]


async def register_search_attributes(client: Client, names: Sequence[str]) -> list[str]:
    """Register those that are missing, as keywords; returns their names."""
    missing = await missing_search_attributes(client, names)
    if missing:
        keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
        request = AddSearchAttributesRequest(
            namespace=client.namespace, search_attributes=dict.fromkeys(missing, keyword)
        )
        try:
            await client.operator_service.add_search_attributes(request, timeout=_TIMEOUT)
        except RPCError as error:
            raise _refusal(client, error) from None
    return missing


@dataclass(frozen=True, slots=True)
class Build:
    """One version of a Worker Deployment."""

    deployment: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueWorkers:
    """The workers that have polled a task queue for workflow tasks in the last minutes, and where
    Temporal sends new work.

    `identities` are those of all of them; `builds` those that are versioned, and `unversioned` says
    whether others are not. New work goes to `current`, or to workers without a build ID where that
    is None, and `ramp` percent of it to `ramping`. `callable` are those of the two that do not poll
    and that Temporal itself wakes.
    """

    identities: tuple[str, ...]
    builds: tuple[Build, ...] = ()
    unversioned: bool = False
    current: Build | None = None
    ramping: Build | None = None
    ramp: float = 0
    callable: tuple[Build, ...] = ()

    def takes_new_work(self, build: Build | None) -> bool:
        """Whether new work goes to a build, or with None to workers without one."""
        return (build == self.current and self.ramp < 100) or (
            build is not None and build == self.ramping and self.ramp > 0
        )

    @property
    def unserved(self) -> list[Build | None]:
        """To whom new work goes although no such worker polls or is woken; None for one without a
        build ID."""
        served = {*self.builds, *self.callable, *([None] if self.unversioned else [])}
        targets = dict.fromkeys((self.current, self.ramping))
        return [each for each in targets if self.takes_new_work(each) and each not in served]

    @property
    def asleep(self) -> Build | None:
        """The build to which all new work goes, where Temporal wakes its workers and none polls."""
        awake = self.identities or self.current not in self.callable
        return None if awake or self.unserved else self.current


async def queue_workers(client: Client, task_queue: str) -> QueueWorkers:
    """Who polls a task queue."""
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=task_queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    try:
        answer = await client.workflow_service.describe_task_queue(request, timeout=_TIMEOUT)
    except RPCError as error:
        raise _refusal(client, error) from None
    versioned = WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED
    builds: dict[Build, None] = {}
    unversioned = False
    for poller in answer.pollers:
        options = poller.deployment_options
        if options.worker_versioning_mode == versioned:
            builds[Build(options.deployment_name, options.build_id)] = None
        else:
            unversioned = True
    info = answer.versioning_info
    current, ramping = map(
        _build, (info.current_deployment_version, info.ramping_deployment_version)
    )
    idle = [build for build in dict.fromkeys((current, ramping)) if build and build not in builds]
    return QueueWorkers(
        identities=tuple(poller.identity for poller in answer.pollers),
        builds=tuple(builds),
        unversioned=unversioned,
        current=current,
        ramping=ramping,
        ramp=info.ramping_version_percentage,
        callable=tuple([build for build in idle if await _is_callable(client, build)]),
    )


def _build(version: WorkerDeploymentVersion) -> Build | None:
    return Build(version.deployment_name, version.build_id) if version.build_id else None


async def never_current(client: Client, build: Build) -> bool:
    """Whether a build has neither been current nor ramped up, so that it has no work of its own."""
    status = (await _version(client, build)).status
    return status == WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_INACTIVE


async def _is_callable(client: Client, build: Build) -> bool:
    """Whether Temporal wakes workers of a build, by a function of theirs."""
    return bool((await _version(client, build)).compute_config.scaling_groups)


async def _version(client: Client, build: Build) -> WorkerDeploymentVersionInfo:
    request = DescribeWorkerDeploymentVersionRequest(
        namespace=client.namespace,
        deployment_version=WorkerDeploymentVersion(
            deployment_name=build.deployment, build_id=build.id
        ),
    )
    try:
        answer = await client.workflow_service.describe_worker_deployment_version(
            request, timeout=_TIMEOUT
        )
    except RPCError as error:
        raise _refusal(client, error) from None
    return answer.worker_deployment_version_info


@dataclass(frozen=True, slots=True)
class Backlog:
    """The tasks on a task queue, by the server's estimate, and the age of the oldest. Tasks of
    workflows that a worker has cached are in queues of its own, and not counted."""

    tasks: int
    age: timedelta


async def backlog(client: Client, task_queue: str) -> Backlog:
    """The backlog of workflow and activity tasks together."""
    tasks, age = 0, timedelta()
    for kind in (
        TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    ):
        request = DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=task_queue),
            task_queue_type=kind,
            report_stats=True,
        )
        try:
            answer = await client.workflow_service.describe_task_queue(request, timeout=_TIMEOUT)
        except RPCError as error:
            raise _refusal(client, error) from None
        tasks += answer.stats.approximate_backlog_count
        age = max(age, answer.stats.approximate_backlog_age.ToTimedelta())
    return Backlog(tasks, age)


def _refusal(client: Client, error: RPCError) -> TidegateError:
    return refusal(error, about=f"namespace {client.namespace}: ")
