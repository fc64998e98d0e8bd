"""Incidents as Temporal keeps them: commands to them, a look at one, and a list of them.

An incident is named by its own ID or by its key, the workflow ID that it shares with those before
and after it. A command that names an incident by its own ID reaches no other.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, NoReturn

from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from core.contracts import INCIDENT_ID_ATTRIBUTE, INCIDENT_WORKFLOW, QUERY_INCIDENT, QUERY_TIMELINE
from core.domain.incident.decisions.command_handling import NO_OP_IN
from core.domain.incident.ids import parse_id
from core.domain.incident.model import Status
from core.errors import CommandRefused, IncidentNotFound, TemporalUnavailable, TidegateError

_TIMEOUT: Final = timedelta(seconds=10)
_NO_WORKER: Final = "see whether an incident worker runs: `tidegate doctor`"


async def send(client: Client, id: str, name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Send a command to an incident; returns its answer, with `changed`.

    `fields` are the command's own, `actor` among them. A command that changes nothing on a closed
    incident is answered for it. Raises `IncidentNotFound`, `CommandRefused` or
    `TemporalUnavailable`.
    """
    key, incident_id = parse_id(id)
    command = {"command_id": uuid.uuid4().hex, **fields}
    if incident_id:
        command["incident_id"] = incident_id
    handle = client.get_workflow_handle(key)
    try:
        answer: dict[str, Any] = await handle.execute_update(
            name, command, id=command["command_id"], result_type=dict, rpc_timeout=_TIMEOUT
        )
    except WorkflowUpdateFailedError as error:
        cause = error.cause
        what = cause.message if isinstance(cause, ApplicationError) else str(cause)
        raise CommandRefused(f"incident {id}: {what}") from error
    except WorkflowUpdateRPCTimeoutOrCancelledError as error:
        raise TemporalUnavailable(
            f"incident {id}: no answer within {_TIMEOUT.seconds} s; the command may be done yet",
            fix=_NO_WORKER,
        ) from error
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise _rpc_error(id, error) from error
        ended = await _describe(handle, id)
        if Status.CLOSED in NO_OP_IN.get(name, ()) and _is_closed(ended):
            return {"incident_id": id, "status": Status.CLOSED.value, "changed": False}
        _refuse(id, name, ended)
    return answer


async def runs(client: Client, incident_id: str) -> bool:
    """Whether the workflow of an incident, by its own ID, still runs. Raises as `send`."""
    key, _ = parse_id(incident_id)
    now = await _describe(client.get_workflow_handle(key), incident_id)
    return now.status is WorkflowExecutionStatus.RUNNING and _own_id(now) in (None, incident_id)


async def show(client: Client, id: str) -> dict[str, Any]:
    """The incident and its timeline; with an incident's own ID, of that one, also when another has
    followed it. Raises as `send`."""
    key, incident_id = parse_id(id)
    handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(key)
    found = await _query(handle, id)
    if incident_id and found["incident"]["id"] != incident_id:
        run_id = await _run_of(client, incident_id)
        if run_id is None:
            raise IncidentNotFound(
                f"no incident {id!r}: {found['incident']['id']!r} is under its key now"
            )
        found = await _query(client.get_workflow_handle(key, run_id=run_id), id)
    return found


async def _query(handle: WorkflowHandle[Any, Any], id: str) -> dict[str, Any]:
    try:
        incident = await handle.query(QUERY_INCIDENT, result_type=dict, rpc_timeout=_TIMEOUT)
        timeline = await handle.query(QUERY_TIMELINE, result_type=list, rpc_timeout=_TIMEOUT)
    except (WorkflowQueryFailedError, WorkflowQueryRejectedError) as error:
        raise CommandRefused(f"incident {id}: {error}") from error
    except RPCError as error:
        raise _rpc_error(id, error) from error
    return {"incident": incident, "timeline": timeline}


async def _run_of(client: Client, incident_id: str) -> str | None:
    """The run that held an incident last."""
    query = f"{INCIDENT_ID_ATTRIBUTE} = {quoted(incident_id)}"
    try:
        async for run in client.list_workflows(query, limit=1, rpc_timeout=_TIMEOUT):
            return run.run_id
    except RPCError as error:
        raise _rpc_error(incident_id, error) from error
    return None


async def _describe(handle: WorkflowHandle[Any, Any], id: str) -> WorkflowExecutionDescription:
    try:
        return await handle.describe(rpc_timeout=_TIMEOUT)
    except RPCError as error:
        raise _rpc_error(id, error) from error


def _is_closed(ended: WorkflowExecutionDescription) -> bool:
    return ended.status in (WorkflowExecutionStatus.COMPLETED, WorkflowExecutionStatus.CANCELED)


def _refuse(id: str, name: str, ended: WorkflowExecutionDescription) -> NoReturn:
    """Say why a workflow that does not run takes no command, and what can be done instead."""
    if ended.workflow_type != INCIDENT_WORKFLOW:
        raise IncidentNotFound(f"{id!r} is a workflow of type {ended.workflow_type}, no incident")
    word = name.replace("_", " ")
    when = f" since {ended.close_time:%Y-%m-%d %H:%M:%S} UTC" if ended.close_time else ""
    if _is_closed(ended):
        what = f"cannot {word}: the incident is closed{when}"
    else:
        state = ended.status.name.lower() if ended.status else "gone"
        what = f"cannot {word}: the incident's workflow has {state}{when}"
    raise CommandRefused(
        f"incident {id}: {what}",
        fix="possible now: `tidegate incident show` and `report`, and a new incident that follows "
        f"it: `tidegate incident open --follows {_own_id(ended) or id}`",
    )


def _own_id(found: WorkflowExecutionDescription) -> str | None:
    return found.typed_search_attributes.get(SearchAttributeKey.for_keyword(INCIDENT_ID_ATTRIBUTE))


def quoted(text: str) -> str:
    """A text as a value in a visibility query."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _rpc_error(id: str, error: RPCError) -> TidegateError:
    if error.status is RPCStatusCode.NOT_FOUND:
        return IncidentNotFound(f"Temporal has no incident under the ID {id!r}")
    fix = None
    if error.status in (RPCStatusCode.FAILED_PRECONDITION, RPCStatusCode.DEADLINE_EXCEEDED):
        fix = _NO_WORKER
    return TemporalUnavailable(
        f"Temporal answered {error.status.name}: {error.message or 'no answer in time'}", fix=fix
    )
