"""Opening: a report opens an incident immediately, an alert when the policy says so.

report, firing alert    -> open               (a report also opens what is pending)
firing alert            -> pending -> open    if the policy holds alerts back, or requires several
pending                 -> closed             if it resolves by itself: nobody was paged
any other alert         -> new                its state is remembered for those that follow
"""

from __future__ import annotations

from datetime import datetime, timedelta

from core.domain.durations import format_duration
from core.domain.incident.decisions.alert_entries import (
    Word,
    alert_fired,
    assumed,
    plausible,
    severity_for,
    source_actor,
)
from core.domain.incident.description import description_of
from core.domain.incident.evolve import apply
from core.domain.incident.inputs import Open
from core.domain.incident.model import Incident
from core.domain.incident.policies.policy import Policy
from core.domain.incident.status import Status
from core.domain.incident.timeline import Discarded, HeldBack, Noted, Opened, TimelineEvent
from core.domain.severity import severity_of


def open_by_report(incident: Incident, input: Open, now: datetime) -> list[TimelineEvent]:
    """A report opens a new incident."""
    if incident.status is not Status.NEW:
        return []
    report, policy = input.report, input.policy
    severity = severity_of(report.severity)
    started_at, remark = plausible(report.started_at, now)
    opened = Opened(
        at=now,
        title=report.title,
        severity=severity or policy.default_severity,
        service=report.service,
        summary=report.brief().summary,
        reporter=report.reporter,
        labels=report.labels,
        links=report.links,
        named_links=report.named_links,
        document=input.document,
        previous=input.previous or report.follows,
        started_at=started_at,
        event_key=input.event_key,
        policy=policy,
    )
    events: list[TimelineEvent] = [opened]
    if severity is None:
        events.append(Noted(at=now, text=assumed(report.severity, policy.default_severity)))
    if report.ignored:
        names = ", ".join(report.ignored)
        events.append(Noted(at=now, text=f"Fields of the report that mean nothing here: {names}"))
    if remark:
        events.append(Noted(at=now, text=f"The report {remark}"))
    return events


def open_by_alert(
    incident: Incident, word: Word, policy: Policy, previous: str | None, now: datetime
) -> list[TimelineEvent]:
    """The first firing alert opens a new incident, or is held back."""
    alert = word.alert
    # The alert's own entry says what was assumed.
    severity, _ = severity_for(alert, policy)
    started_at, _ = plausible(alert.starts_at, now)
    waits = policy.hold_back > 0 or policy.open_after is not None
    kind = HeldBack if waits else Opened
    began = kind(
        at=now,
        actor=source_actor(alert),
        title=alert.title,
        severity=severity,
        service=alert.service,
        summary=alert.summary,
        source=alert.source,
        labels=alert.labels,
        named_links=alert.links,
        previous=previous,
        started_at=started_at,
        policy=policy,
    )
    return [began, alert_fired(apply(incident, began), word, now)]


def pending_due(incident: Incident) -> datetime | None:
    """When a pending incident either opens or is discarded."""
    pending, policy = incident.pending, incident.policy
    if pending is None:
        return None
    if pending.enough or policy.open_after is None:
        return pending.since + timedelta(seconds=policy.hold_back)
    latest = pending.arrivals[-1] if pending.arrivals else pending.since
    return latest + timedelta(seconds=policy.open_after.within)


def end_pending(incident: Incident, now: datetime) -> list[TimelineEvent]:
    """Open a pending incident, or discard it if there were too few alerts."""
    pending, policy = incident.pending, incident.policy
    if pending is None:
        return []
    rule = policy.open_after
    if rule and not pending.enough:
        came = (
            f"{incident.alerts.fired:,} came, {rule.count:,} within {format_duration(rule.within)}"
        )
        return [Discarded(at=now, reason=f"too few alerts: {came} would have been needed")]
    return [opened_from(incident, now)]


def opened_from(incident: Incident, now: datetime) -> Opened:
    """The opening of a pending incident."""
    return Opened(at=now, **description_of(incident))


def passes(incident: Incident) -> bool:
    """Whether a pending incident ends when all its alerts are resolved. It does not while alerts
    are still being counted, because flapping alerts count, too."""
    pending, policy = incident.pending, incident.policy
    return pending is not None and not (policy.open_after and not pending.enough)
