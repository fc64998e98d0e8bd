"""Where one run of a workflow stands: one read, without its history, that needs no worker."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey

from core.adapters.temporal.connection import unless_missing
from core.contracts import INCIDENT_ID_ATTRIBUTE, STATUS_ATTRIBUTE, TITLE_MEMO

_TIMEOUT: Final = timedelta(seconds=5)
_INCIDENT_ID: Final = SearchAttributeKey.for_keyword(INCIDENT_ID_ATTRIBUTE)
_STATUS: Final = SearchAttributeKey.for_keyword(STATUS_ATTRIBUTE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """One run: its workflow type, and how it `ended` (`completed`, `failed`, ...) unless it runs.

    `events` is the length of its history; `in_task` says that a worker has yet to process a
    workflow task, and `activities` how many activities have not ended. `incident_id`, `status` and
    `title` are its incident's, where it has opened one.
    """

    workflow_id: str
    run_id: str
    workflow: str
    task_queue: str
    ended: str | None
    events: int
    in_task: bool
    activities: int
    incident_id: str | None = None
    status: str | None = None
    title: str | None = None


async def run_state(client: Client, workflow_id: str, run_id: str | None = None) -> RunState | None:
    """The run, by default the latest, or None where there is none. Raises what
    `refusal` returns."""
    handle = client.get_workflow_handle(workflow_id, run_id=run_id)
    run = await unless_missing(
        handle.describe(rpc_timeout=_TIMEOUT), about=f"namespace {client.namespace}: "
    )
    if run is None:
        return None
    running = run.status in (None, WorkflowExecutionStatus.RUNNING)
    attributes = run.typed_search_attributes
    return RunState(
        workflow_id=run.id,
        run_id=run.run_id,
        workflow=run.workflow_type,
        task_queue=run.task_queue,
        ended=None if running or run.status is None else run.status.name.lower(),
        events=run.history_length,
        in_task=run.raw_description.HasField("pending_workflow_task"),
        activities=len(run.raw_description.pending_activities),
        incident_id=attributes.get(_INCIDENT_ID),
        status=attributes.get(_STATUS),
        title=await run.memo_value(TITLE_MEMO, None, type_hint=str),
    )
