"""One run of a workflow, as its history tells it: who started it, who took it, what it quarantined,
how it ended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from core.adapters.temporal.connection import unless_missing
from core.contracts import QUARANTINE_ACTIVITY
from core.domain.event import KEY_ATTRIBUTE, TABLE_ATTRIBUTE

_TIMEOUT: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """An event that a workflow quarantined: its key, why, and the record's URI."""

    key: str | None
    code: str
    reason: str
    uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run under a workflow ID.

    `listener` is the identity of who started it and `listener_table` the digest of its routing
    table; `key` is that of the event it was started with; `worker` is the identity of the worker
    that took it, if any has. `result` is what it completed with; `failure` says why it ended
    otherwise, with `code` as the failure's type; `stuck` says why its last task failed.
    """

    workflow_id: str
    listener: str
    listener_table: str | None
    key: str | None = None
    worker: str | None = None
    kept: tuple[Kept, ...] = ()
    result: dict[str, Any] | None = None
    failure: str | None = None
    code: str | None = None
    stuck: str | None = None

    @property
    def ended(self) -> bool:
        return self.result is not None or self.failure is not None


async def read_run(client: Client, workflow_id: str, run_id: str | None = None) -> Run | None:
    """The run, by default the latest, or None where none has begun. Raises what
    `refusal` returns."""
    handle = client.get_workflow_handle(workflow_id, run_id=run_id)
    history = await unless_missing(
        handle.fetch_history(rpc_timeout=_TIMEOUT), about=f"namespace {client.namespace}: "
    )
    return _read(workflow_id, history.events) if history else None


def _read(workflow_id: str, events: Sequence[Any]) -> Run:
    started = events[0].workflow_execution_started_event_attributes
    worker = result = failure = code = stuck = None
    asked: dict[int, Sequence[Payload]] = {}
    kept: list[Kept] = []
    for event in events:
        match event.event_type:
            case EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
                worker, stuck = event.workflow_task_completed_event_attributes.identity, None
            case EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
                failed = event.workflow_task_failed_event_attributes
                worker, stuck = failed.identity, failed.failure.message
            case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                scheduled = event.activity_task_scheduled_event_attributes
                if scheduled.activity_type.name == QUARANTINE_ACTIVITY:
                    asked[event.event_id] = scheduled.input.payloads
            case EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
                done = event.activity_task_completed_event_attributes
                if done.scheduled_event_id in asked:
                    kept.append(_kept(asked[done.scheduled_event_id], done.result.payloads))
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
                payloads = event.workflow_execution_completed_event_attributes.result.payloads
                result = _object(payloads)
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
                cause = event.workflow_execution_failed_event_attributes.failure
                failure, code = cause.message, cause.application_failure_info.type or None
            case (
                EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED
                | EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED
                | EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT
            ):
                failure = "somebody cancelled or terminated it, or it timed out"
            case _:
                pass
    wire = _object(started.input.payloads)
    return Run(
        workflow_id=workflow_id,
        listener=started.identity,
        listener_table=_text(wire.get(TABLE_ATTRIBUTE)),
        key=_text(wire.get(KEY_ATTRIBUTE)),
        worker=worker,
        kept=tuple(kept),
        result=result,
        failure=failure,
        code=code,
        stuck=stuck,
    )


def _kept(inputs: Sequence[Payload], result: Sequence[Payload]) -> Kept:
    """What an activity that quarantines was asked, and what it answered."""
    wire, code, reason = (_json([payload]) for payload in inputs)
    key = wire.get(KEY_ATTRIBUTE) if isinstance(wire, dict) else None
    return Kept(key=_text(key), code=str(code), reason=str(reason), uri=str(_json(result)))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _object(payloads: Sequence[Payload]) -> dict[str, Any]:
    """The JSON object of the first payload, or an empty one for anything else."""
    value = _json(payloads)
    return value if isinstance(value, dict) else {}


def _json(payloads: Sequence[Payload]) -> Any:
    """The first payload's JSON; None for anything else."""
    try:
        return json.loads(payloads[0].data) if payloads else None
    except (ValueError, RecursionError):
        return None
