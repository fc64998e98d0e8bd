"""The policy of one incident: what holds for it from its opening to its end.

It is chosen from `policies` when the incident begins and recorded with it, so that a changed file
never changes a running incident. Durations are in seconds. Targets are named, never addressed:
their addresses hold secrets, and all of this is recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from pydantic import Field

from core.domain.incident.policies.windows import Hours, Span, Zone
from core.domain.incident.severity import DEFAULT, Severity
from core.domain.value import Value

YEAR: Final = 365 * 86_400.0
HOUR: Final = 3600.0
MINUTE: Final = 60.0


class Recurrence(StrEnum):
    """What an alert for a resolved incident does while its reopen window lasts."""

    REOPEN = "reopen"
    NEW = "new"


class PolicyTarget(Value):
    """One target by name, and those to try in this order when it cannot be reached."""

    name: str
    fallback: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    """The environment variables that its address is read from."""


class Level(Value):
    """Whom to page `after` so many seconds without an acknowledgement."""

    after: float = Field(ge=0)
    targets: tuple[PolicyTarget, ...] = ()
    missing: tuple[str, ...] = ()
    """What to say of targets that turned out to have no address."""


class OpenAfter(Value):
    """So many alerts within so many seconds make an incident; fewer do not."""

    count: int = Field(ge=1, le=100)
    within: float = Field(gt=0)


class QuietHours(Value):
    """Hours in which nobody is paged, but for what is at least as bad as `unless`."""

    time_zone: Zone
    hours: tuple[Hours, ...]
    unless: Severity | None = None


class Silence(Value):
    """A span in which nobody is paged for incidents of these severities (all, when none is
    named); service and labels were matched when the policy was chosen."""

    name: str
    span: Span
    severities: tuple[Severity, ...] = ()


class Maintenance(Value):
    """The same for hours that come back every week."""

    name: str
    time_zone: Zone
    hours: tuple[Hours, ...]
    severities: tuple[Severity, ...] = ()


class Hold(NamedTuple):
    """Why nobody is paged now, and until when that reason lasts."""

    reason: str
    until: datetime


class Policy(Value):
    """All rules for one incident. `None` switches a rule off."""

    name: str = "default"
    levels: tuple[Level, ...] = ()
    repeats: int = 0
    """How often the levels are gone through again while nobody acknowledges."""
    repeat_after: float = 0
    """How long after the last level the next round begins."""
    repage_every: float | None = None
    """How often the level reached is paged again while nobody acknowledges."""
    acknowledgement_timeout: float | None = None
    """How long an acknowledgement counts before the incident is open again."""
    quiet_hours: QuietHours | None = None
    silences: tuple[Silence, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    auto_resolve_acknowledged: bool = True
    """Whether an incident that somebody has resolves when its source says so."""
    reopen_window: float = 0
    recurrence: Recurrence = Recurrence.REOPEN
    resolve_if_silent_for: float | None = None
    maximum_age: float | None = YEAR
    hold_back: float = 0
    """How long an alert must last before it opens an incident."""
    open_after: OpenAfter | None = None
    settle: float = MINUTE
    """How long a firing is held that a source's replicas may disagree on."""
    remember_for: float = HOUR
    """How long late words find what a closed incident knew."""
    default_severity: Severity = DEFAULT

    @property
    def memory(self) -> float:
        """How long the workflow stays when there is no incident: also as long as one might have
        waited for a relapse."""
        return max(self.remember_for, self.reopen_window)

    def addressed(self, channels: Mapping[str, Sequence[str]]) -> Policy:
        """The policy with every target's name replaced by those of its channels.

        `channels` gives for each target the names under which it can be paged: none when its
        address is not set, several when it has several addresses. The first channel of a fallback
        target stands for it.
        """

        def spread(level: Level) -> Level:
            targets = [
                PolicyTarget(
                    name=channel,
                    fallback=tuple(
                        other
                        for name in target.fallback
                        for other in channels.get(name, ())[:1]
                        if other != channel
                    ),
                )
                for target in level.targets
                for channel in channels.get(target.name, ()) or _stand_in(target, channels)
            ]
            unique = {target.name: target for target in reversed(targets)}
            missing = [_no_address(t) for t in level.targets if not channels.get(t.name)]
            return level.model_copy(
                update={
                    "targets": tuple(reversed(unique.values())),
                    "missing": tuple(missing),
                }
            )

        return self.model_copy(update={"levels": tuple(map(spread, self.levels))})

    def hold(self, severity: Severity, now: datetime) -> Hold | None:
        """Why an incident of that severity pages nobody at `now`; the longest reason of several."""
        holds = [
            Hold(f"silenced by {silence.name}", until)
            for silence in self.silences
            if _covers(silence.severities, severity) and (until := silence.span.until(now))
        ]
        holds += [
            Hold(f"maintenance {window.name}", until)
            for window in self.maintenance
            if _covers(window.severities, severity)
            and (until := _latest(window.hours, now, window.time_zone))
        ]
        quiet = self.quiet_hours
        if quiet and not (quiet.unless and severity.rank <= quiet.unless.rank):
            until = _latest(quiet.hours, now, quiet.time_zone)
            holds += [Hold("quiet hours", until)] if until else []
        return max(holds, key=lambda hold: hold.until, default=None)


def _no_address(target: PolicyTarget) -> str:
    lacks = f" ({' and '.join(target.variables)} not set)" if target.variables else ""
    return f"{target.name} has no address{lacks}"


def _stand_in(target: PolicyTarget, channels: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """What is paged instead of a target without an address: the first fallback that has one."""
    return next((channels[name][:1] for name in target.fallback if channels.get(name)), ())


def _covers(severities: tuple[Severity, ...], severity: Severity) -> bool:
    return not severities or severity in severities


def _latest(hours: Sequence[Hours], now: datetime, zone: str) -> datetime | None:
    return max((end for part in hours if (end := part.until(now, zone))), default=None)
