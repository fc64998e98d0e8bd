from __future__ import annotations

import sys
from datetime import UTC, datetime
from types import FrameType
from typing import Any

import pytest

from core.domain.alert import AlertStatus, read_alert
from core.domain.event import Event
from core.formats.registry import read
from core.formats.shared.delivery import Malformed
from tests.support.webhook_payloads import (
    NEXT_PERIOD,
    alert,
    body_of,
    changed,
    event,
    events,
    items,
    payload,
    refusal,
    sent,
    without,
)

FIRING = payload("alertmanager", "firing")
RESOLVED = payload("alertmanager", "resolved")
MIXED = payload("alertmanager", "mixed-group-truncated")


def key(body: Any, **delivery: str) -> str:
    return event(sent("alertmanager", body, **delivery)).key


def test_a_firing_alert_is_read_whole() -> None:
    result = alert(sent("alertmanager", body_of("alertmanager", "firing")))
    assert result.model_dump() == {
        "key": "c6eadffa33fcdf37",
        "status": AlertStatus.FIRING,
        "title": "Checkout p99 above 8 s",
        "source": "alertmanager",
        "severity": "page",
        "service": "checkout",
        "summary": (
            "The 99th percentile of the checkout's latency has been above 8 s for 5 minutes."
        ),
        "starts_at": datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
        "ends_at": None,
        "link": (
            "https://prometheus.example.com/graph?g0.expr=checkout%3Alatency%3Ap99+%3E+8&g0.tab=1"
        ),
        "labels": FIRING["alerts"][0]["labels"],
        "truncated": 0,
        "remarks": (),
    }


def test_a_resolved_alert_has_an_end_and_the_same_key() -> None:
    result = alert(sent("alertmanager", RESOLVED))
    assert result.status is AlertStatus.RESOLVED
    assert result.key == "c6eadffa33fcdf37"
    assert result.ends_at == datetime(2026, 1, 2, 3, 31, 5, 678000, tzinfo=UTC)
    assert result.remarks == ()


def test_the_event_names_its_webhook_its_alert_and_its_time() -> None:
    result = event(sent("alertmanager", FIRING, hook="eu"))
    assert (result.source, result.subject) == ("webhook:eu", "c6eadffa33fcdf37")
    assert result.time == "2026-01-02T03:04:05.678Z"
    assert not result.unidentified
    assert event(sent("alertmanager", RESOLVED)).time == "2026-01-02T03:31:05.678Z"


def test_each_alert_of_a_group_has_its_own_status() -> None:
    first, second, third = items(sent("alertmanager", MIXED))
    assert isinstance(first, Event)
    assert isinstance(second, Event)
    one, other = read_alert(first), read_alert(second)
    assert (one.status, other.status) == (AlertStatus.FIRING, AlertStatus.RESOLVED)
    assert (one.truncated, other.truncated) == (12, 12)
    assert one.service == "node"
    assert other.title == "DiskWillFill"
    assert one.link == "http://alertmanager-0:9093"
    assert isinstance(third, Malformed)
    assert third.error.message.startswith("alerts[2].fingerprint: ")


def test_the_original_is_the_delivery_with_this_alert_alone() -> None:
    original = event(sent("alertmanager", FIRING)).data["original"]
    assert original["alerts"] == FIRING["alerts"]
    assert original["groupKey"] == '{}:{alertname="CheckoutLatencyHigh"}'
    assert original["receiver"] == "tidegate"


def test_unknown_fields_of_the_group_and_of_the_alert_are_kept() -> None:
    body = changed(changed(FIRING, "mood", to="bad"), "alerts", 0, "colour", to={"is": "red"})
    original = event(sent("alertmanager", body)).data["original"]
    assert original["mood"] == "bad"
    assert original["alerts"][0]["colour"] == {"is": "red"}


# ------------------------------------------------------------------------------- identity


def test_a_redelivery_and_the_other_half_of_a_pair_are_the_same_event() -> None:
    other = changed(FIRING, "externalURL", to="https://alertmanager-b.example.com")
    assert key(FIRING, unique="1") == key(other, unique="2")
    assert key(RESOLVED, unique="1") == key(RESOLVED, unique="2")


def test_an_alert_that_still_fires_in_the_next_period_is_another_event() -> None:
    assert key(FIRING) != key(FIRING, period=NEXT_PERIOD)


def test_a_resolved_alert_is_one_event_in_every_period() -> None:
    assert key(RESOLVED) == key(RESOLVED, period=NEXT_PERIOD)


def test_an_alert_that_fires_again_later_is_another_event() -> None:
    again = changed(FIRING, "alerts", 0, "startsAt", to="2026-01-02T03:12:00Z")
    ended = changed(RESOLVED, "alerts", 0, "endsAt", to="2026-01-02T03:40:00Z")
    assert len({key(FIRING), key(again), key(RESOLVED), key(ended)}) == 4


def test_two_webhooks_may_have_the_same_fingerprint() -> None:
    assert key(FIRING, hook="eu") != key(FIRING, hook="us")


@pytest.mark.parametrize("start", [None, "", "0001-01-01T00:00:00Z", ["x"]])
def test_an_alert_without_a_start_is_unidentified(start: Any) -> None:
    body = changed(FIRING, "alerts", 0, "startsAt", to=start)
    result = event(sent("alertmanager", body, unique="u"))
    assert result.unidentified
    assert result.key != key(body, unique="v")
    assert read_alert(result).remarks


# ------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize("name", ["status", "labels", "annotations", "startsAt", "generatorURL"])
@pytest.mark.parametrize("value", [None, 7, "x", ["x"], {"x": [1]}])
def test_no_other_field_that_is_missing_or_wrong_refuses_an_alert(name: str, value: Any) -> None:
    result = alert(sent("alertmanager", changed(FIRING, "alerts", 0, name, to=value)))
    assert result.key == "c6eadffa33fcdf37"
    assert result.status is AlertStatus.FIRING
    assert alert(sent("alertmanager", without(FIRING, "alerts", 0, name))).status == result.status


def test_an_unknown_status_counts_as_firing_with_a_remark() -> None:
    result = alert(sent("alertmanager", changed(FIRING, "alerts", 0, "status", to="suppressed")))
    assert result.status is AlertStatus.FIRING
    assert result.remarks == ("its status is 'suppressed', taken as firing",)


@pytest.mark.parametrize("value", [None, "", " ", "\x1b\u202e", True, ["x"], {}])
def test_an_alert_without_a_fingerprint_is_refused_and_the_others_go_on(value: Any) -> None:
    body = changed(MIXED, "alerts", 0, "fingerprint", to=value)
    first, second, _ = items(sent("alertmanager", body))
    assert isinstance(first, Malformed)
    assert "has no key" in str(first.error)
    assert isinstance(second, Event)


def test_an_alert_that_is_not_an_object_is_refused_alone() -> None:
    first, second = items(sent("alertmanager", {"alerts": ["x", *FIRING["alerts"]]}))
    assert isinstance(first, Malformed)
    assert first.error.message == "alerts[0] is not a JSON object"
    assert isinstance(second, Event)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ([], "the body is an array, not a JSON object"),
        ({}, "its `alerts` are missing"),
        ({"alerts": {"status": "firing"}}, "its `alerts` are not an array"),
        (b"alerts=1", "not JSON"),
    ],
)
def test_a_body_of_another_shape_is_refused_with_what_was_expected(
    body: object, expected: str
) -> None:
    assert expected in refusal(sent("alertmanager", body)).message


def storm(count: int) -> dict[str, Any]:
    [one] = FIRING["alerts"]
    return {**FIRING, "alerts": [{**one, "fingerprint": f"{n:016x}"} for n in range(count)]}


def test_a_thousand_alerts_in_one_delivery_are_a_thousand_events_in_their_order() -> None:
    result = events(sent("alertmanager", storm(1000)))
    assert [one.subject for one in result] == [f"{n:016x}" for n in range(1000)]
    assert len({one.key for one in result}) == 1000


def test_an_event_does_not_grow_with_the_size_of_its_batch() -> None:
    body = storm(1000)
    body["commonAnnotations"] = {"description": "x" * 100_000}
    alone, *_ = events(sent("alertmanager", storm(1)))
    assert {one.size for one in events(sent("alertmanager", body))} == {alone.size}


def test_a_thousand_alerts_cost_ten_times_what_a_hundred_cost() -> None:
    def calls(count: int) -> int:
        """How many function calls it takes to read so many alerts: the same on any machine."""
        delivery, made = sent("alertmanager", storm(count)), 0

        def counted(frame: FrameType, what: str, argument: object) -> None:
            nonlocal made
            made += what in ("call", "c_call")

        before = sys.getprofile()
        sys.setprofile(counted)
        try:
            read(delivery)
        finally:
            sys.setprofile(before)
        return made

    calls(1)  # loads lazy imports
    assert 1000 < calls(1000) < 10.5 * calls(100)
