"""Times in one spelling, RFC 3339 in UTC with milliseconds, so that the same moment is the same
text by whichever path it came."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from core.domain.event import parse_time

_MILLISECONDS: Final = ((10**11, 1_000, 1), (10**14, 1, 1), (10**17, 1, 1_000), (10**20, 1, 10**6))
"""Numbers below each bound are seconds, milliseconds, microseconds, nanoseconds since 1970; by what
each is multiplied and divided to be milliseconds. No two units overlap before the year 5138."""
_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)


def spelled(moment: datetime) -> str:
    """A moment in the one spelling. Raises OverflowError for one beyond the years 1 to 9999."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def utc(value: object) -> str | None:
    """The moment that a text names, or None for what names none."""
    if not isinstance(value, str):
        return None
    try:
        return spelled(parse_time(value))
    except (ValueError, OverflowError):
        return None


def readable(value: object) -> object:
    """A time since 1970 (a number, or one written as text, in whichever unit) as RFC 3339 text in
    UTC with milliseconds. Anything else is given back as it is, for the domain to remark on."""
    number = _number(value)
    if number is None or number < 0:
        return value
    for bound, times, parts in _MILLISECONDS:
        if number < bound:
            return spelled(_BEGINNING + timedelta(milliseconds=number * times // parts))
    return value


def _number(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 20:
        return int(value)
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
