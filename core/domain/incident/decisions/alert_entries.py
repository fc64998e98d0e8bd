"""Alerts as timeline entries: each is counted, and few enough are visible to be read.

The first, tenth, hundredth, ... firing of a fingerprint is visible if it is at least a hundredth of
the incident's firings by then; so is every firing that is the tenth, hundredth, ... of them all.
100,000 alerts make about a hundred lines. Late alerts are not visible.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Final, NamedTuple

from core.domain.alert import Alert
from core.domain.alert_state import CLOCKS_APART, AlertState
from core.domain.command import SOURCE_PREFIX
from core.domain.event import encode
from core.domain.incident.model import Incident
from core.domain.incident.policies.policy import Policy
from core.domain.incident.timeline import (
    AlertCleared,
    AlertFired,
    AlertHeard,
    AlertHeld,
    Noted,
    TimelineEvent,
)
from core.domain.severity import Severity, severity_of
from core.domain.text import shortened

_TITLE_CHARS: Final = 120
_LINKS_BYTES: Final = 500
"""Bytes of JSON of the links that are kept for each alert."""


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


class Word(NamedTuple):
    """An alert as it arrived, with its state before and after."""

    alert: Alert
    fingerprint: str
    before: AlertState
    after: AlertState

    @property
    def truncated(self) -> bool:
        return self.alert.truncated > 0

    @property
    def title(self) -> str:
        return shortened(self.alert.title, _TITLE_CHARS)


def alert_fired(incident: Incident, word: Word, now: datetime) -> AlertFired:
    """The entry for one more firing."""
    alert, counts = word.alert, incident.alerts
    known = counts.tracked.get(word.fingerprint)
    count, total = (known.fired if known else 0) + 1, counts.fired + 1
    severity, guess = severity_for(alert, incident.policy)
    starts_at, future = plausible(alert.starts_at, now)
    remarks = [*alert.remarks]
    remarks += [f"it {future}"] if future else []
    remarks += [guess] if guess else []
    arrived = _is_new(word)
    return AlertFired(
        at=now,
        actor=source_actor(alert),
        visible=_is_visible(count, total),
        fingerprint=word.fingerprint,
        state=word.after,
        title=word.title,
        severity=severity,
        links=_kept(alert.links),
        starts_at=starts_at,
        count=count,
        total=total,
        truncated=word.truncated,
        arrived=arrived,
        enough=_enough(incident, now, arrived),
        remarks=tuple(remarks),
    )


def alert_cleared(incident: Incident, word: Word, now: datetime) -> AlertCleared:
    """The entry for an alert that its source reports as resolved."""
    counts = incident.alerts
    known = counts.tracked.get(word.fingerprint)
    count = (known.cleared if known else 0) + 1
    return AlertCleared(
        at=now,
        actor=source_actor(word.alert),
        visible=_is_visible(count, counts.cleared + 1),
        fingerprint=word.fingerprint,
        state=word.after,
        title=word.title,
        count=count,
        truncated=word.truncated,
        remarks=word.alert.remarks,
    )


def alert_held(incident: Incident, word: Word, now: datetime) -> list[TimelineEvent]:
    """The entry for an alert that fires again if nothing else is heard, and the remark that says
    so. Replicas may disagree for as long as they run, so there is one as seldom as for repeats."""
    counts = incident.alerts
    known, total = counts.tracked.get(word.fingerprint), counts.holds + 1
    held = AlertHeld(
        at=now,
        actor=source_actor(word.alert),
        fingerprint=word.fingerprint,
        state=word.after,
        alert=word.alert,
        truncated=word.truncated,
    )
    if not (_is_visible(known.holds + 1, total) if known else is_round(total)):
        return [held]
    return [held, Noted(at=now, actor=held.actor, text=held.sentence())]


def alert_heard(word: Word, now: datetime) -> AlertHeard:
    """The entry for an alert that changes at most its state."""
    return AlertHeard(
        at=now,
        actor=source_actor(word.alert),
        fingerprint=word.fingerprint,
        state=word.after,
        title=word.title,
        truncated=word.truncated,
    )


def _is_new(word: Word) -> bool:
    """Whether it is another firing than the one that is known, as far as its times tell."""
    start, known = word.alert.starts_at, word.before
    return start is None or known.fired_at is None or not known.firing or start > known.fired_at


def _kept(links: Mapping[str, str]) -> Mapping[str, str]:
    """The first links, as many as fit into the state of an incident with many alerts."""
    sizes = accumulate(len(encode({name: address})) for name, address in links.items())
    return {
        name: links[name] for name, size in zip(links, sizes, strict=True) if size <= _LINKS_BYTES
    }


def _enough(incident: Incident, now: datetime, arrived: bool) -> bool:
    """Whether what is pending has, with an alert at `now`, all the alerts that its policy wants."""
    pending, rule = incident.pending, incident.policy.open_after
    if pending is None or rule is None or pending.enough:
        return True
    if not arrived:
        return False
    arrivals = (*pending.arrivals, now)[-rule.count :]
    return len(arrivals) == rule.count and now - arrivals[0] <= timedelta(seconds=rule.within)


def _is_visible(count: int, total: int) -> bool:
    return (is_round(count) and count * 100 >= total) or is_round(total)


def is_round(number: int) -> bool:
    """1, 10, 100, ..."""
    return str(number).rstrip("0") == "1"
