"""Windows of time: weekly hours in a time zone, and spans from one moment to another.

Both answer one question: is `now` inside, and if so, until when. Weekly hours are local times, and
so follow daylight saving time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Final, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    model_validator,
)

from core.domain.matching import Strict
from core.domain.severity import Severity
from core.domain.value import Value

_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


def _clock(value: object) -> object:
    if isinstance(value, time):
        return value
    if isinstance(value, str) and (match := _CLOCK.fullmatch(value)):
        return time(int(match[1]), int(match[2]))
    # YAML reads 22:00 without quotes as 1320.
    raise ValueError("not a time of day in quotes, like '08:00' or '22:30'")


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # what zoneinfo raises for names it does not have
        raise ValueError(f"{name[:60]!r} is not a time zone like Europe/Berlin or UTC") from None
    return name


Clock = Annotated[
    time,
    BeforeValidator(
        _clock, json_schema_input_type=Annotated[str, Field(pattern=f"^{_CLOCK.pattern}$")]
    ),
    PlainSerializer(lambda moment: f"{moment:%H:%M}", return_type=str),
    Field(examples=["22:00"]),
]
Zone = Annotated[str, AfterValidator(_zone), Field(examples=["Europe/Berlin", "UTC"])]


class Day(StrEnum):
    """Days of the week, in the order of `datetime.weekday`."""

    MONDAY = "mon"
    TUESDAY = "tue"
    WEDNESDAY = "wed"
    THURSDAY = "thu"
    FRIDAY = "fri"
    SATURDAY = "sat"
    SUNDAY = "sun"


WEEK: Final = tuple(Day)


class Hours(Value):
    """Hours of some days, local. An end that is not after the start is on the next day: 22:00 to
    06:00 is a night, 00:00 to 00:00 a whole day. A day is the one on which the hours start."""

    model_config = ConfigDict(populate_by_name=True)

    days: tuple[Day, ...] = WEEK
    start: Clock = Field(alias="from")
    end: Clock = Field(alias="to")

    def until(self, now: datetime, zone: str) -> datetime | None:
        """The end, in UTC, of the hours that `now` is inside; None if it is outside."""
        place = ZoneInfo(zone)
        today = now.astimezone(place).date()
        latest = None
        for day in (today - timedelta(days=1), today):
            if WEEK[day.weekday()] not in self.days:
                continue
            last = day if self.end > self.start else day + timedelta(days=1)
            start = datetime.combine(day, self.start, place).astimezone(UTC)
            end = datetime.combine(last, self.end, place).astimezone(UTC)
            if start <= now < end:
                latest = end
        return latest


class Span(Value):
    """From one moment to another, the end excluded."""

    model_config = ConfigDict(populate_by_name=True)

    start: AwareDatetime = Field(alias="from")
    end: AwareDatetime = Field(alias="until")

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        if self.end <= self.start:
            raise ValueError("`until` is not after `from`")
        return self

    def until(self, now: datetime) -> datetime | None:
        """The end, in UTC, if `now` is inside; else None."""
        return self.end.astimezone(UTC) if self.start <= now < self.end else None


class Silence(Value):
    """A span in which nobody is paged for incidents of these severities (of all, if there are
    none); service and labels were matched when the policy was chosen."""

    name: str
    span: Span
    severities: tuple[Severity, ...] = ()


class HoursRule(Strict):
    """Hours of some days. An end that is not after the start is on the next day."""

    days: list[Day] = Field(default=list(WEEK), min_length=1)
    start: Clock = Field(alias="from")
    end: Clock = Field(alias="to")

    def recorded(self) -> Hours:
        return Hours(days=tuple(self.days), start=self.start, end=self.end)


def overlaps(rules: Sequence[HoursRule]) -> Iterator[tuple[int, str]]:
    """Hours that overlap an earlier entry, with their positions."""
    week = 7 * 24 * 60
    taken: list[tuple[int, int]] = []
    for number, rule in enumerate(rules):
        spans = []
        for day in rule.days:
            start = WEEK.index(day) * 1440 + rule.start.hour * 60 + rule.start.minute
            length = (rule.end.hour - rule.start.hour) * 60 + rule.end.minute - rule.start.minute
            spans.append((start, start + (length if length > 0 else length + 1440)))
        if any(
            start + shift < end_before and start_before < end + shift
            for start, end in spans
            for start_before, end_before in taken
            for shift in (-week, 0, week)
        ):
            yield number, "it overlaps hours above it"
        taken += spans
