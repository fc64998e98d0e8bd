"""Incidents opened by hand: a report goes through the intake like any other event, with the same
routing, receipts and quarantine.

One that follows a closed incident gets that incident's key, so that later alerts from its source
join it and open no third one.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict, cast

from core import bootstrap
from core.adapters.temporal import incidents
from core.config.settings import Settings
from core.domain.event import INCIDENT_REPORTED, INCIDENT_SUCCESSOR, Event
from core.domain.handles import handle_of
from core.domain.incident.ids import parse_id
from core.domain.incident.reports.incident_report import parse_fields
from core.domain.incident.status import Status
from core.errors import (
    CommandRefused,
    DocumentNotFound,
    IncidentNotFound,
    NoRoute,
    PermanentError,
    SettingsError,
    TemporalUnavailable,
    quoted,
)
from core.formats.registry import read
from core.formats.shared.delivery import Arrival, Delivery, way_headers
from core.intake.accept import Intake
from core.intake.receipts import Receipt, Verdict
from core.operations.outcome import Outcome, Result, follow
from core.operations.read_report import Reports

if TYPE_CHECKING:
    from temporalio.client import Client

KEY_PREFIX: Final = "incident:"
"""How the keys of the shipped routes begin. The subject of a successor is the rest."""

_SOURCE: Final = "tidegate"
_WAY: Final = way_headers("command", trusted=(INCIDENT_REPORTED, INCIDENT_SUCCESSOR))
_COPIED: Final = ("title", "severity", "service", "labels", "links", "named_links")
_WAIT_SECONDS: Final = 30.0


class Orchestrated(TypedDict):
    """The result of `workers.root_orchestrator.workflows.RootOrchestratorWorkflow`, or the same of
    a listener that delivers the report itself."""

    route: str
    workflow: str
    child_id: str
    run_id: str | None
    action: Literal["started", "signalled"]


class Opened(Orchestrated):
    """What was done with the report, two of the report's fields, and the incident that has it,
    unless that is not known in time. `opened` is false when an incident that is open took it."""

    incident_id: str | None
    handle: str | None
    opened: bool
    title: str
    follows: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Closed:
    """The incident to follow; `fields` are those that its successor takes over. Its workflow may
    still wait for late alerts: then it starts the successor."""

    id: str
    reason: str | None
    reports: Sequence[str] = ()
    fields: Mapping[str, Any]
    waits: bool = False


async def open_incident(
    settings: Settings,
    fields: Mapping[str, str | None],
    *,
    follows: str | None = None,
    unique: str | None = None,
    intake: Intake | None = None,
    connect: Callable[[], Awaitable[Client]] | None = None,
) -> Opened:
    """Send a report with these fields, and wait for its incident.

    `follows` names a closed incident, from which missing fields are copied. Of several reports with
    the same `unique` text one counts. `intake` and `connect` are the process's own, if it has them.
    Raises `InvalidReport`,
    `CommandRefused`, `IncidentNotFound`, `TemporalUnavailable`, or the error for which the event
    is quarantined.
    """
    intake = intake or bootstrap.intake(settings)
    connect = connect or partial(bootstrap.connect, settings)
    client = await connect()
    data: dict[str, Any] = {name: value for name, value in fields.items() if value}
    unique = unique or uuid.uuid4().hex
    event = {"specversion": "1.0", "type": INCIDENT_REPORTED, "source": _SOURCE, "id": unique}
    waits = False
    if follows is not None:
        closed = await _closed(client, Reports(settings, connect), settings, follows)
        data = {**closed.fields, "summary": _summary(closed), "follows": closed.id, **data}
        waits = closed.waits
        event |= {"type": INCIDENT_SUCCESSOR, "subject": successor_subject(closed.id)}
    report = parse_fields(data, where="what is to be opened")
    body = json.dumps({**event, "data": data}, ensure_ascii=False).encode()
    [arrival] = read(Delivery(format="message", body=body, headers=_WAY, unique=unique))
    receipt = await _accepted(intake, arrival)
    [outcome] = await follow(client, [receipt], timeout=_WAIT_SECONDS)
    done = _orchestrated(arrival, receipt, outcome, settings)
    incident = outcome.incident
    return {
        **done,
        "incident_id": incident.id if incident else None,
        "handle": incident.handle if incident else None,
        "opened": waits or done["action"] == "started",
        "title": report.title,
        "follows": report.follows,
    }


def successor_subject(incident_id: str) -> str:
    """The subject of the event that opens an incident under the workflow ID of the one with this
    ID: that workflow ID as it is, without `KEY_PREFIX`."""
    key, _ = parse_id(incident_id)
    return key.removeprefix(KEY_PREFIX)


async def _accepted(intake: Intake, arrival: Arrival) -> Receipt:
    [receipt] = await intake.accept([arrival])
    if receipt.verdict is Verdict.QUARANTINED:
        reason = f"{receipt.reason}; kept as {receipt.quarantine_handle}"
        raise PermanentError.from_code(receipt.code or "", reason)
    if receipt.verdict is Verdict.DROPPED:
        raise NoRoute(receipt.reason or "")
    if receipt.verdict is Verdict.RETRY or receipt.workflow_id is None:
        reason = receipt.reason or "the report was not accepted"
        if receipt.code == SettingsError.__name__:
            raise SettingsError(reason, fix="correct it, then open the incident again")
        raise TemporalUnavailable(reason)
    return receipt


def _orchestrated(
    arrival: Arrival, receipt: Receipt, outcome: Outcome, settings: Settings
) -> Orchestrated:
    """What was done with the report, by its root orchestrator, or else by its listener. Raises the
    error for which it was refused, and `TemporalUnavailable` when no worker has processed it in
    time; it stays queued then."""
    if outcome.result is Result.REFUSED:
        raise _refusal(outcome)
    if outcome.result is Result.DROPPED:
        raise NoRoute(f"event {quoted(outcome.key)}: the root worker's table has no route for it")
    if outcome.orchestrated is not None:
        return cast(Orchestrated, outcome.orchestrated)
    if outcome.result is Result.UNKNOWN:
        raise TemporalUnavailable(
            f"the report is accepted and stays queued: {outcome.reason}",
            fix="see whether the workers run: `tidegate doctor`",
        )
    assert isinstance(arrival.item, Event)  # noqa: S101  # it was accepted
    target = bootstrap.router(settings).target(arrival.item)
    return {
        "route": target.route,
        "workflow": target.workflow,
        "child_id": receipt.workflow_id or "",
        "run_id": receipt.run_id,
        "action": "started" if outcome.started else "signalled",
    }


def _refusal(outcome: Outcome) -> PermanentError:
    """The error for which a workflow refused the report. One that is not Tidegate's fails with any
    code, and may keep nothing."""
    kept = f"; kept as {outcome.record_handle}" if outcome.record else ""
    code, reason = outcome.code or "", f"{outcome.reason}{kept}"
    try:
        return PermanentError.from_code(code, reason)
    except ValueError:
        return PermanentError(f"{code}: {reason}", fix="look at the workflow in Temporal's UI")


async def _closed(client: Client, reports: Reports, settings: Settings, id: str) -> _Closed:
    """The incident to follow, from Temporal or else from its report."""
    try:
        incident = await incidents.state(client, id)
    except IncidentNotFound as not_found:
        if parse_id(id)[1] is None or settings.reports is None:
            raise
        try:
            report = json.loads(await reports.read(id, suffix="json"))
        except DocumentNotFound:
            raise not_found from None
        return _Closed(
            id=report["incident_id"], reason=report.get("close_reason"), fields=_copied(report)
        )
    runs = await incidents.runs(client, incident["id"])
    if incident["status"] != Status.CLOSED and runs:
        raise CommandRefused(
            f"incident {incident['id']} is {incident['status']}, not closed: "
            "nothing can follow it yet",
            fix="possible now: `tidegate incident reopen`, or a comment",
        )
    return _Closed(
        id=incident["id"],
        reason=incident["close_reason"],
        reports=incident["reports"],
        fields=_copied(incident),
        waits=runs,
    )


def _copied(source: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name in _COPIED if (value := source.get(name))}


def _summary(closed: _Closed) -> str:
    """What the person who is paged should know of the incident before."""
    how = f"which was closed{f' as {closed.reason}' if closed.reason else ''}"
    lines = [f"It is not over: this follows {handle_of(closed.id)}, {how}."]
    report = next((uri for uri in reversed(closed.reports) if uri.endswith(".md")), None)
    if report:
        lines.append(f"Its report: {report}")
    return "\n".join(lines)
