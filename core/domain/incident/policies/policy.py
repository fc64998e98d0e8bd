"""The policy of one incident, from its opening to its end.

It is chosen from the policies file when the incident begins and recorded with it, so that a changed
file never changes a running incident. Durations are in seconds. Targets have names and no
addresses, because addresses hold secrets and all of this is recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from pydantic import Field

from core.domain.oncall.answer import Recipient
from core.domain.severity import DEFAULT, Severity
from core.domain.value import Value
from core.domain.windows import Hours, Silence, Zone

YEAR: Final = 365 * 86_400.0
HOUR: Final = 3600.0
MINUTE: Final = 60.0


class Recurrence(StrEnum):
    """What an alert for a resolved incident does while its reopen window lasts."""

    REOPEN = "reopen"
    NEW = "new"


class PolicyTarget(Value):
    """One target by name, and those to try, in this order, if it cannot be reached."""

    name: str
    fallback: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    """The environment variables that its address is read from."""


class Level(Value):
    """Whom to page, `after` so many seconds without an acknowledgement."""

    after: float = Field(ge=0)
    targets: tuple[PolicyTarget, ...] = ()
    recipients: tuple[Recipient, ...] = ()
    """Schedules, people and teams: who that is, is asked when the level is paged."""
    missing: tuple[str, ...] = ()
    """Remarks on targets that have no address."""

    @property
    def names(self) -> tuple[str, ...]:
        """Whom it pages, as people call them."""
        return (*(target.name for target in self.targets), *map(str, self.recipients))


class OpenAfter(Value):
    """An incident opens after so many alerts within so many seconds."""

    count: int = Field(ge=1, le=100)
    within: float = Field(gt=0)


class QuietHours(Value):
    """Hours in which nobody is paged, except for severities of `unless` and worse."""

    time_zone: Zone
    hours: tuple[Hours, ...]
    unless: Severity | None = None


class Maintenance(Value):
    """The same for some hours of every week."""

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
    """How often all levels are paged again while nobody acknowledges."""
    repeat_after: float = 0
    """How long after the last level the next round begins."""
    repage_every: float | None = None
    """How often the level reached is paged again meanwhile."""
    acknowledgement_timeout: float | None = None
    """How long an acknowledgement lasts before the incident is open again."""
    quiet_hours: QuietHours | None = None
    silences: tuple[Silence, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    auto_resolve_acknowledged: bool = True
    """Whether an acknowledged incident resolves when its source says so."""
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
    reachable: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    """The addresses of every target that has one, by its name: whom an assignment is told."""

    @property
    def memory(self) -> float:
        """How long the workflow stays when there is no incident: also as long as one might have
        waited for a relapse."""
        return max(self.remember_for, self.reopen_window)

    def addressed(self, channels: Mapping[str, Sequence[str]]) -> Policy:
        """The policy with each target's name replaced by those of its addresses.

        `channels` has for each target the names under which it can be paged: none if its address
        is not set, several if it has several addresses. A fallback is paged under its first name.
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

        reachable = {name: tuple(addresses) for name, addresses in channels.items() if addresses}
        return self.model_copy(
            update={"levels": tuple(map(spread, self.levels)), "reachable": reachable}
        )

    def addresses_of(self, person: str) -> tuple[str, ...]:
        """The addresses of the target that is named like a person, in any case; none if there is no
        such target."""
        return self.reachable.get(person.strip().lower(), ())

    def hold(
        self, severity: Severity, now: datetime, silences: Sequence[Silence] = ()
    ) -> Hold | None:
        """Why an incident of that severity pages nobody at `now`: the reason that lasts longest.
        `silences` are those that were added since the policy was chosen."""
        holds = [
            Hold(f"silenced by {silence.name}", until)
            for silence in (*self.silences, *silences)
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
    """What is paged instead of a target without an address: its first fallback that has one."""
    return next((channels[name][:1] for name in target.fallback if channels.get(name)), ())


def _covers(severities: tuple[Severity, ...], severity: Severity) -> bool:
    return not severities or severity in severities


def _latest(hours: Sequence[Hours], now: datetime, zone: str) -> datetime | None:
    return max((end for part in hours if (end := part.until(now, zone))), default=None)
