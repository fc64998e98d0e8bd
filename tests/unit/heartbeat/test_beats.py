"""Which events are beats, and what they say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.domain.event import ALERT, HEARTBEAT, Event
from core.domain.heartbeat.beats import OLDEST, how_it_ended, read_beat
from core.domain.heartbeat.declaration import HeartbeatRule
from core.domain.heartbeat.model import Heartbeat
from core.domain.heartbeat.names import OUTPUT_CHARS
from core.domain.heartbeat.witnesses import sighting_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def event(type: str = HEARTBEAT, data: Any = None, time: str | None = None) -> Event:
    return Event(id="1", source="s", type=type, key="k", data=data, time=time)


@pytest.mark.parametrize(
    "other",
    [
        event("com.example.anything"),
        event(ALERT, {"key": "a", "status": "firing"}),
        event(ALERT, "no alert at all"),
        event(HEARTBEAT, None),
        event(HEARTBEAT, {"status": "ok"}),
    ],
)
def test_whatever_arrives_is_a_beat(other: Event) -> None:
    beat = read_beat(other, NOW)
    assert beat
    assert (beat.at, beat.key, beat.failed) == (NOW, "k", False)


def test_a_resolved_alert_is_no_beat() -> None:
    assert read_beat(event(ALERT, {"key": "a", "status": "resolved"}), NOW) is None


def test_it_was_heard_when_it_was_received() -> None:
    beat = read_beat(event(time="2026-03-01T11:58:00Z"), NOW)
    assert beat
    assert beat.at == NOW - timedelta(minutes=2)


def test_what_claims_to_be_of_the_future_was_heard_now() -> None:
    beat = read_beat(event(time="2030-03-01T11:58:00Z"), NOW)
    assert beat
    assert beat.at == NOW


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "1970-01-01T00:00:00Z"])
def test_what_claims_to_be_very_old_can_be_counted_from(time: str) -> None:
    """As a witness, too: of one that cannot say when it is due, nobody learns anything."""
    declaration = HeartbeatRule.model_validate({"every": "5m"}).declared("backup")
    beat = read_beat(event(time=time), NOW)
    assert beat
    assert beat.at == NOW - OLDEST
    sighting = sighting_of(Heartbeat(name="backup", since=NOW, declaration=declaration, beat=beat))
    assert sighting
    assert sighting.due == NOW - OLDEST + timedelta(minutes=5)


def test_the_time_of_any_other_event_is_its_senders_matter() -> None:
    beat = read_beat(event("com.example.anything", time="2026-01-01T00:00:00Z"), NOW)
    assert beat
    assert beat.at == NOW


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"status": "failed", "exit_code": 3}, "it ended with exit code 3"),
        ({"status": "failed"}, "its last beat says so"),
        ({"status": "errored"}, "its status is 'errored'"),
        ({"status": ["failed"]}, "its status is ['failed']"),
    ],
)
def test_a_status_that_is_not_ok_has_failed(data: Any, text: str) -> None:
    beat = read_beat(event(data=data), NOW)
    assert beat
    assert beat.failed
    assert how_it_ended(beat) == text


def test_details_are_bounded() -> None:
    data = {"status": "failed", "exit_code": 10**20, "duration": -1, "output": "\x1b" + "x" * 9_999}
    beat = read_beat(event(data=data), NOW)
    assert beat
    assert (beat.exit_code, beat.duration) == (None, None)
    assert beat.output == "x" * OUTPUT_CHARS
