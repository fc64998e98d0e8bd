"""Times in one spelling, RFC 3339 in UTC with milliseconds, so that the same moment is the same
text by whichever path it came."""

from __future__ import annotations

from datetime import UTC

from core.domain.event import parse_time


def utc(value: object) -> str | None:
    """The moment that a text names, or None for what names none."""
    if not isinstance(value, str):
        return None
    try:
        moment = parse_time(value).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
