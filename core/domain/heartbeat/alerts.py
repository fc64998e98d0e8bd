"""The alerts of heartbeats: what the intake is given when one is missed, fails or is heard again.

They are alerts like any other, of the scope `tidegate`: the routing table says which incident they
go to. Their IDs are made of what they say, so that to send one again repeats it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from core.domain.alert import Alert, AlertStatus, event_of
from core.domain.durations import format_duration
from core.domain.event import Event
from core.domain.heartbeat.model import Heartbeat, Notice, Status
from core.domain.heartbeat.names import KEY_PREFIX
from core.domain.severity import Severity
from core.domain.text import shortened

SOURCE: Final = "tidegate"
SCOPE: Final = "tidegate"
WAY: Final = "heartbeat:{name}"
SHARED_KEY: Final = "heartbeats"
"""The key of the alert that no heartbeat is heard."""
LABEL: Final = "heartbeat"
"""The label with the heartbeat's name."""
_OUTPUT_CHARS: Final = 1_000
_SUMMARY_CHARS: Final = 1_900
"""A little less than an alert's summary may have."""


def alert_event(state: Heartbeat, notice: Notice) -> Event:
    """The event of a notice, as it is accepted by the intake."""
    alert = _shared(notice) if notice.alarm is None else _own(state, notice)
    id = f"{alert.key}@{_compact(notice.since)}:{alert.status.value}"
    event = event_of(alert, key=f"tidegate/{id}")
    return replace(
        event,
        id=id,
        subject=alert.key,
        time=(notice.until or notice.since).isoformat(),
        way=WAY.format(name=state.name),
        scope=SCOPE,
    )


def _own(state: Heartbeat, notice: Notice) -> Alert:
    assert notice.alarm is not None  # noqa: S101  # see `alert_event`
    declaration = state.declaration
    return Alert(
        key=f"{KEY_PREFIX}{state.name}",
        status=AlertStatus.RESOLVED if notice.until else AlertStatus.FIRING,
        title=notice.alarm.text,
        source=SOURCE,
        severity=declaration.severity.value if declaration else None,
        service=declaration.service if declaration else None,
        summary=shortened(_summary(state, notice), _SUMMARY_CHARS),
        starts_at=notice.since,
        ends_at=notice.until,
        labels={**(declaration.labels if declaration else {}), LABEL: state.name},
    )


def _shared(notice: Notice) -> Alert:
    return Alert(
        key=SHARED_KEY,
        status=AlertStatus.RESOLVED if notice.until else AlertStatus.FIRING,
        title="No heartbeat is heard: is what receives them down?",
        source=SOURCE,
        severity=Severity.CRITICAL.value,
        summary=(
            f"Heartbeats that are expected have not been heard since {_shown(notice.since)}. As "
            "long as none is, none of them alarms by itself. See whether the webhooks can be "
            "reached (`tidegate smoke`, `tidegate doctor`), and what the heartbeats have in common."
        ),
        starts_at=notice.since,
        ends_at=notice.until,
    )


def _summary(state: Heartbeat, notice: Notice) -> str:
    """What the person who is paged should know of it."""
    declaration, beat = state.declaration, state.beat
    parts = [declaration.description] if declaration and declaration.description else []
    if declaration:
        grace = format_duration(declaration.grace)
        parts.append(f"Expected: {declaration.text()}, with a grace of {grace}.")
    parts.append(f"Last heard: {_shown(beat.at)}." if beat else "Never heard.")
    if notice.alarm and notice.alarm.status is Status.FAILED and beat and not notice.until:
        if beat.duration is not None:
            parts.append(f"It ran for {format_duration(beat.duration)}.")
        if beat.output:
            parts.append(f"The end of its output:\n{beat.output[-_OUTPUT_CHARS:]}")
    return "\n".join(parts)


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _compact(moment: datetime) -> str:
    return f"{moment:%Y%m%dT%H%M%S}.{moment.microsecond // 1000:03}Z"
