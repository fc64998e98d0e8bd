"""Schedules as people write them: layers of rotations and calendars, of which a later one wins.

Everything is in the schedule's own time zone. Who is on call follows in `core.domain.oncall.rota`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import date, timedelta
from typing import Annotated, Any, Final, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    field_validator,
    model_validator,
)

from core.domain.durations import Duration
from core.domain.matching import Name, Problem, Strict, repeated
from core.domain.targets import Variable
from core.domain.value import Value
from core.domain.windows import Clock, Day, HoursRule, Zone, overlaps

MAX_LAYERS: Final = 20
MAX_ROTATION: Final = 100
"""Most turns of one rotation, after which it starts over."""
_LONGEST_TURN: Final = timedelta(days=366)
_SHORTEST_REFRESH: Final = timedelta(minutes=1)
_ADDRESS: Final = re.compile(r"(https://[^\s/]+|(s3|azure)://[^\s/]+/|file:///)\S*")
_EVERY: Final = re.compile(r"(?:([1-9]\d{0,3}) )?(hour|day|week)s?")


class Every(Value):
    """How long a turn lasts, on the clocks of the schedule's time zone."""

    count: int
    unit: str

    @property
    def length(self) -> timedelta:
        return timedelta(**{f"{self.unit}s": self.count})

    def __str__(self) -> str:
        return self.unit if self.count == 1 else f"{self.count} {self.unit}s"


def _every(value: object) -> object:
    if isinstance(value, Every):
        return value
    if not isinstance(value, str) or not (match := _EVERY.fullmatch(value)):
        raise ValueError("not a period like day, week, 12 hours or 2 weeks")
    every = Every(count=int(match[1] or 1), unit=match[2])
    if every.length > _LONGEST_TURN:
        raise ValueError("a turn lasts at most a year")
    return every


Turns = Annotated[
    Every,
    BeforeValidator(
        _every, json_schema_input_type=Annotated[str, Field(pattern=f"^{_EVERY.pattern}$")]
    ),
    PlainSerializer(str, return_type=str),
    Field(examples=["week", "12 hours"]),
]


class Rotation(Strict):
    """People who take turns."""

    people: list[Name | list[Name]] = Field(
        max_length=MAX_ROTATION,
        description="Who has each turn: a person, or several at the same time. In a turn of "
        "nobody, `[]`, the layers before decide.",
    )
    every: Turns = Field(description="How long a turn lasts.")
    start: date = Field(
        ge=date(2000, 1, 1),
        le=date(2100, 1, 1),
        description="The day on which the first turn begins; nobody is on call before.",
    )
    at: Clock = Field(
        default="00:00", validate_default=True, description="The time of day of the hand-over."
    )
    weekday: Day | None = Field(
        None,
        description="The weekday of the hand-over, where turns last weeks; without it, that of "
        "the start. A first turn that begins on another day is shorter.",
    )

    @field_validator("people")
    @classmethod
    def _anybody(cls, people: list[str | list[str]]) -> list[str | list[str]]:
        if not any(people):
            raise ValueError("nobody takes turns: name at least one person")
        return people

    @model_validator(mode="after")
    def _weekday_of_weeks(self) -> Self:
        if self.weekday is not None and self.every.unit != "week":
            raise ValueError("`weekday` is for turns that last weeks")
        return self

    @property
    def turns(self) -> tuple[tuple[str, ...], ...]:
        """Who has each turn, until the rotation starts over."""
        return tuple((each,) if isinstance(each, str) else tuple(each) for each in self.people)

    def problems(self, people: Collection[str]) -> Iterator[Problem]:
        for number, turn in enumerate(self.people):
            if isinstance(turn, str):
                yield from _unknown(("people", number), turn, people)
            else:
                for place, name in enumerate(turn):
                    yield from _unknown(("people", number, place), name, people)
                for place, name in repeated(turn):
                    yield ("people", number, place), f"{name} is there twice"


def _unknown(place: tuple[int | str, ...], name: str, people: Collection[str]) -> Iterator[Problem]:
    if name not in people:
        yield place, f"there is no person {name!r}"


def _address(url: str) -> str:
    if not _ADDRESS.fullmatch(url):
        raise ValueError("not an https URL, nor that of a document: s3://, azure:// or file://")
    return url


class Calendar(Strict):
    """A calendar in the iCalendar format: each event's summary names who is on call, by ID, name or
    what else the person is known as."""

    url: Annotated[str, AfterValidator(_address)] | None = Field(
        None,
        max_length=2_000,
        description="Where it is read from: an https URL, or a document's URI.",
    )
    url_env: Variable | None = Field(
        None, description="The environment variable that has its URL, when that is a secret."
    )
    refresh: Duration = Field(
        timedelta(minutes=15), description="How old a copy may be before it is read again."
    )

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if (self.url is None) == (self.url_env is None):
            raise ValueError("a calendar has either a `url` or a `url_env`")
        if self.refresh < _SHORTEST_REFRESH:
            raise ValueError("its `refresh` is less than a minute")
        return self

    @property
    def source(self) -> str:
        """What identifies the calendar: its URL, or the name of the variable that has it."""
        return self.url or f"${self.url_env}"


def _calendar(value: object) -> object:
    if isinstance(value, str):
        return {"url": value.replace("webcal://", "https://", 1)}
    return value


CalendarAt = Annotated[Calendar, BeforeValidator(_calendar, json_schema_input_type=str | Calendar)]
"""A calendar, or nothing but its URL."""


class Layer(Strict):
    """Who is on call, as far as no later layer says otherwise: a rotation, or whom a calendar
    names."""

    name: Name
    rotation: Rotation | None = None
    ical: CalendarAt | None = None
    hours: list[HoursRule] = Field(
        default=[],
        max_length=20,
        description="Only in these hours of the week; without any, always.",
    )
    only_on: CalendarAt | None = Field(
        None, description="Only during the events of this calendar, like public holidays."
    )
    not_on: CalendarAt | None = Field(None, description="Not during the events of this calendar.")
    until: date | None = Field(
        None, ge=date(2000, 1, 1), le=date(2100, 1, 1), description="The last day of the layer."
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.rotation is None) == (self.ical is None):
            raise ValueError("a layer has either a `rotation` or an `ical`")
        return self

    @property
    def calendars(self) -> tuple[Calendar, ...]:
        """All calendars that the layer depends on."""
        return tuple(each for each in (self.ical, self.only_on, self.not_on) if each)

    @property
    def always(self) -> bool:
        """Whether the layer applies in all hours of the week."""
        return not self.hours or sum(map(_minutes, self.hours)) == 7 * 24 * 60

    def problems(self, people: Collection[str]) -> Iterator[Problem]:
        if self.rotation:
            for place, what in self.rotation.problems(people):
                yield ("rotation", *place), what
            if self.until and self.until < self.rotation.start:
                yield ("until",), "it is before the start: the layer never applies"
        for number, what in overlaps(self.hours):
            yield ("hours", number), what


def _minutes(hours: HoursRule) -> int:
    """How many minutes of the week they are."""
    start, end = (each.hour * 60 + each.minute for each in (hours.start, hours.end))
    return len(set(hours.days)) * (end - start if end > start else end - start + 24 * 60)


class Schedule(Strict):
    """Who is on call when."""

    time_zone: Zone
    description: str = Field("", max_length=500)
    layers: list[Layer] = Field(
        max_length=MAX_LAYERS, description="A later one wins over those before it."
    )
    may_have_gaps: bool = Field(
        False, description="Whether there may be times when nobody is on call."
    )
    announce_handovers: bool = Field(
        False,
        description="Whether people hear of their hand-overs, with the incidents that are not "
        "resolved.",
    )

    @field_validator("layers")
    @classmethod
    def _anybody(cls, layers: list[Any]) -> list[Any]:
        if not layers:
            raise ValueError("it has no layers: nobody would ever be on call")
        return layers

    def problems(self, people: Collection[str]) -> Iterator[Problem]:
        """What is wrong with the schedule, and where."""
        for number, name in repeated([layer.name for layer in self.layers]):
            yield ("layers", number, "name"), f"there is another one named {name}"
        for number, layer in enumerate(self.layers):
            for place, what in layer.problems(people):
                yield ("layers", number, *place), what
