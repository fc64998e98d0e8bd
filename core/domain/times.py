"""Moments as senders write them: RFC 3339 text, or a number since 1970 in whatever unit."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

_UNITS: Final = ((10**11, 1), (10**14, 10**3), (10**17, 10**6), (10**20, 10**9))
"""For seconds to nanoseconds, the bound below which a number has the unit, and how many of it are a
second. No two units overlap before the year 5138."""
_NUMBER: Final = re.compile(r"\d{1,20}(\.\d{1,9})?", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def epoch_moment(value: object) -> datetime | None:
    """The moment of a number since 1970, or of its text, in milliseconds: its size says whether it
    counts seconds, milliseconds, microseconds or nanoseconds. None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        return None
    number = Decimal(value)
    if not number.is_finite() or number < 0:
        return None
    for bound, per_second in _UNITS:
        if number < bound:
            return _EPOCH + timedelta(milliseconds=int(number * 1000 / per_second))
    return None
