"""The list of incidents, from Temporal's visibility store: eventually consistent, and needs no
worker."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionStatus,
)
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

from core.adapters.temporal.connection import refusal
from core.contracts import (
    ACKNOWLEDGED_MEMO,
    ASSIGNEE_ATTRIBUTE,
    INCIDENT_ID_ATTRIBUTE,
    INCIDENT_WORKFLOW,
    SERVICE_ATTRIBUTE,
    SEVERITY_ATTRIBUTE,
    STATUS_ATTRIBUTE,
    TITLE_MEMO,
)
from core.domain.handles import handle_of
from core.domain.incident.ids import parse_id
from core.domain.incident.status import Status

_TIMEOUT: Final = timedelta(seconds=10)
_STATUS, _SEVERITY, _SERVICE, _ASSIGNEE, _INCIDENT_ID = map(
    SearchAttributeKey.for_keyword,
    (
        STATUS_ATTRIBUTE,
        SEVERITY_ATTRIBUTE,
        SERVICE_ATTRIBUTE,
        ASSIGNEE_ATTRIBUTE,
        INCIDENT_ID_ATTRIBUTE,
    ),
)
TRY_AGAIN: Final = "run `tidegate setup` if it does not know a search attribute, else try again"
UNFINDABLE: Final = frozenset('"\\')
"""A server with visibility in SQL finds no value that contains one of these, however it is quoted
(tried on 1.32 with SQLite)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentFilter:
    """Which incidents to list: those that have one of the values of every field that is set.

    Without `statuses` those whose workflow runs, or with `include_closed` all; with `running` also
    of those with one of the `statuses` only these. Ages are counted from the beginning of the
    incident.
    """

    statuses: Sequence[str] = ()
    severities: Sequence[str] = ()
    services: Sequence[str] = ()
    assignees: Sequence[str] = ()
    older_than: timedelta | None = None
    younger_than: timedelta | None = None
    include_closed: bool = False
    running: bool = False

    def query(self, now: datetime) -> str:
        """The filter as a visibility query, which leaves some of it to `matches`. Of the ages only
        `younger_than` can be queried: a run never starts before its incident began, but may start
        long after it."""
        parts = [f"WorkflowType = {in_query(INCIDENT_WORKFLOW)}"]
        # A run that was continued keeps its attributes; it counts only if its incident ended there.
        parts.append(f"(ExecutionStatus != 'ContinuedAsNew' OR {_STATUS.name} = 'closed')")
        # What was heard of alerts may open no incident: such a run has no status.
        parts.append(f"({_STATUS.name} IS NOT NULL OR ExecutionStatus = 'Failed')")
        if not self.include_closed and not self.statuses:
            # A closed incident's workflow stays for a while, to hear late alerts.
            parts.append(f"ExecutionStatus = 'Running' AND {_STATUS.name} != 'closed'")
        elif self.running:
            parts.append("ExecutionStatus = 'Running'")
        wanted = (
            (_STATUS.name, self.statuses),
            (_SEVERITY.name, self.severities),
            (_SERVICE.name, self.services),
            (_ASSIGNEE.name, self.assignees),
        )
        for name, values in wanted:
            if values and not any(UNFINDABLE & set(value) for value in values):
                parts.append(f"{name} IN ({', '.join(map(in_query, values))})")
        if self.younger_than is not None:
            parts.append(f"StartTime >= {in_query((now - self.younger_than).isoformat())}")
        return " AND ".join(parts)

    def matches(self, incident: IncidentSummary, now: datetime) -> bool:
        """Whether an incident that the query found matches what the query cannot express."""
        age = now - incident.began
        return (
            (not self.services or incident.service in self.services)
            and (not self.assignees or incident.assignee in self.assignees)
            and (self.older_than is None or age >= self.older_than)
            and (self.younger_than is None or age <= self.younger_than)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentSummary:
    """One incident in the list. `ended` says how its workflow ended, unless it was closed;
    `acknowledged_by` who acknowledged it last. One that failed before it opened has its workflow ID
    for an ID."""

    id: str
    workflow_id: str
    handle: str
    began: datetime
    status: str | None = None
    severity: str | None = None
    service: str | None = None
    assignee: str | None = None
    acknowledged_by: str | None = None
    title: str | None = None
    ended: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "began": self.began.isoformat()}


async def list_incidents(
    client: Client, filter: IncidentFilter, *, limit: int
) -> tuple[list[IncidentSummary], bool]:
    """The newest incidents, at most `limit`, and whether there are more.

    Raises `TemporalUnavailable`, or `SettingsError` for a wrong namespace or credentials.
    """
    now = datetime.now(UTC)
    incidents: list[IncidentSummary] = []
    async for incident in summaries(client, filter.query(now)):
        if not filter.matches(incident, now):
            continue
        if len(incidents) == limit:
            return incidents, True
        incidents.append(incident)
    return incidents, False


async def incident_page(
    client: Client, filter: IncidentFilter, *, limit: int, cursor: str | None = None
) -> tuple[list[IncidentSummary], str | None]:
    """At most `limit` incidents by one call, the newest first, and the cursor of those that follow;
    None for the last page. A page may have fewer although there are more.

    Raises `ValueError` for what is no cursor of this list, or as `list_incidents`.
    """
    now, token = _read_cursor(cursor, filter) if cursor else (datetime.now(UTC), None)
    pages = client.list_workflows(
        filter.query(now), page_size=limit, next_page_token=token, rpc_timeout=_TIMEOUT
    )
    try:
        await pages.fetch_next_page()
    except RPCError as error:
        if token and error.status in _NO_PAGE:
            raise ValueError("no longer valid: begin the list again") from None
        raise refusal(error, fix=TRY_AGAIN) from None
    found = [await summary_of(run) for run in pages.current_page or ()]
    following = _cursor(now, pages.next_page_token, filter) if pages.next_page_token else None
    return [incident for incident in found if filter.matches(incident, now)], following


async def count_incidents(client: Client, filter: IncidentFilter) -> int:
    """How many incidents the query of a filter finds, by one call. Raises as `list_incidents`."""
    try:
        found = await client.count_workflows(filter.query(datetime.now(UTC)), rpc_timeout=_TIMEOUT)
    except RPCError as error:
        raise refusal(error, fix=TRY_AGAIN) from None
    return found.count


_NO_PAGE: Final = (RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.UNKNOWN)
"""How a server answers a token that it did not make: the second with visibility in SQL (tried on
1.32 with SQLite)."""
_MOMENT_BYTES: Final = 8
_CHECK_BYTES: Final = 12


def _cursor(now: datetime, token: bytes, filter: IncidentFilter) -> str:
    """The place in a list whose ages count from `now`. What it begins with tells it from anything
    else, which the server would not: it asks to try again."""
    content = int(now.timestamp() * 1000).to_bytes(_MOMENT_BYTES) + token
    return base64.urlsafe_b64encode(_check(content, filter) + content).decode().rstrip("=")


def _read_cursor(cursor: str, filter: IncidentFilter) -> tuple[datetime, bytes]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars="-_", validate=True)
    except ValueError:
        text = b""
    check, content = text[:_CHECK_BYTES], text[_CHECK_BYTES:]
    if check != _check(content, filter):
        raise ValueError("not the cursor of a page of this list")
    moment = int.from_bytes(content[:_MOMENT_BYTES]) / 1000
    return datetime.fromtimestamp(moment, UTC), content[_MOMENT_BYTES:]


def _check(content: bytes, filter: IncidentFilter) -> bytes:
    return hashlib.sha256(repr(filter).encode() + content).digest()[:_CHECK_BYTES]


async def summaries(client: Client, query: str) -> AsyncIterator[IncidentSummary]:
    """The runs that a visibility query finds, newest first. Raises `TemporalUnavailable`."""
    try:
        async for run in client.list_workflows(query, rpc_timeout=_TIMEOUT):
            yield await summary_of(run)
    except RPCError as error:
        raise refusal(error, fix=TRY_AGAIN) from None


def in_query(text: str) -> str:
    """The text as a string in a visibility query."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


async def summary_of(run: WorkflowExecution) -> IncidentSummary:
    """What a run has published of its incident."""
    attributes = run.typed_search_attributes
    id = attributes.get(_INCIDENT_ID) or run.id
    status = attributes.get(_STATUS)
    return IncidentSummary(
        id=id,
        workflow_id=run.id,
        handle=handle_of(id),
        began=moment_of_id(id) or run.start_time,
        status=status,
        severity=attributes.get(_SEVERITY),
        service=attributes.get(_SERVICE),
        assignee=attributes.get(_ASSIGNEE),
        acknowledged_by=await run.memo_value(ACKNOWLEDGED_MEMO, None, type_hint=str),
        title=await run.memo_value(TITLE_MEMO, None, type_hint=str),
        ended=_ended(run.status, status),
    )


def moment_of_id(id: str) -> datetime | None:
    """When the incident began, which its own ID ends in; its last run may have started later."""
    _, incident_id = parse_id(id)
    return moment_of(incident_id[-len("20260102T030405.678Z") :]) if incident_id else None


def moment_of(text: str | None) -> datetime | None:
    """A moment as IDs and search attributes have it; None for anything else."""
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%S.%f%z") if text else None
    except ValueError:
        return None


def _ended(execution: WorkflowExecutionStatus | None, status: str | None) -> str | None:
    """How a workflow ended whose incident was not closed: it takes no more commands."""
    if execution in (None, WorkflowExecutionStatus.RUNNING) or status == Status.CLOSED:
        return None
    return execution.name.lower().replace("_", " ")
