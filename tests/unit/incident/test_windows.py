from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.windows import Day, Hours, Span

BERLIN = "Europe/Berlin"


def at(text: str, zone: str = "UTC") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


NIGHT = Hours(start="22:00", end="06:00")
LUNCH = Hours(days=(Day.MONDAY, Day.FRIDAY), start="12:00", end="13:00")
SATURDAY = Hours(days=(Day.SATURDAY,), start="00:00", end="00:00")


@pytest.mark.parametrize(
    ("hours", "now", "until"),
    [
        (NIGHT, "2026-01-05T21:59", None),
        (NIGHT, "2026-01-05T22:00", "2026-01-06T06:00"),
        (NIGHT, "2026-01-06T05:59", "2026-01-06T06:00"),
        (NIGHT, "2026-01-06T06:00", None),
        (LUNCH, "2026-01-05T12:30", "2026-01-05T13:00"),
        (LUNCH, "2026-01-06T12:30", None),
        (LUNCH, "2026-01-09T12:30", "2026-01-09T13:00"),
        (SATURDAY, "2026-01-10T00:00", "2026-01-11T00:00"),
        (SATURDAY, "2026-01-10T23:59", "2026-01-11T00:00"),
        (SATURDAY, "2026-01-11T00:00", None),
    ],
)
def test_hours_are_local_and_may_pass_midnight(hours: Hours, now: str, until: str | None) -> None:
    expected = at(until, BERLIN) if until else None
    assert hours.until(at(now, BERLIN), BERLIN) == expected


def test_a_night_belongs_to_the_day_on_which_it_starts() -> None:
    friday = Hours(days=(Day.FRIDAY,), start="22:00", end="06:00")
    assert friday.until(at("2026-01-10T05:00"), "UTC") == at("2026-01-10T06:00")
    assert friday.until(at("2026-01-09T05:00"), "UTC") is None


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-03-28T23:00", "2026-03-29T04:00"),  # the clock goes from 02:00 to 03:00
        ("2026-10-24T23:00", "2026-10-25T05:00"),  # and from 03:00 back to 02:00
    ],
)
def test_hours_follow_the_clock_between_summer_and_winter(now: str, until: str) -> None:
    assert NIGHT.until(at(now, BERLIN), BERLIN) == at(until)


@given(
    st.integers(0, 366 * 1440).map(lambda n: at("2026-01-01T00:00") + timedelta(minutes=n)),
    st.times(),
    st.times(),
    st.sets(st.sampled_from(list(Day)), min_size=1),
    st.sampled_from([BERLIN, "UTC", "America/New_York", "Asia/Kolkata"]),
)
def test_the_end_of_hours_is_ahead_and_outside(
    now: datetime, start: object, end: object, days: set[Day], zone: str
) -> None:
    minutes = [f"{moment:%H:%M}" for moment in (start, end)]
    hours = Hours(days=tuple(days), start=minutes[0], end=minutes[1])
    until = hours.until(now, zone)
    if until is not None:
        assert now < until <= now + timedelta(hours=26)
    assert Hours.model_validate_json(hours.model_dump_json(by_alias=True)) == hours
    assert Hours.model_validate_json(hours.model_dump_json()) == hours


def test_a_span_ends_before_its_last_moment() -> None:
    span = Span(start=at("2026-01-01T00:00"), end=at("2026-01-02T00:00"))
    assert span.until(at("2025-12-31T23:59")) is None
    assert span.until(at("2026-01-01T00:00")) == span.end
    assert span.until(at("2026-01-02T00:00")) is None


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"from": 1320, "to": "06:00"}, "not a time of day in quotes"),
        ({"from": "24:00", "to": "06:00"}, "not a time of day in quotes"),
        ({"from": "9:00", "to": "06:00"}, "not a time of day in quotes"),
        ({"from": "22:00"}, "Field required"),
        ({"from": "22:00", "to": "06:00", "days": ["monday"]}, "Input should be 'mon', 'tue'"),
    ],
)
def test_invalid_hours_are_refused(fields: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Hours.model_validate(fields)
