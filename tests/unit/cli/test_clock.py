"""Every time that the command shows has its zone."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from core.cli.clock import shown_time

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "zone", "shown"),
    [
        ("2026-07-01T08:00:00+00:00", "UTC", "08:00 UTC"),
        ("2026-07-01T08:00:05+00:00", "UTC", "08:00:05 UTC"),
        ("2026-07-01T10:00:00+02:00", "UTC", "08:00 UTC"),
        ("2026-07-02T08:00:00+00:00", "UTC", "2026-07-02 08:00 UTC"),
        ("2026-07-01T08:00:00+00:00", "Europe/Berlin", "08:00 UTC (10:00 CEST)"),
        ("2026-07-01T23:00:00+00:00", "Europe/Berlin", "23:00 UTC (2026-07-02 01:00 CEST)"),
        ("2026-07-02T08:00:00+00:00", "Europe/Berlin", "2026-07-02 08:00 UTC (10:00 CEST)"),
        ("2026-01-01T08:00:00+00:00", "Europe/London", "2026-01-01 08:00 UTC"),
    ],
)
def test_a_time_is_shown_in_utc_and_in_the_terminals_zone(
    moment: str, zone: str, shown: str
) -> None:
    assert shown_time(datetime.fromisoformat(moment), now=NOW, zone=ZoneInfo(zone)) == shown
