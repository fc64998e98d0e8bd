"""Alerts as timeline entries: each is counted, and few enough are visible to be read.

The first, tenth, hundredth, ... firing of a fingerprint is visible if it is at least a hundredth of
the incident's firings by then; so is every firing that is the tenth, hundredth, ... of them all.
100,000 alerts make about a hundred lines.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from core.domain.alert import Alert
from core.domain.incident.alert_counts import fingerprint_of
from core.domain.incident.inputs import AlertReceived
from core.domain.incident.model import Incident
from core.domain.incident.policies.policy import Policy
from core.domain.incident.severity import Severity, severity_of
from core.domain.incident.timeline import SOURCE_PREFIX, AlertCleared, AlertFired
from core.domain.text import shortened

CLOCKS_APART: Final = timedelta(minutes=5)
"""How far a source's clock may be ahead of ours before its times count as in the future."""

_TITLE_CHARS: Final = 120


def source_actor(alert: Alert) -> str:
    """The alert's source as an actor on the timeline."""
    return f"{SOURCE_PREFIX}{alert.source}"


def severity_for(alert: Alert, policy: Policy) -> tuple[Severity, str | None]:
    """The alert's severity, and a remark if it had to be assumed."""
    default = policy.default_severity
    severity = severity_of(alert.severity, alert.source)
    return (severity, None) if severity else (default, assumed(alert.severity, default))


def assumed(severity: str | None, default: Severity) -> str:
    """The remark on a severity that is missing or unknown."""
    reason = f"{severity!r} is not one we know" if severity else "none was given"
    return f"Severity {default} assumed: {reason}"


def plausible(started_at: datetime | None, now: datetime) -> tuple[datetime | None, str | None]:
    """A credible start time, and a remark if the reported one lies in the future."""
    if started_at is None or started_at <= now:
        return started_at, None
    if started_at <= now + CLOCKS_APART:
        return now, None
    return now, f"says that it begins in the future: {started_at:%Y-%m-%d %H:%M:%S %Z}"


def alert_fired(incident: Incident, input: AlertReceived, now: datetime) -> AlertFired:
    """The entry for one more firing."""
    alert, counts = input.alert, incident.alerts
    fingerprint = fingerprint_of(alert.key)
    known = counts.tracked.get(fingerprint)
    count, total = (known.fired if known else 0) + 1, counts.fired + 1
    severity, guess = severity_for(alert, incident.policy)
    starts_at, future = plausible(alert.starts_at, now)
    remarks = [*alert.remarks]
    remarks += [f"it {future}"] if future else []
    remarks += [guess] if guess else []
    return AlertFired(
        at=now,
        actor=source_actor(alert),
        visible=_is_visible(count, total),
        event_key=input.event_key,
        fingerprint=fingerprint,
        title=shortened(alert.title, _TITLE_CHARS),
        severity=severity,
        link=alert.link,
        starts_at=starts_at,
        count=count,
        total=total,
        truncated=alert.truncated > 0,
        enough=_enough(incident, now),
        remarks=tuple(remarks),
    )


def alert_cleared(incident: Incident, input: AlertReceived, now: datetime) -> AlertCleared:
    """The entry for an alert that its source reports as resolved."""
    alert, counts = input.alert, incident.alerts
    fingerprint = fingerprint_of(alert.key)
    known = counts.tracked.get(fingerprint)
    count = (known.cleared if known else 0) + 1
    return AlertCleared(
        at=now,
        actor=source_actor(alert),
        visible=_is_visible(count, counts.cleared + 1),
        event_key=input.event_key,
        fingerprint=fingerprint,
        title=shortened(alert.title, _TITLE_CHARS),
        count=count,
        truncated=alert.truncated > 0,
        remarks=alert.remarks,
    )


def _enough(incident: Incident, now: datetime) -> bool:
    """Whether one more alert at `now` makes as many as the policy requires to open an incident."""
    pending, rule = incident.pending, incident.policy.open_after
    if pending is None or rule is None or pending.enough:
        return True
    arrivals = (*pending.arrivals, now)[-rule.count :]
    return len(arrivals) == rule.count and now - arrivals[0] <= timedelta(seconds=rule.within)


def _is_visible(count: int, total: int) -> bool:
    return (is_round(count) and count * 100 >= total) or is_round(total)


def is_round(number: int) -> bool:
    """1, 10, 100, ..."""
    return str(number).rstrip("0") == "1"
