"""Times in one form, RFC 3339 in UTC with milliseconds, so that the same moment is the same text by
every path."""

from __future__ import annotations

from datetime import UTC, datetime

from core.domain.event import parse_time
from core.domain.times import epoch_moment


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


def assumed_utc(value: object) -> object:
    """The value; text that is a time but for its zone gets that of UTC, for senders whose times are
    in UTC whether they say so or not."""
    if isinstance(value, str) and utc(value) is None and utc(f"{value}Z") is not None:
        return f"{value}Z"
    return value


def from_epoch(value: object, *, per_second: int | None = None) -> object:
    """A time since 1970 in that form, as `epoch_moment` reads it. Anything else is returned as it
    is, for the domain to remark on."""
    moment = epoch_moment(value, per_second=per_second)
    return value if moment is None else format_time(moment)
