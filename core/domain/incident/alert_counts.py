"""The alerts of an incident: each is counted, and a bounded number is tracked by fingerprint.

A storm of one alert changes two numbers and a time. Alerts beyond the bound cannot be told apart;
while there are any, nothing may conclude that all alerts are resolved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from pydantic import AwareDatetime, Field

from core.domain.incident.severity import Severity
from core.domain.value import Value

MAX_TRACKED: Final = 500
"""How many fingerprints an incident tracks."""

_FINGERPRINT_CHARS: Final = 120


class AlertCount(Value):
    """One fingerprint: its alert, and how often it fired and was resolved."""

    title: str
    severity: Severity
    firing: bool = True
    fired: int = 0
    cleared: int = 0
    first_at: AwareDatetime
    last_at: AwareDatetime
    link: str | None = None


class AlertCounts(Value):
    """All alerts of an incident. `distinct` counts fingerprints, also those not tracked."""

    tracked: Mapping[str, AlertCount] = Field(default_factory=dict)
    fired: int = 0
    cleared: int = 0
    distinct: int = 0
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
    def all_clear(self) -> bool:
        """Whether alerts have fired and certainly none is firing now."""
        return bool(self.fired and not self.firing and not self.untracked and not self.truncated)


def fingerprint_of(key: str) -> str:
    """The fingerprint of an alert's key: the key, or for a long one its head and a digest."""
    if len(key) <= _FINGERPRINT_CHARS:
        return key
    return f"{key[: _FINGERPRINT_CHARS - 17]}~{digest(key)}"


def digest(text: str) -> str:
    """Sixteen characters that identify a text of any length."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]


def fired(
    counts: AlertCounts,
    fingerprint: str,
    *,
    title: str,
    severity: Severity,
    link: str | None,
    truncated: bool,
    at: datetime,
) -> AlertCounts:
    """The counts after one more firing."""
    known = counts.tracked.get(fingerprint)
    worst = (
        severity if counts.worst is None or severity.is_worse_than(counts.worst) else counts.worst
    )
    changes = {
        "fired": counts.fired + 1,
        "truncated": truncated,
        "last_fired_at": at,
        "worst": worst,
    }
    tracked = counts.tracked
    if known is None:
        changes["distinct"] = counts.distinct + 1
        if len(tracked) >= MAX_TRACKED:
            tracked = _with_room(tracked)
        if len(tracked) >= MAX_TRACKED:
            return counts.model_copy(update={**changes, "untracked": counts.untracked + 1})
        known = AlertCount(title=title, severity=severity, first_at=at, last_at=at)
    now = known.model_copy(
        update={
            "title": title,
            "severity": severity,
            "link": link,
            "firing": True,
            "fired": known.fired + 1,
            "last_at": at,
        }
    )
    return counts.model_copy(update={**changes, "tracked": {**tracked, fingerprint: now}})


def cleared(counts: AlertCounts, fingerprint: str, *, truncated: bool, at: datetime) -> AlertCounts:
    """The counts after the source reported one alert as resolved."""
    changes = {"cleared": counts.cleared + 1, "truncated": truncated}
    known = counts.tracked.get(fingerprint)
    if known is None:
        return counts.model_copy(update=changes)
    now = known.model_copy(update={"firing": False, "cleared": known.cleared + 1, "last_at": at})
    after = counts.model_copy(update={**changes, "tracked": {**counts.tracked, fingerprint: now}})
    if known.firing and not after.firing:
        return after.model_copy(update={"recoveries": counts.recoveries + 1})
    return after


def _with_room(tracked: Mapping[str, AlertCount]) -> Mapping[str, AlertCount]:
    """The alerts to keep: of the resolved ones, the half reported longest ago is dropped."""
    resolved = [(alert.last_at, name) for name, alert in tracked.items() if not alert.firing]
    forgotten = {name for _, name in sorted(resolved)[: (len(resolved) + 1) // 2]}
    return {name: alert for name, alert in tracked.items() if name not in forgotten}
