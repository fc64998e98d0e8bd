"""Opening: how a report becomes an incident at once, and an alert when it is one.

report, firing alert     -> open                (a report opens what is pending, too)
firing alert             -> pending -> open     when the policy holds back, or wants several
pending -> closed   when it passes by itself: nobody was paged
any other word of alerts -> new                 what is known now may matter to a later one
"""

from __future__ import annotations

from datetime import datetime, timedelta

from core.domain.durations import spoken
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
from core.domain.incident.model import Incident, Status
from core.domain.incident.policies.policy import Policy
from core.domain.incident.severity import severity_of
from core.domain.incident.timeline import Discarded, HeldBack, Noted, Opened, TimelineEvent


def open_by_report(incident: Incident, given: Open, now: datetime) -> list[TimelineEvent]:
    """What an uploaded report makes of a new incident."""
    if incident.status is not Status.NEW:
        return []
    report, policy = given.report, given.policy
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
        document=given.document,
        previous=given.previous or report.follows,
        started_at=started_at,
        event_key=given.event_key,
        policy=policy,
    )
    events: list[TimelineEvent] = [opened]
    if severity is None:
        said = assumed(report.severity, policy.default_severity)
        events.append(Noted(at=now, text=said))
    if report.ignored:
        names = ", ".join(report.ignored)
        events.append(Noted(at=now, text=f"Fields of the report that mean nothing here: {names}"))
    if remark:
        events.append(Noted(at=now, text=f"The report {remark}"))
    return events


def open_by_alert(
    incident: Incident, word: Word, policy: Policy, previous: str | None, now: datetime
) -> list[TimelineEvent]:
    """What the first firing alert makes of a new incident."""
    alert = word.alert
    # The alert's own entry says what had to be assumed.
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
    """When what is pending either opens or is forgotten."""
    pending, policy = incident.pending, incident.policy
    if pending is None:
        return None
    if pending.enough or policy.open_after is None:
        return pending.since + timedelta(seconds=policy.hold_back)
    latest = pending.arrivals[-1] if pending.arrivals else pending.since
    return latest + timedelta(seconds=policy.open_after.within)


def end_pending(incident: Incident, now: datetime) -> list[TimelineEvent]:
    """It lasted: open. Or there were not enough alerts: it was nothing."""
    pending, policy = incident.pending, incident.policy
    if pending is None:
        return []
    rule = policy.open_after
    if rule and not pending.enough:
        came = f"{incident.alerts.fired:,} came, {rule.count:,} within {spoken(rule.within)}"
        return [Discarded(at=now, reason=f"too few alerts: {came} would have been needed")]
    return [opened_from(incident, now)]


def opened_from(incident: Incident, now: datetime) -> Opened:
    """The opening of what is pending."""
    return Opened(at=now, **description_of(incident))


def passes(incident: Incident) -> bool:
    """Whether alerts that are all resolved end what is pending. While alerts are still being
    counted they do not: coming and going is what is counted."""
    pending, policy = incident.pending, incident.policy
    return pending is not None and not (policy.open_after and not pending.enough)
