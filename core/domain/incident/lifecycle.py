"""The incident's state machine: what follows from what, and nothing about how it comes to pass.

    decide(incident, input, now) -> (events, effects)        apply(incident, event) -> incident

`decide` is total: whatever cannot be done in a state yields nothing, and `refusal` says why to
whoever asked. Effects follow from events, so that the timeline never misses one.

    input           new       open             acknowledged      resolved           closed
    open            open      -                -                 -                  -
    further event   noted     noted            noted             open again         noted
    acknowledge     refused   acknowledged     one more has it   refused            refused
    resolve         refused   resolved         resolved          -                  -
    wake            -         escalate once,   -                 -                  -
                              retry pages
    close           -         -                -                 closed, when its   -
                                                                 report is done
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import reduce

from core.domain.incident import paging
from core.domain.incident.effects import REPORT_KEY, CallOff, Effect, WriteReport
from core.domain.incident.fold import apply
from core.domain.incident.inputs import (
    Acknowledge,
    Close,
    Command,
    FurtherEvent,
    Input,
    Open,
    PageSettled,
    Remark,
    ReportSettled,
    Resolve,
    Wake,
)
from core.domain.incident.model import Incident, PageStatus, Status
from core.domain.incident.severity import DEFAULT, severity_of
from core.domain.incident.timeline import (
    Acknowledged,
    Closed,
    Escalated,
    EventJoined,
    Noted,
    Opened,
    PageCalledOff,
    PageDelivered,
    PageStarted,
    Reopened,
    ReportNotWritten,
    ReportWritten,
    Resolved,
    TimelineEvent,
)

Decision = tuple[tuple[TimelineEvent, ...], tuple[Effect, ...]]


def decide(incident: Incident, given: Input, now: datetime) -> Decision:
    """What happens because of `given` at `now`, and what the shell must do about it."""
    events = tuple(_events(incident, given, now))
    return events, tuple(_effects(reduce(apply, events, incident), events))


def refusal(incident: Incident, command: Command) -> str | None:
    """Why a command cannot be done now, and what can; None when it can, or was done already."""
    if command.incident_id not in (None, incident.id):
        return f"the command is for incident {command.incident_id!r}, this is {incident.id!r}"
    if command.command_id in incident.recent_commands:
        return None
    name = type(command).__name__.lower()
    if incident.status is Status.NEW:
        return f"cannot {name}: the incident's document is still being read; try again shortly"
    if isinstance(command, Acknowledge) and incident.status in (Status.RESOLVED, Status.CLOSED):
        return f"cannot {name}: the incident is {incident.status} already; nothing is left to do"
    return None


def deadline(incident: Incident) -> datetime | None:
    """The moment of the next `Wake`; None when nothing is due until something happens."""
    due = [
        page.retry_at
        for page in incident.pages.values()
        if page.status is PageStatus.WAITING and page.retry_at
    ]
    escalation = _escalation_due(incident)
    return min([*due, escalation] if escalation else due, default=None)


def is_finished(incident: Incident) -> bool:
    """Resolved, with its report dealt with: nothing is left but to close."""
    return incident.status is Status.RESOLVED and incident.reported == incident.resolved_at


def _events(incident: Incident, given: Input, now: datetime) -> Iterable[TimelineEvent]:
    match given:
        case Open():
            return _open(incident, given, now)
        case FurtherEvent():
            return _further_event(incident, given, now)
        case Acknowledge():
            return _acknowledge(incident, given, now)
        case Resolve():
            return _resolve(incident, given, now)
        case Wake():
            return _wake(incident, now)
        case PageSettled():
            return _page_settled(incident, given, now)
        case ReportSettled():
            return _report_settled(incident, given, now)
        case Close():
            return [Closed(at=now)] if is_finished(incident) else []
        case Remark():
            return [Noted(at=now, text=given.text)]


def _open(incident: Incident, given: Open, now: datetime) -> list[TimelineEvent]:
    if incident.status is not Status.NEW:
        return []
    report = given.report
    severity = severity_of(report.severity)
    opened = Opened(
        at=now,
        title=report.title,
        severity=severity or DEFAULT,
        service=report.service,
        summary=report.brief().summary,
        reporter=report.reporter,
        labels=report.labels,
        links=report.links,
        document=given.document,
        started_at=report.started_at,
        event_key=given.event_key,
        policy=given.policy,
    )
    events: list[TimelineEvent] = [opened]
    if severity is None:
        said = f"{report.severity!r} is not one we know" if report.severity else "none was given"
        events.append(Noted(at=now, text=f"Severity {DEFAULT} assumed: {said}"))
    if report.ignored:
        names = ", ".join(report.ignored)
        events.append(Noted(at=now, text=f"Fields of the report that mean nothing here: {names}"))
    return events + paging.page_level(apply(incident, opened), paging.FIRST_LEVEL, now)


def _further_event(incident: Incident, given: FurtherEvent, now: datetime) -> list[TimelineEvent]:
    if given.event_key in incident.recent_events:
        return []
    events: list[TimelineEvent] = [
        EventJoined(
            at=now,
            event_key=given.event_key,
            event_type=given.event_type,
            document=given.document,
        )
    ]
    if incident.status is Status.RESOLVED:
        reopened = Reopened(at=now, reason="it happened again before the incident was closed")
        events.append(reopened)
        events += paging.page_level(apply(incident, reopened), paging.FIRST_LEVEL, now)
    return events


def _acknowledge(incident: Incident, given: Acknowledge, now: datetime) -> list[TimelineEvent]:
    if not _is_for(incident, given) or incident.status not in (Status.OPEN, Status.ACKNOWLEDGED):
        return []
    if given.actor in incident.acknowledged_by:
        return []
    acknowledged = Acknowledged(
        at=now, actor=given.actor, command_id=given.command_id, note=given.note
    )
    return [acknowledged, *paging.call_off(incident, now)]


def _resolve(incident: Incident, given: Resolve, now: datetime) -> list[TimelineEvent]:
    if not _is_for(incident, given) or incident.status not in (Status.OPEN, Status.ACKNOWLEDGED):
        return []
    resolved = Resolved(at=now, actor=given.actor, command_id=given.command_id, note=given.note)
    return [resolved, *paging.call_off(incident, now)]


def _wake(incident: Incident, now: datetime) -> list[TimelineEvent]:
    events: list[TimelineEvent] = [
        paging.next_round(key, page, now)
        for key, page in incident.pages.items()
        if page.status is PageStatus.WAITING and page.retry_at and page.retry_at <= now
    ]
    due = _escalation_due(incident)
    if due and incident.open_since and due <= now:
        level = paging.ESCALATION_LEVEL
        waited = (now - incident.open_since).total_seconds()
        events.append(Escalated(at=now, level=level, waited=round(waited, 1)))
        events += paging.page_level(incident, level, now)
    return events


def _page_settled(incident: Incident, given: PageSettled, now: datetime) -> list[TimelineEvent]:
    page = incident.pages.get(given.key)
    if page is None or page.status not in (PageStatus.SENDING, PageStatus.CALLED_OFF):
        return []
    if given.failure is None:  # perhaps although it was called off: it cannot be taken back
        return [PageDelivered(at=now, key=given.key, level=page.level, target=page.target)]
    if page.status is PageStatus.CALLED_OFF:
        return []
    return [paging.failed(given.key, page, given.failure, now)]


def _report_settled(incident: Incident, given: ReportSettled, now: datetime) -> list[TimelineEvent]:
    if given.failure is None:
        return [ReportWritten(at=now, resolved_at=given.resolved_at, uris=given.uris)]
    if given.resolved_at != incident.resolved_at:
        return []  # called off: the incident was opened again
    return [ReportNotWritten(at=now, resolved_at=given.resolved_at, reason=given.failure)]


def _effects(after: Incident, events: Iterable[TimelineEvent]) -> Iterable[Effect]:
    called_off: list[str] = []
    for event in events:
        match event:
            case PageStarted():
                yield paging.page_for(after, event)
            case PageCalledOff():
                called_off.append(event.key)
            case Reopened():
                called_off.append(REPORT_KEY)
            case Resolved():
                yield WriteReport(resolved_at=event.at)
    if called_off:
        yield CallOff(keys=tuple(called_off))


def _is_for(incident: Incident, command: Command) -> bool:
    """Whether a command is this incident's, and not done already."""
    return (
        command.incident_id in (None, incident.id)
        and command.command_id not in incident.recent_commands
    )


def _escalation_due(incident: Incident) -> datetime | None:
    if incident.status is not Status.OPEN or incident.escalated_at:
        return None
    if incident.policy is None or incident.open_since is None:
        return None
    return incident.open_since + timedelta(seconds=incident.policy.ack_timeout)
