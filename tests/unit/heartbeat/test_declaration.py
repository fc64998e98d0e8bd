"""What can be declared of a heartbeat, and when it is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.domain.heartbeat.declaration import EARLY, Declaration, HeartbeatRule

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def declared(**rule: Any) -> Declaration:
    return HeartbeatRule.model_validate(rule).declared("backup")


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({}, "a heartbeat has either `every` or `cron`"),
        ({"every": "1h", "cron": "0 3 * * *"}, "a heartbeat has either `every` or `cron`"),
        ({"every": "59s"}, "less than a minute"),
        ({"every": "401d"}, "more than 400 days"),
        ({"every": "1h", "grace": "401d"}, "more than 400 days"),
        ({"every": "1h", "time_zone": "UTC"}, "`time_zone` is for a cron expression"),
        ({"cron": "0 3 * *"}, "a cron expression has five fields"),
        ({"cron": "0 0 3 * * *"}, "a cron expression has five fields"),
        ({"cron": "0 25 * * *"}, "'0 25 * * *' is not a cron expression: bad hour"),
        ({"cron": "0 0 30 2 *"}, "is not a cron expression: bad day-of-month"),
        ({"cron": ",".join("1" * 60) + " * * * *"}, "at most 100 characters"),
        ({"cron": "0 3 * * *", "time_zone": "Berlin"}, "'Berlin' is not a time zone"),
        ({"every": "1h", "severity": "bad"}, "Input should be 'critical'"),
        ({"every": "1h", "labels": {"a b": "c"}}, "String should match pattern"),
        ({"every": "1h", "labels": {f"l{n}": "x" for n in range(21)}}, "at most 20 items"),
        ({"every": "1h", "evrey": "1h"}, "Extra inputs are not permitted"),
    ],
)
def test_what_is_not_a_heartbeat_is_refused(rule: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError) as refused:
        HeartbeatRule.model_validate(rule)
    assert why in str(refused.value)


def test_the_shortest_period_is_a_minute() -> None:
    assert declared(every="1m").period(NOON) == timedelta(minutes=1)


def test_it_may_have_no_grace() -> None:
    assert declared(every="1m", grace="0s").lateness == timedelta(0)


def test_an_interval_is_due_after_the_last_beat() -> None:
    assert declared(every="90m").due(NOON) == NOON + timedelta(minutes=90)


def test_a_cron_expression_is_due_on_the_clocks_of_its_zone() -> None:
    nightly = declared(cron="30 2 * * *", time_zone="Europe/Berlin")
    before = datetime(2026, 3, 27, 12, tzinfo=UTC)
    first = nightly.due(before)
    on_the_day = nightly.due(first)  # 02:30 does not exist: the clocks go from 02:00 to 03:00
    after = nightly.due(on_the_day)
    assert [f"{each:%d %H:%M}" for each in (first, on_the_day, after)] == [
        "28 01:30",
        "29 01:00",
        "30 00:30",
    ]


def test_a_time_that_is_there_twice_is_due_once() -> None:
    nightly = declared(cron="30 2 * * *", time_zone="Europe/Berlin")
    first = nightly.due(datetime(2026, 10, 24, 12, tzinfo=UTC))
    assert f"{first:%d %H:%M}" == "25 00:30"
    between = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # 02:10 for the second time
    assert f"{nightly.due(between):%d %H:%M}" == "26 01:30"


def test_a_beat_a_little_early_counts_for_its_moment() -> None:
    nightly = declared(cron="0 3 * * *")
    three = datetime(2026, 3, 1, 3, tzinfo=UTC)
    assert nightly.due(three - EARLY) == three + timedelta(days=1)
    assert nightly.due(three - EARLY - timedelta(seconds=1)) == three


@given(
    st.sampled_from(["0 3 * * *", "*/15 * * * *", "30 2 * * MON", "0 */6 1 * *", "5 1-3 * * *"]),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]),
    st.integers(0, 6 * 365 * 24 * 60),
)
def test_it_is_always_due_later_and_at_a_time_of_the_expression(
    cron: str, zone: str, minutes: int
) -> None:
    after = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    due = declared(cron=cron, time_zone=zone).due(after)
    assert after < due <= after + timedelta(days=63)
    if cron == "0 3 * * *":  # no zone here has no 03:00
        assert due.astimezone(ZoneInfo(zone)).strftime("%H:%M") == "03:00"


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({"every": "5m"}, "every 5m"),
        ({"every": "90s"}, "every 90s"),
        ({"every": "36h"}, "every 36h"),
        ({"every": "7d"}, "every 7d"),
        ({"cron": "0 3 * * *"}, "0 3 * * * (UTC)"),
    ],
)
def test_it_is_written_as_people_write_it(rule: dict[str, Any], text: str) -> None:
    assert declared(**rule).text() == text
