"""Who is on call for a schedule, when, and what decides it.

Whatever anybody asks about a schedule is answered from here: who is on call now and next, the page,
the calendar feed, the gaps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from core.domain.oncall.calendars import NO_CALENDARS, CalendarEvent, Calendars
from core.domain.oncall.overrides import Override
from core.domain.oncall.periods import Claim, Period, outside, overlay, union, within
from core.domain.oncall.rotation import absolute, local, turns
from core.domain.oncall.schedules import Calendar, Layer, Schedule
from core.domain.windows import WEEK, HoursRule

HORIZON: Final = timedelta(days=800)
"""How far ahead a shift is looked for."""

_LONGEST_HOURS: Final = timedelta(days=15)
"""Longer than weekly hours last without a break, also where a clock skips one."""
_LONGEST_EVENT: Final = timedelta(days=366)
_DAY: Final = timedelta(days=1)
_INSTANT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """The `people` are on call from `start` to `end`, in UTC, because a layer or an override says
    so. A shift ends when something else decides, also if that names the same people."""

    start: datetime
    end: datetime
    people: tuple[str, ...]
    layer: str | None = None
    override: Override | None = None

    @property
    def reason(self) -> str:
        """What decides it: `layer weekdays`, or `an override by ana`."""
        return f"an override by {self.override.by}" if self.override else f"layer {self.layer}"


Holder = tuple[tuple[str, ...], str | None, Override | None]


def shifts(
    schedule: Schedule,
    start: datetime,
    end: datetime,
    overrides: Sequence[Override] = (),
    calendars: Calendars = NO_CALENDARS,
) -> list[Shift]:
    """The shifts that overlap a period, whole ones, in order. Nobody is on call between them.

    `overrides` are those of the schedule (see `overrides.applicable`), of which a later one wins.
    """
    claims = list(_claims(schedule, *_whole(schedule, start, end, calendars), calendars))
    claims += [
        (len(schedule.layers) + rank, Claim(each.start, each.end, (each.people, None, each)))
        for rank, each in enumerate(overrides)
    ]
    return [
        Shift(
            start=claim.start.astimezone(UTC),
            end=claim.end.astimezone(UTC),
            people=claim.holder[0],
            layer=claim.holder[1],
            override=claim.holder[2],
        )
        for claim in overlay(claims)
        if claim.start < end and start < claim.end
    ]


def shift_at(
    schedule: Schedule,
    moment: datetime,
    overrides: Sequence[Override] = (),
    calendars: Calendars = NO_CALENDARS,
) -> Shift | None:
    """The shift of a moment; None if nobody is on call."""
    return next(
        iter(shifts(schedule, moment, moment + _INSTANT, overrides, calendars)),
        None,
    )


def upcoming(
    schedule: Schedule,
    moment: datetime,
    overrides: Sequence[Override] = (),
    calendars: Calendars = NO_CALENDARS,
) -> Iterator[Shift]:
    """The shifts that begin after a moment, in order, as far as the `HORIZON`."""
    since, ahead = moment + _INSTANT, timedelta(days=7)
    while since < moment + HORIZON:
        until = since + ahead
        for shift in shifts(schedule, since, until, overrides, calendars):
            if since <= shift.start:
                yield shift
        since, ahead = until, ahead * 2


def _whole(
    schedule: Schedule, start: datetime, end: datetime, calendars: Calendars
) -> tuple[datetime, datetime]:
    """The period as long as what the layers claim at its ends lasts: a shift begins and ends where
    a later layer says so, which may be before or after the period."""
    first = [claim for _, claim in _claims(schedule, start, start + _INSTANT, calendars)]
    last = [claim for _, claim in _claims(schedule, end - _INSTANT, end, calendars)]
    return (
        min((claim.start for claim in first), default=start),
        max((claim.end for claim in last), default=end),
    )


def _claims(
    schedule: Schedule, start: datetime, end: datetime, calendars: Calendars
) -> Iterator[tuple[int, Claim[Holder]]]:
    """What each layer claims in a period, whole, with its rank."""
    zone = ZoneInfo(schedule.time_zone)
    for rank, layer in enumerate(schedule.layers):
        for since, until, people in _layer(layer, zone, start, end, calendars):
            if since < end and start < until:
                yield rank, Claim(since, until, (people, layer.name, None))


def _layer(
    layer: Layer, zone: ZoneInfo, start: datetime, end: datetime, calendars: Calendars
) -> Iterable[Claim[tuple[str, ...]]]:
    """What a layer alone says about a period, and perhaps more: whom it names when."""
    claims: list[Claim[tuple[str, ...]]]
    over = None
    if layer.until:
        over = absolute(datetime.combine(layer.until + _DAY, time(0)), zone)
        end = min(end, over)
        if end <= start:
            return []
    if layer.rotation:
        claims = [Claim(*turn) for turn in turns(layer.rotation, zone, start, end)]
    else:
        claims = _named(layer.ical, zone, start, end, calendars) if layer.ical else []
    if over:
        claims = [each._replace(end=min(each.end, over)) for each in claims if each.start < over]
    if claims and not layer.always:
        first = max(claims[0].start, start - _LONGEST_HOURS)
        last = min(claims[-1].end, end + _LONGEST_HOURS)
        claims = list(within(claims, weekly(layer.hours, zone, first, last)))
    if layer.only_on and claims:
        days = _days(layer.only_on, zone, claims[0].start, claims[-1].end, calendars)
        claims = list(within(claims, days))
    if layer.not_on and claims:
        first, last = claims[0].start, claims[-1].end
        days = _days(layer.not_on, zone, first, last, calendars)
        claims = list(within(claims, list(outside(days, first, last))))
    return claims


def weekly(
    hours: Sequence[HoursRule], zone: ZoneInfo, start: datetime, end: datetime
) -> list[Period]:
    """The hours of the week that overlap a period, whole, in order."""
    day, last = local(start, zone).date() - 2 * _DAY, local(end, zone).date() + _DAY
    periods = []
    while day <= last:
        for rule in hours:
            if WEEK[day.weekday()] in rule.days:
                ends = day if rule.end > rule.start else day + _DAY
                first, after = datetime.combine(day, rule.start), datetime.combine(ends, rule.end)
                periods.append(Period(absolute(first, zone), absolute(after, zone)))
        day += _DAY
    return [each for each in union(periods) if each.start < end and start < each.end]


def _named(
    calendar: Calendar, zone: ZoneInfo, start: datetime, end: datetime, calendars: Calendars
) -> list[Claim[tuple[str, ...]]]:
    """Whom a calendar names when, whole. Where events overlap, all of their people are on call."""
    events = _events(calendar, zone, start, end, calendars)
    if not events:
        return []
    first, last = min(each.start for each in events), max(each.end for each in events)
    waiting = _events(calendar, zone, first, last, calendars)[::-1]
    moments = sorted({moment for each in waiting for moment in (each.start, each.end)})
    claims, open = [], list[CalendarEvent]()
    for since, until in pairwise(moments):
        open = [each for each in open if each.end > since]
        while waiting and waiting[-1].start <= since:
            open.append(waiting.pop())
        people = dict.fromkeys(p for each in open for p in calendars.people(each.summary))
        if people:
            claims.append(Claim(since, until, tuple(people)))
    return claims


def _days(
    calendar: Calendar, zone: ZoneInfo, start: datetime, end: datetime, calendars: Calendars
) -> list[Period]:
    """When a calendar has an event, whatever its summary."""
    events = _events(calendar, zone, start, end, calendars)
    return union(Period(each.start, each.end) for each in events)


def _events(
    calendar: Calendar, zone: ZoneInfo, start: datetime, end: datetime, calendars: Calendars
) -> list[CalendarEvent]:
    """The events that overlap a period, by their start; none of a calendar that was not read. One
    that lasts for years counts as several, so that what it costs does not grow with it."""
    if calendar.source not in calendars.events:
        return []
    found = []
    for event in calendars.events[calendar.source].between(start, end, zone):
        since = event.start + max(0, (start - event.start) // _LONGEST_EVENT) * _LONGEST_EVENT
        while since < min(event.end, end):
            until = min(since + _LONGEST_EVENT, event.end)
            found.append(CalendarEvent(since, until, event.summary))
            since = until
    return sorted(found)
