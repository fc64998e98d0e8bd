"""One run of the root orchestrator, as its history tells it: who started it, who took it, how it
ended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from core.adapters.temporal.connection import answer_of
from core.domain.event import TABLE_ATTRIBUTE
from core.errors import TemporalUnavailable

_TIMEOUT = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class RootRun:
    """The latest run under a workflow ID.

    `listener` is the identity of who started it and `listener_table` the digest of its routing
    table; `worker` is the identity of the worker that took it, if any has. `result` is what it
    completed with, `failure` why it ended otherwise, and `stuck` why its last task failed.
    """

    workflow_id: str
    listener: str
    listener_table: str | None
    worker: str | None
    result: dict[str, Any] | None = None
    failure: str | None = None
    stuck: str | None = None

    @property
    def ended(self) -> bool:
        return self.result is not None or self.failure is not None


async def root_run(client: Client, workflow_id: str) -> RootRun | None:
    """The run, or None where none has begun. Raises `TemporalUnavailable`."""
    handle = client.get_workflow_handle(workflow_id)
    try:
        history = await handle.fetch_history(rpc_timeout=_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise TemporalUnavailable(
            f"namespace {client.namespace}: Temporal answered {answer_of(error)}"
        ) from None
    return _read(workflow_id, history.events)


def _read(workflow_id: str, events: Sequence[Any]) -> RootRun:
    started = events[0].workflow_execution_started_event_attributes
    worker = result = failure = stuck = None
    for event in events:
        match event.event_type:
            case EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
                worker, stuck = event.workflow_task_completed_event_attributes.identity, None
            case EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
                failed = event.workflow_task_failed_event_attributes
                worker, stuck = failed.identity, failed.failure.message
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
                payloads = event.workflow_execution_completed_event_attributes.result.payloads
                result = _object(payloads)
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
                failure = event.workflow_execution_failed_event_attributes.failure.message
            case (
                EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED
                | EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED
                | EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT
            ):
                failure = "somebody cancelled or terminated it, or it timed out"
            case _:
                pass
    table = _object(started.input.payloads).get(TABLE_ATTRIBUTE)
    return RootRun(
        workflow_id=workflow_id,
        listener=started.identity,
        listener_table=table if isinstance(table, str) else None,
        worker=worker,
        result=result,
        failure=failure,
        stuck=stuck,
    )


def _object(payloads: Sequence[Payload]) -> dict[str, Any]:
    """The JSON object of the first payload, or an empty one for anything else."""
    try:
        value = json.loads(payloads[0].data) if payloads else None
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {}
