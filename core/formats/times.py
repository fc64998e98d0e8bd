"""Times in one spelling, RFC 3339 in UTC with milliseconds, so that the same moment is the same
text by whichever path it came."""

from __future__ import annotations

from datetime import UTC, datetime

from core.domain.event import parse_time


def utc(value: object) -> str | None:
    """The moment that a text names, or None for what names none."""
    if not isinstance(value, str):
        return None
    try:
        return _spelled(parse_time(value))
    except (ValueError, OverflowError):
        return None


def from_unix(seconds: object) -> str | None:
    """The moment so many seconds after 1970, or None for what is no such number."""
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        return None
    try:
        return _spelled(datetime.fromtimestamp(seconds, UTC))
    except (ValueError, OverflowError, OSError):
        return None


def _spelled(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
