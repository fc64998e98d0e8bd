"""Moments as a terminal shows them: in UTC and, where its zone is another, in that too."""

from __future__ import annotations

from datetime import UTC, date, datetime, tzinfo


def shown_time(moment: datetime, *, now: datetime | None = None, zone: tzinfo | None = None) -> str:
    """The moment with its zone: `08:00 UTC`, or `08:00 UTC (10:00 CEST)` where the terminal's zone
    differs. On another day than `now` it begins with the date; seconds are shown unless they are 0.

    `now` is this moment by default, `zone` the terminal's, from TZ or the system.
    """
    today = (now or datetime.now(UTC)).astimezone(UTC).date()
    utc = moment.astimezone(UTC)
    local = moment.astimezone(zone)
    text = f"{_clock(utc, today)} UTC"
    if local.utcoffset() == utc.utcoffset():
        return text
    return f"{text} ({_clock(local, utc.date())} {local:%Z})"


def _clock(moment: datetime, day: date) -> str:
    clock = f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"
    return clock if moment.date() == day else f"{moment.date().isoformat()} {clock}"
