"""What the last closed run of a workflow ID left behind, for the run that follows it.

A run that is started under an ID whose run has closed has no link to that one. Temporal's list
finds it by its ID, and its result is in the event that closed it: two reads, no query, no worker.
The list may lag by a moment: while it shows that another run goes on, which cannot be, it has to be
asked again. A run that failed, was cancelled or terminated, or is past the namespace's retention,
leaves nothing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionStatus,
    WorkflowHistoryEventFilterType,
)
from temporalio.service import RPCError, RPCStatusCode

from core.adapters.temporal.connection import answer_of
from core.adapters.temporal.incident_list import in_query
from core.errors import ConfigurationError, TemporalUnavailable, quoted, third_party

_TIMEOUT: Final = timedelta(seconds=10)
_NEWEST: Final = 20
"""Runs to look at: Temporal lists the newest first."""
_FORBIDDEN: Final = (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED)


async def last_result(client: Client, workflow_id: str, run_id: str | None = None) -> Any | None:
    """The result of the run of `workflow_id` that completed last, as JSON; None where there is
    none. `run_id` is the run that asks.

    Raises `TemporalUnavailable`, also while the list still shows another run as running, and
    `ConfigurationError` where it may not be read."""
    statuses = "ExecutionStatus IN ('Completed', 'Running')"  # failed ones could fill the list
    query = f"WorkflowId = {in_query(workflow_id)} AND {statuses}"
    latest: WorkflowExecution | None = None
    try:
        async for run in client.list_workflows(query, limit=_NEWEST, rpc_timeout=_TIMEOUT):
            if run.run_id == run_id:
                continue
            if run.status is WorkflowExecutionStatus.RUNNING:
                raise TemporalUnavailable(
                    f"the list of workflows lags: run {run.run_id} of {quoted(workflow_id)} has "
                    "ended, and is shown as running"
                )
            if latest is None or _closed(run) > _closed(latest):
                latest = run
        if latest is None:
            return None
        handle = client.get_workflow_handle(workflow_id, run_id=latest.run_id)
        async for event in handle.fetch_history_events(
            event_filter_type=WorkflowHistoryEventFilterType.CLOSE_EVENT, rpc_timeout=_TIMEOUT
        ):
            payloads = event.workflow_execution_completed_event_attributes.result.payloads
            [value] = await client.data_converter.decode(list(payloads)) or [None]
            return value
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:  # the list still has what has been deleted
            return None
        if error.status in _FORBIDDEN:
            raise ConfigurationError(
                f"runs of {quoted(workflow_id)} cannot be read: {third_party(error)}",
                fix="let the worker list workflows and read their histories",
            ) from None
        raise TemporalUnavailable(
            f"the run before {quoted(workflow_id)} cannot be read: "
            f"Temporal answered {answer_of(error)}"
        ) from None
    return None


def _closed(run: WorkflowExecution) -> float:
    return run.close_time.timestamp() if run.close_time else 0.0
