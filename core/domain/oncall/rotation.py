"""The turns of a rotation: when each begins and ends.

Hand-over number k is at the first one's local time plus k times the length of a turn, on the clocks
of the schedule's time zone; so it keeps its time of day over daylight-saving changes, and a turn of
some hours is longer or shorter then. A local time that does not exist is taken with the offset
before the change, and of one that exists twice it is the first, as in `core.domain.windows`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from core.domain.oncall.schedules import Rotation
from core.domain.windows import WEEK

_FURTHEST: Final = timedelta(hours=26)
"""More than what clocks are ever put forward by: Samoa once left out a day."""


class Turn(NamedTuple):
    """One turn of a rotation; its moments are in UTC."""

    start: datetime
    end: datetime
    people: tuple[str, ...]


def absolute(local: datetime, zone: ZoneInfo) -> datetime:
    """The moment, in UTC, of a local time without a zone."""
    return local.replace(tzinfo=zone).astimezone(UTC)


def local(moment: datetime, zone: ZoneInfo) -> datetime:
    """The local time, without a zone, of a moment."""
    return moment.astimezone(zone).replace(tzinfo=None)


def handovers(
    rotation: Rotation, zone: ZoneInfo, start: datetime, end: datetime
) -> Iterator[tuple[int, datetime]]:
    """The local times of the hand-overs from the last one before `start` to the first one after
    `end`, with their numbers; turn k lasts from hand-over k to hand-over k + 1."""
    first, length = _first(rotation), rotation.every.length
    number = max(0, (local(start, zone) - _FURTHEST - first) // length)
    last = (local(end, zone) + _FURTHEST - first) // length + 1
    for k in range(number, last + 1):
        yield k, first + k * length


def turns(rotation: Rotation, zone: ZoneInfo, start: datetime, end: datetime) -> list[Turn]:
    """The turns that overlap a period, whole ones, in order; without those of nobody."""
    begins = absolute(datetime.combine(rotation.start, rotation.at), zone)
    people = rotation.turns
    found: list[Turn] = []
    until: datetime | None = None
    moments = [(k, absolute(at, zone)) for k, at in handovers(rotation, zone, start, end)]
    for k, moment in reversed(moments):
        since = max(moment, begins)
        turn = people[k % len(people)]
        if turn and until is not None and since < until and since < end and start < until:
            found.append(Turn(since, until, turn))
        # Where clocks skip hours, a later hand-over may be the earlier moment, and ends this turn.
        until = moment if until is None else min(moment, until)
    return found[::-1]


def _first(rotation: Rotation) -> datetime:
    """The local time of the first hand-over, which is before the start if that is on another
    weekday."""
    day = rotation.start
    if rotation.weekday is not None:
        day -= timedelta(days=(day.weekday() - WEEK.index(rotation.weekday)) % 7)
    return datetime.combine(day, rotation.at)
