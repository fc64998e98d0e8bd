"""Schedules as people write them: layers of rotations and calendars, of which a later one wins.

Everything is in the schedule's own time zone. Who is on call follows in `core.domain.oncall.rota`.
"""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from core.domain.matching import Name, Strict
from core.domain.targets import Variable
from core.domain.windows import Clock, Day, HoursRule, Zone

MAX_LAYERS: Final = 20
MAX_ROTATION: Final = 100
"""Most slots of one rotation."""

Slot = Annotated[Name | list[Name], Field(description="A person, or several at the same time.")]


class Every(Strict):
    """How long each slot of a rotation lasts, on the clocks of the schedule's time zone."""

    count: int = Field(1, ge=1, le=365)
    unit: Literal["hours", "days", "weeks"]

    @property
    def length(self) -> timedelta:
        return timedelta(**{self.unit: self.count})


class Rotation(Strict):
    """People who take turns."""

    people: list[Slot] = Field(min_length=1, max_length=MAX_ROTATION)
    every: Every
    start: date = Field(description="The day on which the first one's turn begins.")
    at: Clock = Field(default=time(0, 0), description="The time of day of the hand-over.")
    on: Day | None = Field(
        None, description="The weekday of the hand-over, in rotations of whole weeks."
    )

    @model_validator(mode="after")
    def _weekday_of_weeks(self) -> Self:
        if self.on is not None and self.every.unit != "weeks":
            raise ValueError("`on` is for rotations of whole weeks")
        return self


class Calendar(Strict):
    """Whoever a calendar names: each event's summary is a person's ID, name or mail address."""

    url: str | None = Field(
        None, pattern=r"^(https|s3|azure|file)://", description="Where it is read from."
    )
    url_env: Variable | None = Field(
        None, description="The environment variable that has its URL, when that is a secret."
    )
    refresh: Annotated[timedelta, Field()] = timedelta(minutes=15)


class Layer(Strict):
    """Who is on call, as far as no later layer says otherwise: a rotation or a calendar."""

    name: Name
    rotation: Rotation | None = None
    ical: Calendar | None = None
    hours: list[HoursRule] = Field(
        default=[],
        max_length=20,
        description="Only in these hours of the week; without any, always.",
    )
    until: date | None = Field(None, description="The last day of the layer.")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.rotation is None) == (self.ical is None):
            raise ValueError("a layer has either a `rotation` or an `ical`")
        return self


class Schedule(Strict):
    """Who is on call when."""

    time_zone: Zone
    description: str = ""
    layers: list[Layer] = Field(min_length=1, max_length=MAX_LAYERS)
    may_have_gaps: bool = Field(
        False, description="Whether it is all right that nobody is on call at some times."
    )
    announce_handovers: bool = Field(
        False,
        description="Whether those who leave and those who come are told, with the open incidents.",
    )
