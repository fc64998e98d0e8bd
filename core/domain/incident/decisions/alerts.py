"""What a firing and a resolved alert do to an incident in each state."""

from __future__ import annotations

from datetime import datetime

from core.domain.alert import AlertStatus
from core.domain.incident.alert_counts import AlertCounts
from core.domain.incident.decisions import closing, opening, paging
from core.domain.incident.decisions.alert_entries import (
    alert_cleared,
    alert_fired,
    is_round,
    source_actor,
)
from core.domain.incident.evolve import apply, has_seen
from core.domain.incident.inputs import AlertReceived, FurtherEvent
from core.domain.incident.model import CloseReason, Incident, Status
from core.domain.incident.policies.policy import Recurrence
from core.domain.incident.timeline import (
    AlertFired,
    Discarded,
    EventJoined,
    Noted,
    Reopened,
    Resolved,
    SeverityChanged,
    Superseded,
    TimelineEvent,
)


def receive(incident: Incident, input: AlertReceived, now: datetime) -> list[TimelineEvent]:
    """What an alert does; a redelivered one does nothing."""
    if has_seen(incident, input.event_key):
        return []
    if input.alert.status is AlertStatus.FIRING:
        return _fires(incident, input, now)
    return _clears(incident, input, now)


def join(incident: Incident, input: FurtherEvent, now: datetime) -> list[TimelineEvent]:
    """What another event that is not an alert does: usually somebody's report."""
    if incident.status is Status.NEW or has_seen(incident, input.event_key):
        return []
    reason = f"a further event came: {input.event_type}"
    if not _takes_part(incident):
        return _superseded(incident, input.event_key, reason, now)
    joined = EventJoined(
        at=now,
        event_key=input.event_key,
        event_type=input.event_type,
        document=input.document,
    )
    if incident.status is Status.PENDING:
        return [joined, opening.opened_from(incident, now)]
    if incident.status is Status.RESOLVED:
        return [joined, Reopened(at=now, reason="it happened again before the incident was closed")]
    return [joined]


def _fires(incident: Incident, input: AlertReceived, now: datetime) -> list[TimelineEvent]:
    if incident.status is Status.NEW:
        return opening.open_by_alert(incident, input, now)
    if not _takes_part(incident):
        reason = f"an alert fires: {input.alert.title}"
        return _superseded(incident, input.event_key, reason, now)
    fired = alert_fired(incident, input, now)
    raised = _raised(incident, fired)
    events: list[TimelineEvent] = [fired, *raised]
    if incident.status is Status.RESOLVED:
        reason = f"recurred, an alert fires: {fired.title}"
        events.append(Reopened(at=now, actor=fired.actor, reason=reason))
    elif incident.status is Status.MITIGATED and fired.fingerprint not in incident.alerts.tracked:
        reason = f"a new alert fires: {fired.title}"
        events.append(Reopened(at=now, actor=fired.actor, reason=reason))
    elif incident.status is Status.ACKNOWLEDGED and raised:
        worse = apply(incident, raised[0])
        held = paging.hold(worse, now)
        events += (
            [Noted(at=now, text=f"Nobody is paged for the higher severity: {held.reason}")]
            if held
            else paging.page_level(worse, paging.FIRST_LEVEL, now)
        )
    return events


def _raised(incident: Incident, fired: AlertFired) -> list[SeverityChanged]:
    """The incident's new severity, if the alert is worse than that and than any alert before: a
    severity that somebody has lowered stays low while the same alerts go on firing."""
    worst = incident.alerts.worst
    worse = fired.severity.is_worse_than(incident.severity)
    if not worse or (worst and not fired.severity.is_worse_than(worst)):
        return []
    return [
        SeverityChanged(
            at=fired.at,
            actor=fired.actor,
            before=incident.severity,
            severity=fired.severity,
            note=f"an alert fires: {fired.title}",
        )
    ]


def _clears(incident: Incident, input: AlertReceived, now: datetime) -> list[TimelineEvent]:
    if incident.status is Status.CLOSED:
        return []
    actor = source_actor(input.alert)
    if incident.status is Status.NEW:
        reason = f"its first alert was a resolved one: {input.alert.title}"
        return [Discarded(at=now, actor=actor, reason=reason)]
    cleared = alert_cleared(incident, input, now)
    if incident.status is Status.RESOLVED:
        return [cleared.model_copy(update={"visible": False})]
    after = apply(incident, cleared)
    # A source that flaps is noted as rarely as an alert that goes on firing.
    recoveries = after.alerts.recoveries
    news = recoveries > incident.alerts.recoveries and is_round(recoveries)
    if not after.alerts.all_clear or incident.alerts.all_clear:
        unknown = _unknown(after.alerts) if news else None
        return [cleared, Noted(at=now, text=unknown)] if unknown else [cleared]
    match incident.status:
        case Status.PENDING:
            if not opening.passes(incident):
                return [cleared]
            reason = "every alert was resolved before it opened"
            return [cleared, Discarded(at=now, actor=actor, reason=reason)]
        case Status.ACKNOWLEDGED if not incident.policy.auto_resolve_acknowledged:
            note = "The source recovered; somebody who has the incident is to resolve it"
            return [cleared, Noted(at=now, text=note)] if news else [cleared]
        case Status.OPEN | Status.ACKNOWLEDGED | Status.MITIGATED:
            note = "all alerts are resolved"
            resolved = Resolved(at=now, actor=actor, note=note)
            return [cleared, resolved, *paging.cancel_all(incident, now)]


def _unknown(alerts: AlertCounts) -> str | None:
    """Why it is unknown whether all alerts are resolved, although none is known to be firing."""
    if not alerts.fired or alerts.firing:
        return None
    if alerts.truncated:
        return "The source left alerts out: whether all are resolved is not known"
    if alerts.untracked:
        return "There were too many alerts to keep apart: whether all are resolved is not known"
    return None


def _takes_part(incident: Incident) -> bool:
    """Whether new events still belong to this incident, and not to a successor."""
    if incident.status is Status.RESOLVED:
        return incident.policy.recurrence is Recurrence.REOPEN
    return incident.status is not Status.CLOSED


def _superseded(
    incident: Incident, event_key: str, reason: str, now: datetime
) -> list[TimelineEvent]:
    """The event starts a new incident, and this one is closed."""
    superseded = Superseded(at=now, event_key=event_key, reason=reason)
    return [superseded, *closing.close(incident, CloseReason.RESOLVED, now)]
