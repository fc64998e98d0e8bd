"""One policy of the policies file: its levels and the rules beside them, as people write them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from core.domain.durations import Delay, Duration
from core.domain.incident.policies.policy import (
    Level,
    OpenAfter,
    Policy,
    PolicyTarget,
    QuietHours,
    Recurrence,
)
from core.domain.matching import Location, Match, Name, Problem, Strict, repeated
from core.domain.oncall.answer import Recipient, RecipientKind, TeamMode
from core.domain.oncall.file import OnCallFile
from core.domain.severity import Severity
from core.domain.targets import TargetConfig, undefined
from core.domain.windows import HoursRule, Zone, overlaps

ACK_TIMEOUT_VARIABLE: Final = "TIDEGATE_ACK_TIMEOUT"
"""The setting that may stand for a level's delay."""

_SHORTEST_REPAGE: Final = timedelta(seconds=30)


class TeamRule(Strict):
    """A team, and who of it is paged."""

    name: Name
    mode: TeamMode = Field(
        TeamMode.ALL, description="`round_robin`: one member, the next for each incident."
    )


def _team(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


def _listed(value: object) -> object:
    return value if isinstance(value, list) else [value]


Names = Annotated[list[Name], BeforeValidator(_listed, json_schema_input_type=Name | list[Name])]
_Team = Annotated[TeamRule, BeforeValidator(_team, json_schema_input_type=Name | TeamRule)]
Teams = Annotated[
    list[_Team],
    BeforeValidator(_listed, json_schema_input_type=Name | TeamRule | list[Name | TeamRule]),
]


class LevelRule(Strict):
    """Whom to page after how long: targets, and who is on call."""

    after: Literal["TIDEGATE_ACK_TIMEOUT"] | Delay = Field(
        description="How long after the opening, while nobody has acknowledged: a duration like "
        "0s or 5m, or TIDEGATE_ACK_TIMEOUT for that setting."
    )
    targets: list[Name] = Field(default=[], max_length=20, description="All of them are paged.")
    schedule: Names = Field(
        default=[], max_length=20, description="Whoever is on call for these schedules."
    )
    person: Names = Field(default=[], max_length=20, description="People of the on-call file.")
    team: Teams = Field(default=[], max_length=20, description="Teams of the on-call file.")

    @model_validator(mode="after")
    def _pages_somebody(self) -> Self:
        if not (self.targets or self.schedule or self.person or self.team):
            raise ValueError("it pages nobody: it has no targets, schedule, person or team")
        return self

    @field_validator("after", mode="wrap")
    @classmethod
    def _setting_or_delay(cls, value: Any, handler: Any) -> Any:
        try:
            return handler(value)
        except ValidationError:
            raise ValueError(
                f"not a duration like 0s, 30s or 5m, nor {ACK_TIMEOUT_VARIABLE}"
            ) from None

    @property
    def recipients(self) -> tuple[Recipient, ...]:
        """Its schedules, people and teams."""
        return (
            *(Recipient(kind=RecipientKind.SCHEDULE, name=name) for name in self.schedule),
            *(Recipient(kind=RecipientKind.PERSON, name=name) for name in self.person),
            *(
                Recipient(kind=RecipientKind.TEAM, name=team.name, mode=team.mode)
                for team in self.team
            ),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Whom it pages, as people call them."""
        return (*self.targets, *map(str, self.recipients))

    @property
    def listed(self) -> tuple[str, ...]:
        """Whom it pages, and of which team one member in turn."""
        return (
            *self.targets,
            *(
                f"{each}, in turns" if each.mode is TeamMode.ROUND_ROBIN else str(each)
                for each in self.recipients
            ),
        )

    def seconds(self, ack_timeout: float) -> float:
        return self.after.total_seconds() if isinstance(self.after, timedelta) else ack_timeout


class QuietRule(Strict):
    """Hours in which nobody is paged."""

    time_zone: Zone
    hours: list[HoursRule] = Field(min_length=1, max_length=20)
    unless: Severity | None = Field(
        None, description="Incidents of this severity and worse are paged all the same."
    )


class OpenAfterRule(Strict):
    """Several alerts make an incident."""

    count: int = Field(ge=2, le=100)
    within: Duration


class PolicyRule(Strict):
    """One policy."""

    name: Name
    description: str = ""
    match: Match | None = Field(
        None, description="Which incidents it is for; the last policy is for all others."
    )
    levels: list[LevelRule] = Field(min_length=1, max_length=20)
    repeats: int = Field(
        0,
        ge=0,
        le=100,
        description="How often all levels are paged again.",
    )
    repeat_after: Duration | None = Field(
        None, description="How long after the last level the first one is paged again."
    )
    repage_every: Duration | None = Field(
        None, description="How often the level reached is paged again meanwhile."
    )
    acknowledgement_timeout: Duration | None = Field(
        None, description="How long an acknowledgement lasts; then paging starts again."
    )
    quiet_hours: QuietRule | None = None
    auto_resolve_acknowledged: bool = Field(
        True, description="Whether an acknowledged incident resolves when its alerts do."
    )
    reopen_window: Delay = Field(
        timedelta(0), description="How long a resolved incident waits before it closes."
    )
    recurrence: Recurrence = Field(
        Recurrence.REOPEN, description="What an alert within the reopen window does."
    )
    resolve_if_silent_for: Duration | None = Field(
        None, description="An incident of alerts resolves when none has fired for so long."
    )
    maximum_age: Duration = Field(
        timedelta(days=365), description="An incident that gets older is closed as cancelled."
    )
    hold_back: Delay = Field(
        timedelta(0), description="How long an alert must last before it opens an incident."
    )
    open_after: OpenAfterRule | None = Field(
        None, description="Fewer alerts than this open no incident."
    )
    settle: Delay = Field(
        timedelta(minutes=1),
        description="How long a firing is held that a source's replicas may disagree on.",
    )
    remember_for: Delay = Field(
        timedelta(hours=1),
        description="How long late and repeated words find what a closed incident knew; at least "
        "the reopen window.",
    )

    def problems(
        self, targets: Mapping[str, TargetConfig], oncall: OnCallFile
    ) -> Iterator[Problem]:
        """What is wrong with the policy, and where."""
        for number, level in enumerate(self.levels):
            yield from undefined(("levels", number, "targets"), level.targets, targets)
            for place, what in _not_on_call(level, oncall):
                yield (("levels", number, *place), what)
            teams = [team.name for team in level.team]
            named = {
                "targets": level.targets,
                "schedule": level.schedule,
                "person": level.person,
                "team": teams,
            }
            for field, names in named.items():
                yield from _twice(("levels", number, field), names)
        delays = [(n, level.after) for n, level in enumerate(self.levels)]
        known = [(n, delay) for n, delay in delays if isinstance(delay, timedelta)]
        for (_, before), (number, after) in pairwise(known):
            if after <= before:
                yield (("levels", number, "after"), "it is not later than the level before")
        for number, delay in delays[1:]:
            if delay == timedelta(0):
                yield (("levels", number, "after"), "only the first level is paged immediately")
        if len([delay for _, delay in delays if not isinstance(delay, timedelta)]) > 1:
            yield (("levels",), f"two levels wait for {ACK_TIMEOUT_VARIABLE}")
        if self.repeats and self.repeat_after is None:
            yield (("repeats",), "`repeat_after` must say how long after the last level")
        if self.repeat_after and not self.repeats:
            yield (("repeat_after",), "it means nothing without `repeats`")
        if self.repage_every and self.repage_every < _SHORTEST_REPAGE:
            yield (("repage_every",), "nobody can answer more often than every 30s")
        if self.reopen_window > timedelta(days=30):
            yield (("reopen_window",), "it is longer than 30d")
        if self.settle > timedelta(hours=1):
            yield (("settle",), "it is longer than 1h: so long nobody is paged")
        if self.remember_for > timedelta(days=30):
            yield (("remember_for",), "it is longer than 30d")
        for field in ("hold_back", "acknowledgement_timeout", "resolve_if_silent_for"):
            value = getattr(self, field)
            if value and value >= self.maximum_age:
                yield ((field,), "it is not shorter than the maximum age")
        if self.quiet_hours:
            for number, problem in overlaps(self.quiet_hours.hours):
                yield (("quiet_hours", "hours", number), problem)
            if self.quiet_hours.unless is Severity.INFO:
                yield (("quiet_hours", "unless"), "then every incident is paged in quiet hours")

    def recorded(self, ack_timeout: float) -> Policy:
        """The policy as incidents carry it, without silences and fallbacks."""
        quiet, rule = self.quiet_hours, self.open_after
        return Policy(
            name=self.name,
            levels=tuple(
                Level(
                    after=level.seconds(ack_timeout),
                    targets=tuple(PolicyTarget(name=name) for name in level.targets),
                    recipients=level.recipients,
                )
                for level in sorted(self.levels, key=lambda level: level.seconds(ack_timeout))
            ),
            repeats=self.repeats,
            repeat_after=_seconds(self.repeat_after) or 0,
            repage_every=_seconds(self.repage_every),
            acknowledgement_timeout=_seconds(self.acknowledgement_timeout),
            quiet_hours=QuietHours(
                time_zone=quiet.time_zone,
                hours=tuple(hours.recorded() for hours in quiet.hours),
                unless=quiet.unless,
            )
            if quiet
            else None,
            auto_resolve_acknowledged=self.auto_resolve_acknowledged,
            reopen_window=self.reopen_window.total_seconds(),
            recurrence=self.recurrence,
            resolve_if_silent_for=_seconds(self.resolve_if_silent_for),
            maximum_age=self.maximum_age.total_seconds(),
            hold_back=self.hold_back.total_seconds(),
            open_after=OpenAfter(count=rule.count, within=rule.within.total_seconds())
            if rule
            else None,
            settle=self.settle.total_seconds(),
            remember_for=self.remember_for.total_seconds(),
        )


def _not_on_call(level: LevelRule, oncall: OnCallFile) -> Iterator[Problem]:
    """Names that the on-call file does not have."""
    teams = [team.name for team in level.team]
    kinds: Sequence[tuple[str, Sequence[str], Collection[str]]] = (
        ("schedule", level.schedule, oncall.schedules),
        ("person", level.person, oncall.people),
        ("team", teams, oncall.teams),
    )
    for kind, names, known in kinds:
        for number, name in enumerate(names):
            if name not in known:
                there = f"there are {', '.join(known)}" if known else f"it has no {kind}"
                what = f"there is no {kind} {name!r} in the on-call file; {there}"
                yield ((kind, number), what)


def _twice(place: Location, names: Sequence[str]) -> Iterator[Problem]:
    for number, name in repeated(names):
        yield ((*place, number), f"{name} is there twice")


def _seconds(duration: timedelta | None) -> float | None:
    return duration.total_seconds() if duration is not None else None
