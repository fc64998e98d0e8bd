"""Time zones: when their clocks change, and the one of this process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest

FIRST: Final = datetime(2024, 1, 1, tzinfo=UTC)
LAST: Final = datetime(2030, 12, 1, tzinfo=UTC)
_STEP: Final = timedelta(hours=12)


def clock_changes(zone: str) -> list[datetime]:
    """The half-days before which the clocks of a zone change, 2024 to 2030."""
    place, moment, found = ZoneInfo(zone), FIRST, []
    while moment < LAST:
        after = moment + _STEP
        if moment.astimezone(place).utcoffset() != after.astimezone(place).utcoffset():
            found.append(moment)
        moment = after
    return found


@contextmanager
def in_zone(name: str) -> Iterator[None]:
    """Within the block times are those of a terminal in this zone."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TZ", name)
        time.tzset()
        yield
    time.tzset()
