"""Every time that the command shows has its zone; those that people type have one, too."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from core.cli.clock import read_time, shown_deadline, shown_time, time_in

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


@pytest.mark.parametrize(
    ("moment", "zone", "shown"),
    [
        ("2026-07-01T18:12:00+00:00", "UTC", "18:12 UTC (6 h 12 min)"),
        ("2026-07-01T18:12:20+00:00", "UTC", "18:12:20 UTC (6 h 12 min)"),
        ("2026-07-01T12:02:30.4+00:00", "UTC", "12:02:30 UTC (2 min 30 s)"),
        ("2026-07-03T14:00:00+00:00", "UTC", "2026-07-03 14:00 UTC (2 d 2 h)"),
        ("2026-07-01T18:12:00+00:00", "Europe/Berlin", "18:12 UTC (20:12 CEST, 6 h 12 min)"),
        ("2026-07-01T11:00:00+00:00", "UTC", "11:00 UTC (0 s)"),
    ],
)
def test_a_deadline_is_shown_with_the_time_that_is_left(moment: str, zone: str, shown: str) -> None:
    assert shown_deadline(datetime.fromisoformat(moment), now=NOW, zone=ZoneInfo(zone)) == shown


@pytest.mark.parametrize(
    ("text", "zone", "moment"),
    [
        ("13:00", "UTC", "2026-07-01T13:00:00+00:00"),
        ("8:00", "UTC", "2026-07-02T08:00:00+00:00"),
        ("12:00", "UTC", "2026-07-02T12:00:00+00:00"),
        ("12:00:01", "UTC", "2026-07-01T12:00:01+00:00"),
        ("13:00", "Europe/Berlin", "2026-07-02T11:00:00+00:00"),
        ("14:30", "Europe/Berlin", "2026-07-01T12:30:00+00:00"),
        ("tomorrow 08:00", "Europe/Berlin", "2026-07-02T06:00:00+00:00"),
        ("wed 13:00", "UTC", "2026-07-01T13:00:00+00:00"),
        ("wed 12:00", "UTC", "2026-07-08T12:00:00+00:00"),
        ("fri 18:00:30", "Europe/Berlin", "2026-07-03T16:00:30+00:00"),
        ("2026-07-02 08:00", "Europe/Berlin", "2026-07-02T06:00:00+00:00"),
        ("2026-07-02T08:00", "Europe/Berlin", "2026-07-02T06:00:00+00:00"),
        ("2026-07-02T08:00:00Z", "Europe/Berlin", "2026-07-02T08:00:00+00:00"),
        ("2026-07-02T08:00:00+05:30", "Europe/Berlin", "2026-07-02T02:30:00+00:00"),
    ],
)
def test_a_time_is_read_in_its_own_zone_or_the_terminals(text: str, zone: str, moment: str) -> None:
    assert read_time(text, now=NOW, zone=ZoneInfo(zone)) == datetime.fromisoformat(moment)


def test_a_time_in_a_zone_has_its_weekday_and_the_zones_name() -> None:
    moment, zone = datetime(2026, 3, 29, 0, 30, tzinfo=UTC), ZoneInfo("Europe/Berlin")
    assert time_in(moment, zone) == "Sun 2026-03-29 01:30 CET"
    assert time_in(moment.replace(hour=1, second=5), zone) == "Sun 2026-03-29 03:30:05 CEST"


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
@pytest.mark.parametrize(
    "moment", [datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)]
)
def test_a_time_at_either_end_of_the_calendar_is_shown(moment: datetime, zone: str) -> None:
    assert " UTC" in shown_time(moment, now=NOW, zone=ZoneInfo(zone))
    assert time_in(moment, ZoneInfo(zone))


def test_a_time_that_the_clocks_show_twice_is_the_next_of_the_two() -> None:
    zone = ZoneInfo("Europe/Berlin")  # at 01:00 UTC the clocks go back from 03:00 to 02:00
    for now, moment in (
        ("2026-10-24T23:00:00+00:00", "2026-10-25T00:30:00+00:00"),
        ("2026-10-25T00:45:00+00:00", "2026-10-25T01:30:00+00:00"),
    ):
        read = read_time("02:30", now=datetime.fromisoformat(now), zone=zone)
        assert read == datetime.fromisoformat(moment)


def test_a_time_that_the_clocks_skip_is_not_before_they_do() -> None:
    zone = ZoneInfo("Europe/Berlin")  # at 01:00 UTC the clocks go from 02:00 to 03:00
    now = datetime.fromisoformat("2026-03-29T00:00:00+00:00")
    assert read_time("02:30", now=now, zone=zone).isoformat() == "2026-03-29T01:30:00+00:00"


@pytest.mark.parametrize(
    "text",
    [
        *("tomorrow", "tomorrow 24:00", "friday 08:00", "fri"),
        *(
            "",
            "8",
            "08.00",
            "24:00",
            "08:60",
            "2026-07-02",
            "2026-02-30 08:00",
            "08:00 CET",
            "0008:00",
        ),
    ],
)
def test_anything_else_is_no_time(text: str) -> None:
    with pytest.raises(
        ValueError, match="is not a time like 08:00, 'fri 08:00', '2026-01-02 08:00' or 2026"
    ):
        read_time(text, now=NOW, zone=ZoneInfo("UTC"))
