"""The post-incident report as JSON; `markdown` renders it for people.

It depends only on the incident and its timeline, so that a retry writes the same bytes. Its JSON
Schema is docs/schemas/post-incident-report.schema.json.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from core.domain.command import SOURCE_PREFIX, TIDEGATE, Proof
from core.domain.durations import format_duration
from core.domain.handles import handle_of
from core.domain.incident.model import Incident
from core.domain.incident.reports.metrics import Metrics, metrics_of
from core.domain.incident.status import CloseReason, Status
from core.domain.incident.timeline import (
    Commented,
    Escalated,
    EscalatedByHand,
    HandedOver,
    PageDelivered,
    PageFailed,
    PageStarted,
    PersonPaged,
    SeverityChanged,
    TimelineEvent,
)
from core.domain.severity import Severity
from core.domain.text import counted, times
from core.domain.value import Value

FORMAT: Final = "tidegate.post-incident-report/2"

_ACTION: Final = re.compile(r"\s*(?:action|todo)\s*:\s*(.+)", re.IGNORECASE | re.DOTALL)
_ALERTS_SHOWN: Final = 100
_NOT_DETAILS: Final = {"at", "actor", "proof", "kind", "visible", "policy", "state"}


class Entry(Value):
    """One entry of the timeline; `details` holds the fields of its kind."""

    at: AwareDatetime
    actor: str
    proof: Proof | None = Field(
        default=None, description="How it is known that a command was the actor's."
    )
    kind: str
    text: str = Field(description="What happened, in one sentence.")
    details: dict[str, Any]


class ReportedAlert(Value):
    """One alert by its fingerprint."""

    fingerprint: str
    title: str
    severity: Severity
    fired: int
    resolved: int
    firing: bool
    first_at: AwareDatetime
    last_at: AwareDatetime
    links: Mapping[str, str] = Field(description="Addresses by name: runbook, dashboard, ...")


class ReportedPage(Value):
    """One page to one target, and its outcome."""

    at: AwareDatetime
    level: int
    repeat: int
    target: str
    outcome: Literal["delivered", "failed", "not delivered"]
    outcome_at: AwareDatetime | None = None
    via: str | None = Field(None, description="The fallback that took it.")
    reason: str | None = Field(None, description="Why the last round failed.")


class ReportedPerson(Value):
    """A person who was paged by their contact methods, and who took over from them."""

    at: AwareDatetime
    level: int
    person: str
    name: str
    role: str = Field("", description="As what, like `on call for schedule web (layer days)`.")
    until: AwareDatetime | None = Field(None, description="The end of the shift.")
    handed_over_at: AwareDatetime | None = None
    handed_over_to: tuple[str, ...] = ()


class ReportedEscalation(Value):
    """A level that was paged because nobody acknowledged, or because somebody asked for it."""

    at: AwareDatetime
    level: int
    repeat: int
    waited: float | None = Field(None, description="Seconds without an acknowledgement.")
    by: str | None = Field(None, description="Who asked for it.")


class ReportedSeverity(Value):
    """A change of the severity."""

    at: AwareDatetime
    by: str
    before: Severity
    severity: Severity
    note: str | None = None


class ActionItem(Value):
    """A comment that begins with `action:` or `todo:`."""

    text: str
    by: str
    at: AwareDatetime


class PostIncidentReport(BaseModel):
    """The post-incident report as published JSON. Times are RFC 3339, durations in seconds."""

    model_config = ConfigDict(
        frozen=True,
        title="Tidegate post-incident report",
        json_schema_extra={"$schema": "https://json-schema.org/draft/2020-12/schema"},
    )

    format: Literal["tidegate.post-incident-report/2"] = FORMAT
    handle: str = Field(description="What people type in place of its ID.")
    incident_id: str
    previous: str | None = Field(None, description="The incident that this one follows.")
    title: str
    status: Status
    close_reason: CloseReason | None = None
    severity: Severity = Field(description="In the end.")
    worst_severity: Severity
    severity_changes: tuple[ReportedSeverity, ...]
    service: str | None = None
    source: str | None = None
    reporter: str | None = None
    assignee: str | None = None
    commander: str | None = None
    document: str | None = None
    labels: Mapping[str, str]
    links: tuple[str, ...] = Field(description="Addresses that the report named.")
    named_links: Mapping[str, str] = Field(
        description="Addresses of the alert or the report that opened it, by name."
    )
    summary: str | None = None
    impact: str = Field(description="What was affected, how badly and for how long.")
    metrics: Metrics
    people: Mapping[str, tuple[str, ...]] = Field(description="Who did what, in order.")
    alerts: tuple[ReportedAlert, ...]
    escalations: tuple[ReportedEscalation, ...]
    on_call: tuple[ReportedPerson, ...]
    pages: tuple[ReportedPage, ...]
    action_items: tuple[ActionItem, ...]
    timeline: tuple[Entry, ...]


def build_report(incident: Incident, timeline: Sequence[TimelineEvent]) -> PostIncidentReport:
    """The report on an incident in its present state."""
    return PostIncidentReport(
        handle=handle_of(incident.id),
        incident_id=incident.id,
        previous=incident.previous,
        title=incident.title,
        status=incident.status,
        close_reason=incident.close_reason,
        severity=incident.severity,
        worst_severity=worst_severity(incident),
        severity_changes=tuple(
            ReportedSeverity(at=e.at, by=e.actor, before=e.before, severity=e.severity, note=e.note)
            for e in timeline
            if isinstance(e, SeverityChanged)
        ),
        service=incident.service,
        source=incident.source,
        reporter=incident.reporter,
        assignee=incident.assignee,
        commander=incident.commander,
        document=incident.document,
        labels=incident.labels,
        links=incident.links,
        named_links=incident.named_links,
        summary=incident.summary,
        impact=_impact(incident),
        metrics=metrics_of(incident),
        people=_people(timeline),
        alerts=tuple(_alerts(incident)),
        escalations=tuple(_escalations(timeline)),
        on_call=tuple(_on_call(timeline)),
        pages=tuple(_pages(timeline)),
        action_items=tuple(_action_items(timeline)),
        timeline=tuple(_entry(event) for event in timeline),
    )


def as_json(incident: Incident, timeline: Sequence[TimelineEvent]) -> bytes:
    """The report in UTF-8 JSON."""
    return build_report(incident, timeline).model_dump_json(indent=2).encode() + b"\n"


def json_schema() -> dict[str, Any]:
    """The published JSON Schema."""
    return PostIncidentReport.model_json_schema(mode="serialization")


def _impact(incident: Incident) -> str:
    what = incident.service or "Something"
    end = incident.resolved_at or incident.closed_at
    start = incident.started_at or incident.opened_at
    lasted = ""
    if start and end and start <= end:
        lasted = f" for {format_duration((end - start).total_seconds())}"
    worst = worst_severity(incident)
    severity = f"severity {worst}"
    if worst is not incident.severity:
        severity += f" at worst and {incident.severity} in the end"
    text = f"{what} was affected{lasted}, at {severity}."
    if incident.close_reason in (CloseReason.FALSE_ALARM, CloseReason.DUPLICATE):
        text = f"None: closed as {incident.close_reason.replace('_', ' ')}."
    if incident.alerts.fired:
        text += f" {_counted(incident)}"
    return text


def worst_severity(incident: Incident) -> Severity:
    """How bad it was when it was worst."""
    return incident.worst_severity or incident.severity


def _counted(incident: Incident) -> str:
    fired, distinct = incident.alerts.fired, incident.alerts.distinct
    return f"{counted(distinct, 'alert')} fired {times(fired)}."


def _people(timeline: Sequence[TimelineEvent]) -> dict[str, tuple[str, ...]]:
    """What each person did; people are in the order of their first entries."""
    entries: dict[str, list[str]] = {}
    for event in timeline:
        if event.actor != TIDEGATE and not event.actor.startswith(SOURCE_PREFIX):
            entries.setdefault(event.actor, []).append(event.sentence())
    return {actor: tuple(done) for actor, done in entries.items()}


def _alerts(incident: Incident) -> Iterator[ReportedAlert]:
    """The alerts that are tracked by fingerprint, the most frequent first."""
    known = sorted(incident.alerts.tracked.items(), key=lambda item: (-item[1].fired, item[0]))
    for fingerprint, alert in known[:_ALERTS_SHOWN]:
        yield ReportedAlert(
            fingerprint=fingerprint,
            title=alert.title,
            severity=alert.severity,
            fired=alert.fired,
            resolved=alert.cleared,
            firing=alert.firing,
            first_at=alert.first_at,
            last_at=alert.last_at,
            links=alert.links,
        )


def _escalations(timeline: Sequence[TimelineEvent]) -> Iterator[ReportedEscalation]:
    for event in timeline:
        if isinstance(event, Escalated | EscalatedByHand):
            waited = event.waited if isinstance(event, Escalated) else None
            by = event.actor if isinstance(event, EscalatedByHand) else None
            yield ReportedEscalation(
                at=event.at, level=event.level, repeat=event.repeat, waited=waited, by=by
            )


def _on_call(timeline: Sequence[TimelineEvent]) -> Iterator[ReportedPerson]:
    """The people who were paged, each as often as their paging began."""
    for number, event in enumerate(timeline):
        if not isinstance(event, PersonPaged):
            continue
        who = event.on_call
        later = (
            each
            for each in timeline[number:]
            if isinstance(each, HandedOver) and each.on_call.person == who.person
        )
        over = next(later, None)
        yield ReportedPerson(
            at=event.at,
            level=event.level,
            person=who.person,
            name=who.name,
            role=who.role,
            until=who.until,
            handed_over_at=over.at if over else None,
            handed_over_to=over.to if over else (),
        )


def _pages(timeline: Sequence[TimelineEvent]) -> Iterator[ReportedPage]:
    ends: dict[str, PageDelivered | PageFailed] = {
        event.key: event for event in timeline if isinstance(event, PageDelivered | PageFailed)
    }
    for event in timeline:
        if not isinstance(event, PageStarted) or event.round > 1:
            continue
        end = ends.get(event.key)
        given_up = isinstance(end, PageFailed) and end.retry_at is None
        yield ReportedPage(
            at=event.at,
            level=event.level,
            repeat=event.repeat,
            target=event.target,
            outcome="delivered"
            if isinstance(end, PageDelivered)
            else "failed"
            if given_up
            else "not delivered",
            outcome_at=end.at if end else None,
            via=end.via if isinstance(end, PageDelivered) else None,
            reason=end.reason if isinstance(end, PageFailed) else None,
        )


def _action_items(timeline: Sequence[TimelineEvent]) -> Iterator[ActionItem]:
    for event in timeline:
        if isinstance(event, Commented) and (match := _ACTION.match(event.note or "")):
            yield ActionItem(text=match[1].strip(), by=event.actor, at=event.at)


def _entry(event: TimelineEvent) -> Entry:
    details = event.model_dump(mode="json", exclude=_NOT_DETAILS, exclude_none=True)
    return Entry(
        at=event.at,
        actor=event.actor,
        proof=getattr(event, "proof", None),
        kind=event.kind,
        text=event.sentence(),
        details=details,
    )
