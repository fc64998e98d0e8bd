"""Moments as senders write them, RFC 3339 text or a number since 1970 in whatever unit, and on the
clocks of a zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Final

_UNITS: Final = ((10**11, 1), (10**14, 10**3), (10**17, 10**6), (10**20, 10**9))
"""For seconds to nanoseconds, the bound below which a number has the unit, and how many of it are a
second. No two units overlap before the year 5138."""
_NUMBER: Final = re.compile(r"-?\d{1,20}(\.\d{1,20})?", re.ASCII)
"""Of text: neither exponents, which could take all memory, nor words for what is no number."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def epoch_moment(value: object, *, per_second: int | None = None) -> datetime | None:
    """The moment of a number since 1970, or of its text, in milliseconds. None for anything else.

    `per_second` is how many of the number's unit are a second. Where it is None, the number is not
    negative, and its size says whether it counts seconds, milliseconds, microseconds or
    nanoseconds."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        return None
    number = Decimal(value)
    if not number.is_finite():
        return None
    if per_second is None:
        per_second = _unit_of(number)
    if per_second is None:
        return None
    try:
        return _EPOCH + timedelta(milliseconds=int(number * 1000 / per_second))
    except OverflowError:
        return None


def _unit_of(number: Decimal) -> int | None:
    if number < 0:
        return None
    return next((per_second for bound, per_second in _UNITS if number < bound), None)


def in_zone(moment: datetime, zone: tzinfo | None) -> datetime:
    """The moment on the clocks of a zone, the system's by default; as it is on the calendar's first
    and last day, where they would be on no day."""
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return moment
