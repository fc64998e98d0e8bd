"""Moments as a terminal shows them, in UTC and, where its zone is another, in that too; and as
people type them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

from core.domain.durations import format_duration
from core.domain.times import in_zone
from core.domain.windows import WEEK

_CLOCK: Final = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d))?", re.ASCII)
_DAY: Final = re.compile(rf"(tomorrow|{'|'.join(WEEK)}) {_CLOCK.pattern}", re.ASCII)
_MOMENT: Final = re.compile(
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?", re.ASCII
)


def shown_time(moment: datetime, *, now: datetime | None = None, zone: tzinfo | None = None) -> str:
    """The moment with its zone: `08:00 UTC`, or `08:00 UTC (10:00 CEST)` where the terminal's zone
    differs. On another day than `now` it begins with the date; seconds are shown unless they are 0.

    `now` is this moment by default, `zone` the terminal's, from TZ or the system.
    """
    today = (now or datetime.now(UTC)).astimezone(UTC).date()
    utc = moment.astimezone(UTC)
    local = in_zone(moment, zone)
    text = f"{_clock(utc, today)} UTC"
    if local.utcoffset() == utc.utcoffset():
        return text
    return f"{text} ({_clock(local, utc.date())} {local:%Z})"


def _clock(moment: datetime, day: date) -> str:
    clock = f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"
    return clock if moment.date() == day else f"{moment.date().isoformat()} {clock}"


def shown_deadline(
    moment: datetime, *, now: datetime | None = None, zone: tzinfo | None = None
) -> str:
    """The moment with how far it is from `now`: `08:00 UTC (6 h 12 min)`, or
    `06:00 UTC (08:00 CEST, 6 h 12 min)`."""
    now = now or datetime.now(UTC)
    seconds = max(0.0, (moment - now).total_seconds())
    left = format_duration(round(seconds / 60) * 60 if seconds >= 600 else round(seconds))
    text = shown_time(moment.replace(microsecond=0), now=now, zone=zone)
    return f"{text[:-1]}, {left})" if text.endswith(")") else f"{text} ({left})"


def time_in(moment: datetime, zone: tzinfo | None) -> str:
    """The moment as the clocks of a zone show it, the terminal's by default, with its weekday:
    `Fri 2026-01-02 08:00 CET`."""
    local = in_zone(moment, zone)
    return f"{WEEK[local.weekday()].title()} {_clock(local, date.min)} {local:%Z}"


def read_time(text: str, *, now: datetime | None = None, zone: tzinfo | None = None) -> datetime:
    """The moment that somebody typed: `08:00` is the next one, `tomorrow 08:00` and `fri 08:00`
    that of the day, the next such weekday's, and `2026-01-02 08:00` that day's, all in `zone`, the
    terminal's by default; RFC 3339 names its own. Raises ValueError."""
    now = now or datetime.now(UTC)
    try:
        if match := _CLOCK.fullmatch(text):
            return _next(match, now, zone)
        if match := _DAY.fullmatch(text):
            day, *parts = match.groups()
            hour, minute, second = (int(part or 0) for part in parts)
            return _on_day(day, time(hour, minute, second), now, zone)
        if _MOMENT.fullmatch(text):
            moment = datetime.fromisoformat(text)
            return moment if moment.tzinfo else _located(moment, zone)
    except (ValueError, OverflowError):
        pass
    raise ValueError(
        f"{text!r} is not a time like 08:00, 'fri 08:00', '2026-01-02 08:00' or "
        "2026-01-02T08:00:00+01:00"
    )


def _next(clock: re.Match[str], now: datetime, zone: tzinfo | None) -> datetime:
    """The next moment at which the zone's clocks show that time: on one day of the year they do so
    twice, and on another they skip it, which means as much later as they skip."""
    hour, minute, second = (int(part or 0) for part in clock.groups())
    today = now.astimezone(zone).replace(tzinfo=None)
    shown = today.replace(hour=hour, minute=minute, second=second, microsecond=0)
    return min(
        moment
        for typed in (shown, shown + timedelta(days=1))
        for fold in (0, 1)
        if (moment := _located(typed.replace(fold=fold), zone)) > now
        and moment.astimezone(zone).replace(tzinfo=None) >= typed
    )


def _on_day(name: str, clock: time, now: datetime, zone: tzinfo | None) -> datetime:
    """The moment at which clocks show that time, tomorrow or on the next such weekday."""
    today = now.astimezone(zone).date()
    days = [today + timedelta(days=n) for n in (range(1, 2) if name == "tomorrow" else range(8))]
    moments = (
        _located(datetime.combine(day, clock), zone)
        for day in days
        if name in ("tomorrow", WEEK[day.weekday()])
    )
    return next(moment for moment in moments if moment > now)


def _located(moment: datetime, zone: tzinfo | None) -> datetime:
    return (moment.replace(tzinfo=zone) if zone else moment).astimezone(UTC)
