"""Times in one form, RFC 3339 in UTC with milliseconds, so that the same moment is the same text by
every path."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from core.domain.event import parse_time

_MILLISECONDS: Final = ((10**11, 1_000, 1), (10**14, 1, 1), (10**17, 1, 1_000), (10**20, 1, 10**6))
"""For each unit, seconds to nanoseconds: the bound below which numbers since 1970 have it, and the
factor and divisor to milliseconds. No two units overlap before the year 5138."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def format_time(moment: datetime) -> str:
    """The moment as text. Raises OverflowError outside the years 1 to 9999."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def utc(value: object) -> str | None:
    """An RFC 3339 time in that form, or None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        return format_time(parse_time(value))
    except (ValueError, OverflowError):
        return None


def from_epoch(value: object) -> object:
    """A time since 1970, as a number or its text in any unit, in that form. Anything else is
    returned as it is, for the domain to remark on."""
    number = _number(value)
    if number is None or number < 0:
        return value
    for bound, factor, divisor in _MILLISECONDS:
        if number < bound:
            return format_time(_EPOCH + timedelta(milliseconds=number * factor // divisor))
    return value


def _number(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 20:
        return int(value)
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
