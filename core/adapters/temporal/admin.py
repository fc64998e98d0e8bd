"""What operators need to know of Temporal: retention, search attributes, workers, backlogs.

Every function raises `TemporalUnavailable`, and `SettingsError` where the namespace or the
credentials are wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from temporalio.api.enums.v1 import IndexedValueType, TaskQueueType
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
)
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from core.adapters.temporal.connection import refusal
from core.errors import TidegateError

_TIMEOUT = timedelta(seconds=5)


async def retention(client: Client) -> timedelta:
    """How long the namespace keeps closed workflows, and with them recognises duplicates."""
    request = DescribeNamespaceRequest(namespace=client.namespace)
    try:
        answer = await client.workflow_service.describe_namespace(request, timeout=_TIMEOUT)
    except RPCError as error:
        raise _refusal(client, error) from None
    return answer.config.workflow_execution_retention_ttl.ToTimedelta()


async def missing_search_attributes(client: Client, names: Sequence[str]) -> list[str]:
    """The names that are not registered in the namespace."""
    request = ListSearchAttributesRequest(namespace=client.namespace)
    try:
        answer = await client.operator_service.list_search_attributes(request, timeout=_TIMEOUT)
    except RPCError as error:
        raise _refusal(client, error) from None
    return [name for name in names if name not in answer.custom_attributes]


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


async def pollers(client: Client, task_queue: str) -> list[str]:
    """The identities of the workers that have polled the queue for workflow tasks in the last
    minutes."""
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=task_queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    try:
        answer = await client.workflow_service.describe_task_queue(request, timeout=_TIMEOUT)
    except RPCError as error:
        raise _refusal(client, error) from None
    return [poller.identity for poller in answer.pollers]


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
