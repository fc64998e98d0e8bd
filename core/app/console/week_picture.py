"""A week of a schedule as a picture: where each shift lies, pure numbers. The template draws it.

A row is a day in the schedule's zone, from midnight to midnight: on the days when clocks change it
has another hour more or less, and stays as long. A bar is what of a shift lies in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import pairwise
from typing import Final

from core.domain.oncall.rota import Shift
from core.operations.oncall_rota import Gap

DAYS: Final = 7
COLOURS: Final = 8
"""Colours that there are; people are told apart by their letters, too."""

_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """Who stands for a letter and a colour."""

    letter: str
    colour: int
    people: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A shift, or a time without one, as far as it lies in a day: `left` and `width` in percent of
    it. `key` is None where nobody is on call. It `begins` there where other people hand over."""

    of: Shift | Gap
    key: Key | None
    left: float
    width: float
    begins: bool

    @property
    def overrides(self) -> bool:
        """Whether somebody has put these people there by hand."""
        return isinstance(self.of, Shift) and self.of.override is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A row. `hours` is how many it has, if not 24; `now` where the present moment lies in it."""

    date: date
    hours: int | None
    bars: tuple[Bar, ...]
    now: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekPicture:
    """The rows, and what letters and colours mean, in the order in which they come."""

    days: tuple[Day, ...]
    keys: tuple[Key, ...]


def monday(on: date) -> date:
    """The first day of a week. Raises `OverflowError` for a week that begins before the calendar
    does."""
    return on - timedelta(days=on.weekday())


def midnights(first: date, zone: tzinfo) -> tuple[datetime, ...]:
    """When the days of a week begin, and the next week, in UTC. Raises `OverflowError`."""
    return tuple(
        datetime.combine(first + _DAY * number, time(0), zone).astimezone(UTC)
        for number in range(DAYS + 1)
    )


def week_picture(
    week: Sequence[Shift | Gap], *, first: date, zone: tzinfo, now: datetime
) -> WeekPicture:
    """The picture of what is there from the `first` day on, in order (see
    `core.operations.oncall_rota.with_gaps`)."""
    keys = _keys(each.people for each in week if isinstance(each, Shift))
    moments = midnights(first, zone)
    days = []
    for number, (start, end) in enumerate(pairwise(moments)):
        length = end - start
        days.append(
            Day(
                date=first + _DAY * number,
                hours=None if length == _DAY else round(length / _HOUR),
                bars=tuple(_bars(week, keys, start, end)),
                now=_percent(now - start, length) if start <= now < end else None,
            )
        )
    return WeekPicture(days=tuple(days), keys=tuple(keys.values()))


def _keys(people: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], Key]:
    return {
        each: Key(letter=_LETTERS[n % len(_LETTERS)], colour=n % COLOURS, people=each)
        for n, each in enumerate(dict.fromkeys(people))
    }


def _bars(
    week: Sequence[Shift | Gap],
    keys: dict[tuple[str, ...], Key],
    start: datetime,
    end: datetime,
) -> Iterator[Bar]:
    before: tuple[str, ...] | None = None
    for each in week:
        people = each.people if isinstance(each, Shift) else ()
        since, until = max(each.start, start), min(each.end, end)
        if since < until:
            yield Bar(
                of=each,
                key=keys.get(people),
                left=_percent(since - start, end - start),
                width=_percent(until - since, end - start),
                begins=since == each.start and before is not None and before != people,
            )
        before = people


def _percent(part: timedelta, whole: timedelta) -> float:
    return round(100 * (part / whole), 3)
