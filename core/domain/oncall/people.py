"""People: how each person who may be on call is reached.

A person has contact methods, each of which is a target as in the policies file, and rules that say
which of them is used when. Addresses stay in the environment; the target of a contact method has
the name `person/method`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import pairwise
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from core.domain.durations import Delay
from core.domain.matching import Name, Problem, Severities, Strict
from core.domain.severity import Severity
from core.domain.targets import TargetConfig
from core.domain.value import Value
from core.domain.windows import WEEK, HoursRule, Zone, overlaps

MAX_CONTACTS: Final = 10

PersonName = Annotated[str, Field(min_length=1, max_length=100)]


class ContactStep(Value):
    """A contact method that is used `after` so many seconds without an acknowledgement; `target` is
    the name of its target, `variables` are those that its address is read from."""

    after: float = 0
    target: str
    variables: tuple[str, ...] = ()


class StepRule(Strict):
    """One contact method of the person, and when it is used."""

    contact: Name
    after: Delay = Field(
        default="0s",
        validate_default=True,
        description="How long after the person's paging began, while nobody has acknowledged.",
    )


class ContactRule(Strict):
    """How a person is paged for some severities."""

    severity: Severities | None = Field(None, description="For these; for all others without it.")
    steps: list[StepRule] = Field(min_length=1, max_length=20)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for before, step in pairwise(self.steps):
            if step.after < before.after:
                raise ValueError(f"the step of {step.contact} is earlier than the one before it")
        return self


class QuietHoursRule(Strict):
    """Hours, in the person's own time zone, in which the person is not paged."""

    hours: list[HoursRule] = Field(min_length=1, max_length=20)
    unless: Severity | None = Field(
        None, description="For this severity and worse the person is paged all the same."
    )


class Person(Strict):
    """One person."""

    name: PersonName
    known_as: list[PersonName] = Field(
        default=[],
        max_length=10,
        description="What calendars call the person besides ID and name, like a mail address.",
    )
    slack: str | None = Field(
        None,
        pattern=r"^[UW][A-Z0-9]{2,30}$",
        description="The ID of the person's user in Slack, who then acts as the person there.",
        examples=["U0123456789"],
    )
    time_zone: Zone
    contacts: dict[Name, TargetConfig] = Field(default={}, max_length=MAX_CONTACTS)
    rules: list[ContactRule] = Field(
        default=[],
        max_length=10,
        description="The first that is for the severity counts. Without one, all contact methods "
        "are used immediately.",
    )
    quiet_hours: QuietHoursRule | None = None

    def steps(self, id: str, severity: Severity) -> tuple[ContactStep, ...]:
        """How the person of that ID is paged for a severity, in order of time."""
        for rule in self.rules:
            if rule.severity is None or severity in rule.severity:
                return tuple(
                    self._step(id, step.contact, step.after.total_seconds()) for step in rule.steps
                )
        return tuple(self._step(id, contact, 0) for contact in self.contacts)

    def quiet_until(self, now: datetime, severity: Severity) -> datetime | None:
        """The end, in UTC, of the person's quiet hours, if they hold pages of this severity now."""
        quiet = self.quiet_hours
        if quiet is None or (quiet.unless and not quiet.unless.is_worse_than(severity)):
            return None
        until = None
        # Hours that begin where others end hold as well.
        for _ in range(2 * len(quiet.hours) * len(WEEK)):
            ends = [each.recorded().until(until or now, self.time_zone) for each in quiet.hours]
            later = max(filter(None, ends), default=None)
            if later is None:
                break
            until = later
        return until

    def problems(self) -> Iterator[Problem]:
        """What is wrong with the person, and where."""
        for contact, target in self.contacts.items():
            if target.fallback:
                what = "a contact method has no fallback: use the next one in a step of the rules"
                yield ("contacts", contact, "fallback"), what
        known = ", ".join(self.contacts) or "no contact methods"
        taken = set[Severity]()
        for number, rule in enumerate(self.rules):
            for place, step in enumerate(rule.steps):
                if step.contact not in self.contacts:
                    what = f"there is no contact method {step.contact!r}; there are {known}"
                    yield ("rules", number, "steps", place, "contact"), what
            severities = set(rule.severity or Severity)
            if severities <= taken:
                yield ("rules", number), "no severity is left for it: the rules above have them"
            taken |= severities
        if self.quiet_hours:
            for number, what in overlaps(self.quiet_hours.hours):
                yield ("quiet_hours", "hours", number), what
            if self.quiet_hours.unless is Severity.INFO:
                yield (
                    ("quiet_hours", "unless"),
                    "`info` holds nothing: leave `quiet_hours` out",
                )

    def _step(self, id: str, contact: str, after: float) -> ContactStep:
        return ContactStep(
            after=after,
            target=target_of(id, contact),
            variables=self.contacts[contact].variables,
        )


def target_of(person: str, contact: str) -> str:
    """The name of the target that a person's contact method is."""
    return f"{person}/{contact}"


def person_of(target: str) -> str | None:
    """The person whose contact method the target of that name is; None for the policies' own."""
    person, slash, _ = target.partition("/")
    return person if slash else None


def targets_of(people: Mapping[str, Person]) -> dict[str, TargetConfig]:
    """The targets of all contact methods, by their names."""
    return {
        target_of(id, contact): target
        for id, person in people.items()
        for contact, target in person.contacts.items()
    }
