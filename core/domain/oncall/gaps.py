"""What is wrong with an on-call file although it is valid: times when nobody is on call, people who
cannot be reached, and rotations that a daylight-saving change breaks.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from core.domain.oncall.calendars import NO_CALENDARS, Calendars
from core.domain.oncall.file import OnCallFile
from core.domain.oncall.overrides import Override
from core.domain.oncall.people import target_of
from core.domain.oncall.periods import Period, outside, union
from core.domain.oncall.rota import shifts
from core.domain.oncall.rotation import absolute, handovers, local
from core.domain.oncall.schedules import Layer, Schedule
from core.domain.windows import WEEK

_YEAR: Final = timedelta(days=366)
_FARTHEST: Final = 5 * _YEAR
CHANGES_AHEAD: Final = 5 * _YEAR
"""How far ahead daylight-saving changes are looked at: a turn of some days meets one only in some
years."""

_DAY: Final = timedelta(days=1)
_MINUTE: Final = timedelta(minutes=1)


class Finding(NamedTuple):
    """What is wrong, with the schedule or the person it is about."""

    kind: str
    name: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {self.what}"


def gaps(
    schedule: Schedule,
    start: datetime,
    end: datetime,
    overrides: Sequence[Override] = (),
    calendars: Calendars = NO_CALENDARS,
) -> list[Period]:
    """When nobody is on call between two moments, in order."""
    covered = union(
        Period(each.start, each.end) for each in shifts(schedule, start, end, overrides, calendars)
    )
    return list(outside(covered, start, end))


def findings(
    file: OnCallFile, now: datetime, calendars: Calendars = NO_CALENDARS
) -> Iterator[Finding]:
    """Everything that is found in a file, by schedules, then by people. Of a schedule whose
    calendars were not read gaps are not known."""
    for name, schedule in file.schedules.items():
        sources = {each.source for layer in schedule.layers for each in layer.calendars}
        if not schedule.may_have_gaps and sources <= set(calendars.events):
            for what in nobody_on_call(schedule, now, calendars):
                yield Finding("schedule", name, what)
        for what in broken_by_changes(schedule, now):
            yield Finding("schedule", name, what)
    for id in without_contact(file):
        yield Finding("person", id, "has no contact method, and may be on call")


def nobody_on_call(
    schedule: Schedule, now: datetime, calendars: Calendars = NO_CALENDARS
) -> Iterator[str]:
    """The gaps ahead. Those at the same hours of the week are one, with how many."""
    zone, ahead = ZoneInfo(schedule.time_zone), now + _ahead(schedule)
    alike: dict[tuple[object, ...], list[Period]] = {}
    for gap in gaps(schedule, now, ahead, (), calendars):
        start, end = (local(moment, zone) for moment in gap)
        hours = (start.weekday(), start.time(), end.weekday(), end.time(), (end - start).days)
        alike.setdefault(hours, []).append(gap)
    for same in alike.values():
        start, end = (local(moment, zone) for moment in same[0])
        until = "" if same[0].end >= ahead else f" until {_moment(end)}"
        last = local(same[-1].end, zone).date()
        more = f", and {len(same) - 1} times more until {last}" if len(same) > 1 else ""
        yield f"nobody is on call from {_moment(start)}{until}{more}"


def _ahead(schedule: Schedule) -> timedelta:
    """How far ahead to look for gaps. Whether somebody is on call depends on the hours of the week
    and the days of the year, which a year covers, and on whose turn it is only where a turn is
    nobody's; at most five years."""
    cycles = [
        len(layer.rotation.turns) * layer.rotation.every.length
        for layer in schedule.layers
        if layer.rotation and not all(layer.rotation.turns)
    ]
    return min(max([_YEAR, *cycles]), _FARTHEST)


def without_contact(file: OnCallFile) -> list[str]:
    """The IDs of people who may be on call and have no contact method."""
    return [id for id in _concerned(file) if not file.people[id].contacts]


def unset(file: OnCallFile, environment: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The contact methods of people who may be on call whose variables are not set, by the names of
    their targets, with those variables."""
    found = {}
    for id in _concerned(file):
        for contact, target in file.people[id].contacts.items():
            lacking = tuple(v for v in target.variables if not environment.get(v, "").strip())
            if lacking:
                found[target_of(id, contact)] = lacking
    return found


def _concerned(file: OnCallFile) -> list[str]:
    """Those whom a schedule or a team names, in the order of the file; all where a calendar may
    name anybody."""
    layers = [layer for schedule in file.schedules.values() for layer in schedule.layers]
    if any(layer.ical for layer in layers):
        return list(file.people)
    named = {member for team in file.teams.values() for member in team.members}
    for layer in layers:
        named.update(*(layer.rotation.turns if layer.rotation else ()))
    return [id for id in file.people if id in named]


class Change(NamedTuple):
    """A change of the clocks: the local times from `start` to `end`, the end excluded, do not exist
    (`missing`), or exist twice."""

    start: datetime
    end: datetime
    missing: bool

    def outcome(self, at: datetime) -> str:
        """What becomes of one of these local times."""
        if self.missing:
            return f"does not exist: it is at {at + (self.end - self.start):%H:%M}"
        return "exists twice: the first one counts"


def broken_by_changes(schedule: Schedule, now: datetime) -> Iterator[str]:
    """Hand-overs and hours at a local time that a change of the clocks leaves out or repeats: of
    each layer the first ones."""
    zone = ZoneInfo(schedule.time_zone)
    for layer in schedule.layers:
        seen = set[tuple[str, bool]]()
        for change in clock_changes(zone, now, now + CHANGES_AHEAD):
            for what, at in (*_handovers(layer, zone, change), *_hours(layer, change)):
                if (what, change.missing) not in seen:
                    seen.add((what, change.missing))
                    yield f"layer {layer.name}: {what} of {_moment(at)} {change.outcome(at)}"


def _handovers(layer: Layer, zone: ZoneInfo, change: Change) -> Iterator[tuple[str, datetime]]:
    if not layer.rotation:
        return
    moment = absolute(change.start, zone)
    for k, at in handovers(layer.rotation, zone, moment - _DAY, moment + _DAY):
        if change.start <= at < change.end and not (layer.until and at.date() > layer.until):
            following = at + layer.rotation.every.length
            skipped = absolute(at, zone) >= absolute(following, zone)
            turn = layer.rotation.turns[k % len(layer.rotation.turns)]
            lasts = f" (the turn of {' and '.join(turn)} lasts no time)" if skipped and turn else ""
            yield f"the hand-over{lasts}", at


def _hours(layer: Layer, change: Change) -> Iterator[tuple[str, datetime]]:
    if layer.always or (layer.until and change.start.date() > layer.until):
        return
    for hours in layer.hours:
        for day in (change.start.date() - _DAY, change.start.date()):
            if WEEK[day.weekday()] not in hours.days:
                continue
            last = day if hours.end > hours.start else day + _DAY
            for what, at in (
                ("the beginning of the hours", datetime.combine(day, hours.start)),
                ("the end of the hours", datetime.combine(last, hours.end)),
            ):
                if change.start <= at < change.end:
                    yield what, at


@lru_cache(maxsize=64)
def clock_changes(zone: ZoneInfo, start: datetime, end: datetime) -> tuple[Change, ...]:
    """The changes of a zone's clocks between two moments, in order."""
    found = []
    while start < end:
        following = start + _DAY
        if (before := start.astimezone(zone).utcoffset()) != following.astimezone(zone).utcoffset():
            moment = _change(zone, start, following)
            old, new = local(moment - _MINUTE, zone) + _MINUTE, local(moment, zone)
            if before is not None:
                found.append(Change(min(old, new), max(old, new), missing=new > old))
        start = following
    return tuple(found)


def _change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The minute, in UTC, from which the offset differs from that of a moment before."""
    before, after = (moment.replace(second=0, microsecond=0) for moment in (before, after))
    offset = before.astimezone(zone).utcoffset()
    minutes = range((after - before) // _MINUTE)
    first = bisect(
        minutes, False, key=lambda n: (before + n * _MINUTE).astimezone(zone).utcoffset() != offset
    )
    return before + first * _MINUTE


def _moment(at: datetime) -> str:
    return f"{WEEK[at.weekday()].title()} {at:%Y-%m-%d %H:%M}"
