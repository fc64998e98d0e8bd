"""The alerts of an incident: each is counted, and a bounded number is tracked by fingerprint.

A storm of one alert changes two numbers and a time. Alerts beyond the bound cannot be told apart;
while there are any, nothing may conclude that all alerts are resolved.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from pydantic import AwareDatetime, Field, ValidationError

from core.domain import alert_state
from core.domain.alert import Alert
from core.domain.alert_state import AlertState
from core.domain.severity import Severity
from core.domain.value import Value

MAX_TRACKED: Final = 500
"""How many fingerprints an incident tracks."""

MAX_HELD: Final = 20
"""How many alerts are held at a time; one more fires immediately."""

MEMORY_BYTES: Final = 200_000
"""Bytes of JSON that a run leaves to the next one."""

_FINGERPRINT_CHARS: Final = 120
_HELD_BYTES: Final = 8_000


class AlertCount(Value):
    """One fingerprint: its alert, and how often it fired, was resolved and was held."""

    title: str
    severity: Severity
    firing: bool = True
    fired: int = 0
    cleared: int = 0
    holds: int = 0
    first_at: AwareDatetime
    last_at: AwareDatetime
    links: Mapping[str, str] = Field(default_factory=dict)


class AlertCounts(Value):
    """All alerts of an incident. `distinct` counts fingerprints, also those not tracked.

    `states` are what is known by fingerprint, the one heard of last at the end: of those tracked,
    and of others that are not part of this incident. `held` are alerts that may fire again.
    """

    tracked: Mapping[str, AlertCount] = Field(default_factory=dict)
    states: Mapping[str, AlertState] = Field(default_factory=dict)
    held: Mapping[str, Alert] = Field(default_factory=dict)
    fired: int = 0
    cleared: int = 0
    distinct: int = 0
    holds: int = 0
    """How often an alert was held."""
    untracked: int = 0
    """Firings of fingerprints beyond the bound."""
    truncated: bool = False
    """Whether the source's last delivery left alerts out."""
    recoveries: int = 0
    """How often the last tracked alert that was firing was resolved."""
    last_fired_at: AwareDatetime | None = None
    worst: Severity | None = None

    @property
    def firing(self) -> int:
        """How many tracked fingerprints are firing."""
        return sum(1 for alert in self.tracked.values() if alert.firing)

    @property
    def incomplete(self) -> bool:
        """Whether alerts of this incident may have been left out of the last delivery. With one
        fingerprint, what was left out belongs to other incidents."""
        return self.truncated and self.distinct > 1

    @property
    def all_clear(self) -> bool:
        """Whether alerts have fired, and certainly none does any more, or may do yet."""
        unsure = self.untracked or self.incomplete or self.held
        return bool(self.fired and not self.firing and not unsure)

    @property
    def settling(self) -> list[datetime]:
        """When each of the alerts that are held counts as true."""
        moments = (self.states[name].held_until for name in self.held)
        return [moment for moment in moments if moment]

    @property
    def can_hold(self) -> bool:
        """Whether there is room to hold one more alert."""
        return len(self.held) < MAX_HELD


def fingerprint_of(key: str) -> str:
    """The fingerprint of an alert's key: the key, or for a long one its head and a digest."""
    if len(key) <= _FINGERPRINT_CHARS:
        return key
    return f"{key[: _FINGERPRINT_CHARS - 25]}~{digest(key)}"


def digest(text: str) -> str:
    """24 characters that identify a text of any length."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:24]


def fired(
    counts: AlertCounts,
    fingerprint: str,
    state: AlertState,
    *,
    title: str,
    severity: Severity,
    links: Mapping[str, str],
    truncated: bool,
    at: datetime,
) -> AlertCounts:
    """The counts after the source said once more that an alert fires."""
    worst = counts.worst is None or severity.is_worse_than(counts.worst)
    counts = _with_state(counts, fingerprint, state).model_copy(
        update={
            "fired": counts.fired + 1,
            "truncated": truncated,
            "last_fired_at": at,
            "worst": severity if worst else counts.worst,
        }
    )
    known = counts.tracked.get(fingerprint)
    if known is None:
        counts = counts.model_copy(update={"distinct": counts.distinct + 1})
        if fingerprint not in counts.states:
            return counts.model_copy(update={"untracked": counts.untracked + 1})
        known = AlertCount(title=title, severity=severity, first_at=at, last_at=at)
    return _with_count(
        counts,
        fingerprint,
        known,
        title=title,
        severity=severity,
        links=links,
        firing=True,
        fired=known.fired + 1,
        last_at=at,
    )


def cleared(
    counts: AlertCounts, fingerprint: str, state: AlertState, *, truncated: bool, at: datetime
) -> AlertCounts:
    """The counts after the source said that one is resolved."""
    after = _with_state(counts, fingerprint, state).model_copy(
        update={"cleared": counts.cleared + 1, "truncated": truncated}
    )
    known = after.tracked.get(fingerprint)
    if known is None:
        return after
    after = _with_count(
        after, fingerprint, known, firing=False, cleared=known.cleared + 1, last_at=at
    )
    if known.firing and not after.firing:
        return after.model_copy(update={"recoveries": counts.recoveries + 1})
    return after


def settling(
    counts: AlertCounts, fingerprint: str, state: AlertState, alert: Alert, *, at: datetime
) -> AlertCounts:
    """The counts while it is not known yet whether an alert fires again."""
    after = _with_state(counts, fingerprint, state)
    if known := after.tracked.get(fingerprint):
        after = _with_count(after, fingerprint, known, holds=known.holds + 1)
    if len(alert.model_dump_json().encode()) > _HELD_BYTES:
        alert = alert.model_copy(update={"labels": {}, "links": {}, "remarks": ()})
    return after.model_copy(
        update={
            "held": {**after.held, fingerprint: alert},
            "holds": counts.holds + 1,
            "truncated": alert.truncated > 0,
            "last_fired_at": at,
        }
    )


def heard(
    counts: AlertCounts, fingerprint: str, state: AlertState, *, truncated: bool
) -> AlertCounts:
    """The counts after a word that changes at most what is known of an alert."""
    return _with_state(counts, fingerprint, state).model_copy(update={"truncated": truncated})


def dismissed(counts: AlertCounts) -> AlertCounts:
    """The counts after the incident ended, whatever its sources say."""
    states = {name: alert_state.dismiss(state) for name, state in counts.states.items()}
    return counts.model_copy(update={"states": states, "held": {}, "untracked": 0})


def taken_up(counts: AlertCounts) -> AlertCounts:
    """The counts after the incident was opened again: what fires on belongs to it again."""
    states = {
        name: state.model_copy(update={"dismissed": False})
        if state.dismissed and name in counts.tracked
        else state
        for name, state in counts.states.items()
    }
    return counts.model_copy(update={"states": states})


def remembered(counts: AlertCounts) -> AlertCounts:
    """What the next incident under the same key begins with."""
    return AlertCounts(states=counts.states, held=counts.held)


def memory(counts: AlertCounts) -> dict[str, Any]:
    """The states as JSON, for the next run under the same key: as many of those heard of last as
    fit into `MEMORY_BYTES`."""
    kept: dict[str, Any] = {}
    size = 0
    for name, state in reversed(list(counts.states.items())):
        value = alert_state.dismiss(state).model_dump(mode="json", exclude_defaults=True)
        size += len(json.dumps({name: value}))
        if size > MEMORY_BYTES:
            break
        kept[name] = value
    return dict(reversed(list(kept.items())))


def from_memory(value: object) -> dict[str, AlertState]:
    """The states that a memory holds; what cannot be read is left out."""
    if not isinstance(value, Mapping):
        return {}
    states = {}
    for name, state in list(value.items())[-MAX_TRACKED:]:
        with suppress(ValidationError):
            states[str(name)] = AlertState.model_validate(state)
    return states


def _with_state(counts: AlertCounts, fingerprint: str, state: AlertState) -> AlertCounts:
    """The counts with that state; unchanged where there is no room for one more."""
    if fingerprint not in counts.states and len(counts.states) >= MAX_TRACKED:
        counts = _with_room(counts)
        if len(counts.states) >= MAX_TRACKED:
            return counts
    others = {name: known for name, known in counts.states.items() if name != fingerprint}
    changes: dict[str, Any] = {"states": {**others, fingerprint: state}}
    if fingerprint in counts.held and state.held_until is None:
        changes["held"] = {name: a for name, a in counts.held.items() if name != fingerprint}
    return counts.model_copy(update=changes)


def _with_count(
    counts: AlertCounts, fingerprint: str, known: AlertCount, **changes: Any
) -> AlertCounts:
    tracked = {**counts.tracked, fingerprint: known.model_copy(update=changes)}
    return counts.model_copy(update={"tracked": tracked})


def _with_room(counts: AlertCounts) -> AlertCounts:
    """Without that half of what neither fires nor is held that was heard of longest ago."""
    idle = [
        name
        for name, state in counts.states.items()
        if (state.dismissed or not state.firing) and state.held_until is None
    ]
    forgotten = set(idle[: (len(idle) + 1) // 2])
    return counts.model_copy(
        update={
            "states": {n: state for n, state in counts.states.items() if n not in forgotten},
            "tracked": {n: count for n, count in counts.tracked.items() if n not in forgotten},
        }
    )
