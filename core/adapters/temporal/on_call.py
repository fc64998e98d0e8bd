"""What was added to on-call at run time, in Temporal: read it, and send its workflow a command.

It is read from the workflow's memo, which takes no worker and costs no Action.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, TypeVar

from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowExecutionStatus,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from core.adapters.temporal.connection import refusal, unless_missing
from core.contracts import (
    INCIDENT_TASK_QUEUE,
    ON_CALL_ID,
    ON_CALL_MEMO,
    ON_CALL_WORKFLOW,
    UPDATE_TAKE_TURN,
)
from core.domain.oncall.changes import Refusal
from core.domain.oncall.state import OnCallState
from core.errors import CommandRefused, TemporalUnavailable

T = TypeVar("T")

_TIMEOUT: Final = timedelta(seconds=10)
_ANSWER_TIMEOUT: Final = timedelta(seconds=30)
"""For what a worker answers, which may have to be woken first."""
_NO_WORKER: Final = "see whether an incident worker runs: `tidegate doctor`"


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
    answer: dict[str, Any] = await _update(client, name, fields, fields["command_id"], _TIMEOUT)
    return answer


async def take_turn(
    client: Client, team: str, incident_id: str, *, timeout: timedelta = _TIMEOUT
) -> int:
    """Which turn of a team an incident has, from 0; always the same for the same incident. Raises
    as `send`."""
    fields = {"team": team, "incident_id": incident_id}
    turn: int = await _update(client, UPDATE_TAKE_TURN, fields, None, timeout)
    return turn


async def _described(client: Client, timeout: timedelta) -> tuple[OnCallState, bool]:
    """The published state, and whether its workflow runs."""
    run = await unless_missing(
        client.get_workflow_handle(ON_CALL_ID).describe(rpc_timeout=timeout),
        about="the state of on-call cannot be read: ",
    )
    if run is None:
        return OnCallState(), False
    state: OnCallState = await run.memo_value(ON_CALL_MEMO, OnCallState(), type_hint=OnCallState)
    return state, run.status is WorkflowExecutionStatus.RUNNING


async def _update(
    client: Client, name: str, fields: Mapping[str, Any], id: str | None, timeout: timedelta
) -> Any:
    # A workflow that somebody terminated leaves its state to the next.
    state, runs = await _described(client, timeout)
    start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
        ON_CALL_WORKFLOW,
        None if runs else {"state": state.to_json()},
        id=ON_CALL_ID,
        task_queue=INCIDENT_TASK_QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary="Overrides, silences and maintenance windows added at run time",
    )
    try:
        return await client.execute_update_with_start_workflow(
            name,
            fields,
            start_workflow_operation=start,
            id=id,
            rpc_timeout=max(timeout, _ANSWER_TIMEOUT) if id else timeout,
        )
    except WorkflowUpdateFailedError as error:
        raise _refused(error) from None
    except WorkflowUpdateRPCTimeoutOrCancelledError:
        raise _unanswered() from None
    except RPCError as error:
        if error.status in (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED):
            raise _unanswered() from None
        raise refusal(error) from None


def _refused(error: WorkflowUpdateFailedError) -> CommandRefused:
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.details:
        refused = Refusal.model_validate(cause.details[0])
        return CommandRefused(refused.why, fix=refused.advice)
    message = cause.message if isinstance(cause, ApplicationError) else str(cause)
    return CommandRefused(message, fix="correct the command")


def _unanswered() -> TemporalUnavailable:
    return TemporalUnavailable(
        "no answer about on-call in time; the command may still be done", fix=_NO_WORKER
    )
