"""What was added to on-call at run time, in Temporal: read it, and send its workflow a command.

It is read from the workflow's memo, which takes no worker and costs no Action.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from weakref import WeakKeyDictionary

from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from core.adapters.temporal.answers import ANSWER_TIMEOUT, NO_WORKER
from core.adapters.temporal.connection import is_missing, refusal, unless_missing
from core.adapters.temporal.incident_list import (
    IncidentFilter,
    in_query,
    list_incidents,
    summaries,
)
from core.contracts import (
    INCIDENT_TASK_QUEUE,
    INCIDENT_WORKFLOW,
    ON_CALL_ID,
    ON_CALL_MEMO,
    ON_CALL_WORKFLOW,
    SIGNAL_FILE_CHANGED,
    SIGNAL_ON_CALL_CHANGED,
    STATUS_ATTRIBUTE,
    UPDATE_TAKE_TURN,
)
from core.domain.incident.status import UNRESOLVED, Status
from core.domain.oncall.changes import Refusal
from core.domain.oncall.handovers import OpenIncident
from core.domain.oncall.state import OnCallState
from core.domain.severity import Severity
from core.errors import CommandRefused, TemporalUnavailable, quoted

_TIMEOUT: Final = timedelta(seconds=10)
_PAUSE: Final = 0.5
"""Seconds between two attempts at an update."""
_TRANSIENT: Final = (RPCStatusCode.UNAVAILABLE, RPCStatusCode.RESOURCE_EXHAUSTED)
_SUMMARY: Final = "Overrides, silences and maintenance windows added at run time"
_SIGNALS: Final = 8
"""Incidents that are told of a change concurrently."""
_TOGETHER: Final = 4
"""Updates that one client has in flight: the server takes ten of a workflow, and refuses more."""
_in_flight: Final[WeakKeyDictionary[Client, asyncio.Semaphore]] = WeakKeyDictionary()
_MOST_INCIDENTS: Final = 1_000


async def read_state(client: Client, *, timeout: timedelta = _TIMEOUT) -> OnCallState:
    """What was added and may not have ended yet; nothing before the first command.

    Raises `TemporalUnavailable`, or `SettingsError` for a wrong namespace or credentials.
    """
    state, _ = await _described(client, timeout)
    return state


async def send(client: Client, name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Send a command; returns the overrides and silences that it added, or ended, as
    `core.domain.oncall.changes.Change.facts` gives them.

    `fields` are the command's own, `command_id` and `actor` among them: with the same `command_id`
    it is done once. Raises `CommandRefused` or as `read_state`.
    """
    answer: dict[str, Any] = await _update(
        client, name, fields, fields["command_id"], ANSWER_TIMEOUT
    )
    return answer


async def take_turn(
    client: Client, team: str, incident_id: str, *, timeout: timedelta = _TIMEOUT
) -> int:
    """Which turn of a team an incident has, from 0; always the same for the same incident. Raises
    as `send`."""
    fields = {"team": team, "incident_id": incident_id}
    turn: int = await _update(client, UPDATE_TAKE_TURN, fields, None, timeout)
    return turn


async def announce(client: Client) -> int:
    """Have every incident that may page ask again who is on call; returns how many there are. One
    that has just closed needs none. Raises as `read_state`; those that were told may be told again.
    """
    query = (
        f"WorkflowType = {in_query(INCIDENT_WORKFLOW)} AND ExecutionStatus = 'Running' "
        f"AND {STATUS_ATTRIBUTE} = {in_query(Status.OPEN)}"
    )
    limit = asyncio.Semaphore(_SIGNALS)

    async def tell(id: str) -> None:
        async with limit:
            handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(id)
            signal = handle.signal(SIGNAL_ON_CALL_CHANGED, rpc_timeout=_TIMEOUT)
            await unless_missing(signal, about=f"incident {id}: ")

    found = [each.workflow_id async for each in summaries(client, query)]
    outcomes = await asyncio.gather(*map(tell, found), return_exceptions=True)
    for outcome in outcomes:  # all were tried
        if isinstance(outcome, BaseException):
            raise outcome
    return len(found)


async def open_incidents(client: Client) -> list[OpenIncident]:
    """The incidents that are not resolved, at most 1,000. Raises as `read_state`."""
    filter = IncidentFilter(statuses=UNRESOLVED)
    found, _ = await list_incidents(client, filter, limit=_MOST_INCIDENTS)
    return [
        OpenIncident(
            handle=each.handle,
            severity=Severity(each.severity) if each.severity else Severity.MEDIUM,
            title=each.title or each.id,
            service=each.service,
            acknowledged_by=each.acknowledged_by if each.status == Status.ACKNOWLEDGED else None,
        )
        for each in found
    ]


async def begin(client: Client) -> None:
    """Start the workflow where it does not run, and have it look for the next hand-over: the
    on-call file may have changed. Raises as `read_state`."""
    start = await _start(client)
    try:
        await client.start_workflow(
            ON_CALL_WORKFLOW,
            **start,
            start_signal=SIGNAL_FILE_CHANGED,
            rpc_timeout=_TIMEOUT,
        )
    except RPCError as error:
        raise refusal(error) from None


async def _described(client: Client, timeout: timedelta) -> tuple[OnCallState, bool]:
    """The published state, and whether its workflow runs."""
    run = await unless_missing(
        client.get_workflow_handle(ON_CALL_ID).describe(rpc_timeout=timeout),
        about="the state of on-call cannot be read: ",
    )
    if run is None:
        return OnCallState(), False
    try:
        state = await run.memo_value(ON_CALL_MEMO, OnCallState(), type_hint=OnCallState)
    except Exception as error:  # noqa: BLE001  # whatever the converter and a codec raise
        raise _unreadable(quoted(str(error))) from None
    if not isinstance(state, OnCallState):  # bytes and null are not validated
        raise _unreadable(f"it is {type(state).__name__}")
    return state.at(datetime.now(UTC)), run.status is WorkflowExecutionStatus.RUNNING


def _unreadable(reason: str) -> TemporalUnavailable:
    """A page must not be lost over it: see `core.operations.on_call`."""
    return TemporalUnavailable(
        f"the state of on-call is not in the form that this version reads: {reason}",
        fix="use the version that the incident worker has",
    )


async def _update(
    client: Client, name: str, fields: Mapping[str, Any], id: str | None, timeout: timedelta
) -> Any:
    """What the update answers. It is idempotent, so it is sent again when its worker is lost, and
    while the server has enough of the workflow in flight."""
    deadline = time.monotonic() + timeout.total_seconds()
    async with _in_flight.setdefault(client, asyncio.Semaphore(_TOGETHER)):
        while True:
            left = timedelta(seconds=max(_PAUSE, deadline - time.monotonic()))
            try:
                return await _send(client, name, fields, id, left)
            except WorkflowUpdateFailedError as error:
                raise _refused(error) from None
            except WorkflowUpdateRPCTimeoutOrCancelledError:
                raise _unanswered() from None
            except RPCError as error:
                if error.status not in _TRANSIENT or time.monotonic() + _PAUSE > deadline:
                    raise refusal(error) from None
            await asyncio.sleep(_PAUSE)


async def _send(
    client: Client, name: str, fields: Mapping[str, Any], id: str | None, timeout: timedelta
) -> Any:
    handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(ON_CALL_ID)
    try:
        return await handle.execute_update(name, fields, id=id, rpc_timeout=timeout)
    except RPCError as error:
        if not is_missing(error):
            raise
    start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
        ON_CALL_WORKFLOW, **await _start(client)
    )
    try:
        return await client.execute_update_with_start_workflow(
            name, fields, start_workflow_operation=start, id=id, rpc_timeout=timeout
        )
    except (RPCError, WorkflowUpdateRPCTimeoutOrCancelledError):
        # The SDK keeps the error a second time, and would log it as never retrieved.
        with suppress(RPCError):
            await start.workflow_handle()
        raise


async def _start(client: Client) -> dict[str, Any]:
    """How the workflow is started where it does not run. One that somebody has terminated leaves
    its state to the next."""
    state, runs = await _described(client, _TIMEOUT)
    left = state.to_json() if not runs else {}
    return {
        "args": [{"state": left}],
        "id": ON_CALL_ID,
        "task_queue": INCIDENT_TASK_QUEUE,
        "id_conflict_policy": WorkflowIDConflictPolicy.USE_EXISTING,
        "memo": {ON_CALL_MEMO: left},
        "static_summary": _SUMMARY,
    }


def _refused(error: WorkflowUpdateFailedError) -> CommandRefused:
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.details:
        refused = Refusal.model_validate(cause.details[0])
        return CommandRefused(refused.why, fix=refused.advice)
    message = cause.message if isinstance(cause, ApplicationError) else str(cause)
    return CommandRefused(message, fix="correct the command")


def _unanswered() -> TemporalUnavailable:
    return TemporalUnavailable(
        "no answer about on-call in time; the command may still be done", fix=NO_WORKER
    )
