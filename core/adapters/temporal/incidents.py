"""One incident in Temporal: send it a command, show it, ask whether it runs.

It is named by whatever `incident_names.resolve` takes. A command to an incident's own ID or handle
reaches no other; its workflow ID, which it shares with those before and after it, means the last.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, NoReturn, NotRequired, TypedDict, TypeVar

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

from core.adapters.temporal.answers import ANSWER_TIMEOUT, NO_WORKER, is_unanswered, query
from core.adapters.temporal.connection import is_missing, refusal
from core.adapters.temporal.incident_list import IncidentSummary, in_query, summary_of
from core.adapters.temporal.incident_names import resolve
from core.contracts import (
    INCIDENT_ID_ATTRIBUTE,
    INCIDENT_WORKFLOW,
    QUERY_INCIDENT,
    QUERY_TIMELINE,
    SIGNAL_COMMAND,
)
from core.domain.handles import handle_of
from core.domain.incident.command_states import NO_OP_IN
from core.domain.incident.commands import read_named
from core.domain.incident.facts import Before, Held, Paged
from core.domain.incident.ids import parse_id
from core.domain.incident.refusals import Refusal
from core.domain.incident.status import Status
from core.errors import (
    CommandRefused,
    IncidentNotFound,
    TemporalUnavailable,
    TidegateError,
)

T = TypeVar("T")

_TIMEOUT: Final = timedelta(seconds=10)


class CommandResult(TypedDict):
    """An incident after a command, with the facts of `command_facts`; `changed` is false when there
    was nothing to do. A closed one whose workflow has ended says no more than its ID and status."""

    changed: bool
    incident_id: str
    handle: str
    status: str
    title: NotRequired[str]
    close_reason: NotRequired[str | None]
    severity: NotRequired[str]
    service: NotRequired[str | None]
    assignee: NotRequired[str | None]
    acknowledged_by: NotRequired[list[str]]
    resolved_by: NotRequired[str | None]
    commander: NotRequired[str | None]
    snoozed_until: NotRequired[str | None]
    held: NotRequired[Held | None]
    paged: NotRequired[list[Paged]]
    notified: NotRequired[list[str]]
    next_page_at: NotRequired[str | None]
    before: NotRequired[Before]


class IncidentView(TypedDict):
    """`core.domain.incident.model.Incident` as JSON, its timeline, an object per event, and its
    handle."""

    handle: str
    incident: dict[str, Any]
    timeline: list[dict[str, Any]]


async def send(client: Client, id: str, name: str, fields: Mapping[str, Any]) -> CommandResult:
    """Send a command to an incident; returns the incident as the command left it.

    `fields` are the command's own, `command_id` and `actor` among them. A command that would change
    nothing on a closed incident succeeds without its workflow. Raises `IncidentNotFound`,
    `AmbiguousId`, `CommandRefused` or `TemporalUnavailable`.
    """
    id = await resolve(client, id)
    key, incident_id = parse_id(id)
    command = {**fields, "incident_id": incident_id} if incident_id else fields
    handle = client.get_workflow_handle(key)
    try:
        result: CommandResult = await handle.execute_update(
            name,
            command,
            id=command["command_id"],
            result_type=dict,
            rpc_timeout=ANSWER_TIMEOUT,
        )
    except WorkflowUpdateFailedError as error:
        cause = error.cause
        if not isinstance(cause, ApplicationError):
            raise CommandRefused(f"incident {_short(id)}: {cause}") from None
        refused = Refusal.model_validate(cause.details[0]) if cause.details else None
        raise CommandRefused(
            f"incident {_short(id)}: {cause.message}", incident=_short(id), refusal=refused
        ) from None
    except WorkflowUpdateRPCTimeoutOrCancelledError:
        raise TemporalUnavailable(
            f"incident {_short(id)}: no answer within {ANSWER_TIMEOUT.seconds} s; the command "
            "may still be done",
            fix=NO_WORKER,
        ) from None
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise _rpc_error(id, error) from None
        ended = await _describe(handle, id)
        if Status.CLOSED in NO_OP_IN.get(name, ()) and _is_closed(ended):
            own = _own_id(ended) or id
            return {
                "changed": False,
                "incident_id": own,
                "handle": handle_of(own),
                "status": Status.CLOSED.value,
            }
        _refuse(id, name, ended)
    return result


async def signal(client: Client, id: str, name: str, fields: Mapping[str, Any]) -> str:
    """Send a command for whose answer nobody waits, which takes no worker; returns the incident's
    ID as far as it is known. Its timeline says if the command is refused. `fields` as in `send`.

    Raises `ValueError` naming what is wrong with the fields, or as `send`; a closed incident
    refuses whatever would change something.
    """
    id = await resolve(client, id)
    key, incident_id = parse_id(id)
    command = {**fields, "name": name, **({"incident_id": incident_id} if incident_id else {})}
    read_named(command)
    handle = client.get_workflow_handle(key)
    try:
        await handle.signal(SIGNAL_COMMAND, command, rpc_timeout=_TIMEOUT)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise _rpc_error(id, error) from None
        ended = await _describe(handle, id)
        if not (Status.CLOSED in NO_OP_IN.get(name, ()) and _is_closed(ended)):
            _refuse(id, name, ended)
    return id


async def runs(client: Client, incident_id: str) -> bool:
    """Whether the workflow of an incident still runs; `incident_id` is its own ID. Raises as
    `send`."""
    key, _ = parse_id(incident_id)
    run = await _describe(client.get_workflow_handle(key), incident_id)
    return run.status is WorkflowExecutionStatus.RUNNING and _own_id(run) in (None, incident_id)


async def workflow_id(client: Client, id: str) -> str:
    """The workflow ID of an incident that is there, by whatever names it. Raises as `send`."""
    id = await resolve(client, id)
    key, own = parse_id(id)
    if own:
        await runs(client, id)
    return key


async def summary(client: Client, incident_id: str) -> IncidentSummary:
    """What an incident has published of itself, which takes no worker; `incident_id` is its own
    ID, by which it is found even after another has followed it. Raises as `send`."""
    key, _ = parse_id(incident_id)
    run = await _describe(client.get_workflow_handle(key), incident_id)
    if _own_id(run) not in (None, incident_id):
        run_id = await _run_of(client, incident_id)
        if run_id is None:
            raise IncidentNotFound(f"no incident {incident_id!r}: another is under its key now")
        run = await _describe(client.get_workflow_handle(key, run_id=run_id), incident_id)
    if run.workflow_type != INCIDENT_WORKFLOW:
        raise IncidentNotFound(f"{incident_id!r} is a {run.workflow_type} workflow, no incident")
    return await summary_of(run)


async def show(client: Client, id: str) -> IncidentView:
    """The incident and its timeline. By its own ID an incident is found even after another has
    followed it. Raises as `send`."""
    id = await resolve(client, id)
    handle, incident = await _found(client, id)
    timeline = await _query(handle, QUERY_TIMELINE, list, id)
    return {"handle": handle_of(incident["id"]), "incident": incident, "timeline": timeline}


async def state(client: Client, id: str) -> dict[str, Any]:
    """The incident as in `show`, without its timeline."""
    _, incident = await _found(client, await resolve(client, id))
    return incident


async def _found(client: Client, id: str) -> tuple[WorkflowHandle[Any, Any], dict[str, Any]]:
    """The incident, and the run to ask for more of it."""
    key, incident_id = parse_id(id)
    handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(key)
    incident = await _query(handle, QUERY_INCIDENT, dict, id)
    if incident_id and incident["id"] != incident_id:
        run_id = await _run_of(client, incident_id)
        if run_id is None:
            raise IncidentNotFound(f"no incident {id!r}: {incident['id']!r} is under its key now")
        handle = client.get_workflow_handle(key, run_id=run_id)
        incident = await _query(handle, QUERY_INCIDENT, dict, id)
    return handle, incident


async def _query(handle: WorkflowHandle[Any, Any], name: str, kind: type[T], id: str) -> T:
    try:
        return await query(handle, name, kind)
    except (WorkflowQueryFailedError, WorkflowQueryRejectedError) as error:
        raise CommandRefused(f"incident {_short(id)}: {error}") from None
    except RPCError as error:
        raise _rpc_error(id, error) from None


async def _run_of(client: Client, incident_id: str) -> str | None:
    """The last run of an incident."""
    query = f"{INCIDENT_ID_ATTRIBUTE} = {in_query(incident_id)}"
    try:
        async for run in client.list_workflows(query, limit=1, rpc_timeout=_TIMEOUT):
            return run.run_id
    except RPCError as error:
        raise _rpc_error(incident_id, error) from None
    return None


async def _describe(handle: WorkflowHandle[Any, Any], id: str) -> WorkflowExecutionDescription:
    try:
        return await handle.describe(rpc_timeout=_TIMEOUT)
    except RPCError as error:
        raise _rpc_error(id, error) from None


def _is_closed(ended: WorkflowExecutionDescription) -> bool:
    return ended.status in (WorkflowExecutionStatus.COMPLETED, WorkflowExecutionStatus.CANCELED)


def _refuse(id: str, name: str, ended: WorkflowExecutionDescription) -> NoReturn:
    """Raise why a workflow that does not run takes no command, and what can be done instead."""
    if ended.workflow_type != INCIDENT_WORKFLOW:
        raise IncidentNotFound(f"{id!r} is a {ended.workflow_type} workflow, not an incident")
    word = name.replace("_", " ")
    when = f" since {ended.close_time:%Y-%m-%d %H:%M:%S} UTC" if ended.close_time else ""
    if _is_closed(ended):
        what = f"cannot {word}: the incident is closed{when}"
    else:
        state = ended.status.name.lower() if ended.status else "gone"
        what = f"cannot {word}: the incident's workflow has {state}{when}"
    raise CommandRefused(
        f"incident {_short(id)}: {what}",
        fix="possible now: `tidegate incident show` and `report`, and a new incident that follows "
        f"it: `tidegate incident open --follows {_own_id(ended) or id}`",
    )


def _short(id: str) -> str:
    """The handle of an own ID; a workflow ID, which several incidents have, as it is."""
    return handle_of(id) if parse_id(id)[1] else id


def _own_id(run: WorkflowExecutionDescription) -> str | None:
    return run.typed_search_attributes.get(SearchAttributeKey.for_keyword(INCIDENT_ID_ATTRIBUTE))


def _rpc_error(id: str, error: RPCError) -> TidegateError:
    if is_missing(error):
        return IncidentNotFound(f"Temporal has no incident under the ID {id!r}")
    unanswered = is_unanswered(error) or error.status is RPCStatusCode.FAILED_PRECONDITION
    return refusal(error, fix=NO_WORKER if unanswered else None)
