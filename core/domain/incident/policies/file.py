"""The policies file as data: which policy an incident gets, and what each policy says.

    targets        places to page, by name
    policies       an incident gets the first whose `match` fits; the last one fits all
    silences       times without pages, for what they match
    maintenance    weekly hours without pages, for what they match
    severities     the severity of alerts whose source gives none, or an unknown one

Everything is checked when the file is loaded, against the on-call file in the validation context.
`choose` makes the `Policy` that incidents carry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Self

from pydantic import (
    AwareDatetime,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from core.domain.incident.policies.policy import Level, Maintenance, Policy, PolicyTarget
from core.domain.incident.policies.rules import PolicyRule
from core.domain.matching import Match, Misfit, Name, Problem, Strict, repeated
from core.domain.oncall.file import NOBODY, ONCALL, OnCallFile
from core.domain.severity import DEFAULT, Severity, severity_of
from core.domain.targets import TargetConfig, undefined
from core.domain.value import Value
from core.domain.windows import HoursRule, Silence, Span, Zone, overlaps


class SilenceRule(Strict):
    """Nobody is paged for what it matches, from one moment to another."""

    name: Name
    description: str = ""
    match: Match
    start: AwareDatetime = Field(alias="from")
    until: AwareDatetime

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        if self.until <= self.start:
            raise ValueError("`until` is not after `from`")
        return self


class MaintenanceRule(Strict):
    """Nobody is paged for what it matches, in some hours of every week."""

    name: Name
    description: str = ""
    match: Match
    time_zone: Zone
    hours: list[HoursRule] = Field(min_length=1, max_length=20)


class SeverityRule(Strict):
    """The severity of alerts whose source gives none, or an unknown one."""

    match: Match
    severity: Severity

    @field_validator("match")
    @classmethod
    def _not_by_severity(cls, match: Match) -> Match:
        if match.severity is not None:
            raise ValueError("there is no severity yet to match by")
        return match


class Facts(Value):
    """What the choice of a policy depends on. `severity` is in the words of `source`, if any."""

    severity: str | None = None
    source: str | None = None
    service: str | None = None
    labels: Mapping[str, str] = Field(default_factory=dict)


class Policies(Strict):
    """The whole file."""

    version: Literal[1]
    default_severity: Severity = Field(
        DEFAULT, description="The severity of an incident whose own is missing or unknown."
    )
    severities: list[SeverityRule] = Field(
        default=[], max_length=200, description="The same for some alerts; the first match counts."
    )
    targets: dict[Name, TargetConfig] = Field(
        default={}, description="Places to page; none where only people are paged."
    )
    policies: list[PolicyRule] = Field(
        min_length=1,
        description="The first that matches; the last one has no `match` and matches all.",
    )
    silences: list[SilenceRule] = Field(default=[], max_length=200)
    maintenance: list[MaintenanceRule] = Field(default=[], max_length=200)

    @model_validator(mode="after")
    def _is_sound(self, info: ValidationInfo) -> Self:
        oncall = (info.context or {}).get(ONCALL, NOBODY)
        problems = [
            InitErrorDetails(
                type=PydanticCustomError("policies", "{what}", {"what": what}),
                loc=place,
                input=None,
            )
            for place, what in self._problems(oncall)
        ]
        if problems:
            raise ValidationError.from_exception_data(type(self).__name__, problems)
        return self

    def _problems(self, oncall: OnCallFile) -> Iterator[Problem]:
        for name, target in self.targets.items():
            yield from undefined(("targets", name, "fallback"), target.fallback, self.targets)
            if name in target.fallback:
                yield (("targets", name, "fallback"), "it falls back to itself")
        for kind in ("policies", "silences", "maintenance"):
            rules: Sequence[Any] = getattr(self, kind)
            for number, name in repeated([rule.name for rule in rules]):
                yield ((kind, number, "name"), f"there is another one named {name}")
        for number, policy in enumerate(self.policies):
            last = number == len(self.policies) - 1
            if policy.match is None and not last:
                what = "without a match it fits everything, and those below are never reached"
                yield (("policies", number), what)
            if policy.match is not None and last:
                what = "the last policy has no match, so that no incident is without one"
                yield (("policies", number, "match"), what)
            for place, what in policy.problems(self.targets, oncall):
                yield (("policies", number, *place), what)
        for number, window in enumerate(self.maintenance):
            for position, what in overlaps(window.hours):
                yield (("maintenance", number, "hours", position), what)

    def choose(self, facts: Facts, *, ack_timeout: float) -> Policy:
        """The policy of an incident with these facts; its targets have names only, see
        `Policy.addressed`. `ack_timeout` is the setting that a level may refer to, in seconds.
        """
        *_, (rule, _) = self.considered(facts)
        policy = rule.recorded(ack_timeout)
        return policy.model_copy(
            update={
                "levels": tuple(self._with_fallbacks(level) for level in policy.levels),
                "default_severity": self._default_severity(facts),
                "silences": tuple(
                    Silence(
                        name=silence.name,
                        span=Span(start=silence.start, end=silence.until),
                        severities=tuple(silence.match.severity or ()),
                    )
                    for silence in self.silences
                    if silence.match.fits(facts.source, facts.service, facts.labels)
                ),
                "maintenance": tuple(
                    Maintenance(
                        name=window.name,
                        time_zone=window.time_zone,
                        hours=tuple(hours.recorded() for hours in window.hours),
                        severities=tuple(window.match.severity or ()),
                    )
                    for window in self.maintenance
                    if window.match.fits(facts.source, facts.service, facts.labels)
                ),
            }
        )

    def severity(self, facts: Facts) -> Severity:
        """How bad an incident with these facts is."""
        return severity_of(facts.severity, facts.source) or self._default_severity(facts)

    def considered(self, facts: Facts) -> Iterator[tuple[PolicyRule, tuple[Misfit, ...]]]:
        """The policies down to the first that fits, each with what does not fit."""
        severity = self.severity(facts)
        for rule in self.policies:
            match, misfits = rule.match, list[Misfit]()
            if match is not None:
                misfits += match.misfits(facts.source, facts.service, facts.labels)
            if match is not None and match.severity is not None and severity not in match.severity:
                misfits.append(Misfit("severity", severity, tuple(match.severity)))
            yield rule, tuple(misfits)
            if not misfits:
                return

    def _default_severity(self, facts: Facts) -> Severity:
        fitting = (
            r for r in self.severities if r.match.fits(facts.source, facts.service, facts.labels)
        )
        return next((rule.severity for rule in fitting), self.default_severity)

    def _with_fallbacks(self, level: Level) -> Level:
        targets = tuple(
            PolicyTarget(
                name=target.name,
                fallback=tuple(self.targets[target.name].fallback),
                variables=self.targets[target.name].variables,
            )
            for target in level.targets
        )
        return level.model_copy(update={"targets": targets})
