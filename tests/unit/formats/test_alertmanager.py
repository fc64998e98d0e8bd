from __future__ import annotations

import sys
from datetime import UTC, datetime
from types import FrameType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.domain.alert import AlertStatus, read_alert
from core.domain.event import Event, encode
from core.domain.signalled import SIGNAL_BYTES, signalled
from core.formats.registry import read
from core.formats.shared.delivery import Malformed
from core.formats.shared.prometheus import fingerprint
from tests.support.webhook_payloads import (
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

LINKS = {
    "source": "https://prometheus.example.com/graph?g0.expr=checkout%3Alatency%3Ap99+%3E+8&g0.tab=1",
    "runbook": "https://runbooks.example.com/checkout-latency",
}
FIRING = payload("alertmanager", "firing")
RESOLVED = payload("alertmanager", "resolved")
MIXED = payload("alertmanager", "mixed-group-truncated")


LABELS = st.dictionaries(st.text(max_size=6), st.text(max_size=6), min_size=1, max_size=4)


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
        "links": LINKS,
        "labels": FIRING["alerts"][0]["labels"],
        "truncated": 0,
        "replicated": True,
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
    assert event(sent("alertmanager", RESOLVED)).time == "2026-01-02T03:31:05.678Z"


def test_each_alert_of_a_group_has_its_own_status() -> None:
    first, second, third = events(sent("alertmanager", MIXED))
    one, other = read_alert(first), read_alert(second)
    assert (one.status, other.status) == (AlertStatus.FIRING, AlertStatus.RESOLVED)
    assert (one.truncated, other.truncated) == (12, 12)
    assert one.service == "node"
    assert other.title == "DiskWillFill"
    assert one.links == {"source": "http://alertmanager-0:9093"}
    assert read_alert(third).key == "448881ef475b9b26"  # made of its labels


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


def test_what_the_source_says_twice_are_two_events_whatever_their_content() -> None:
    first, again = (event(sent("alertmanager", FIRING, unique=unique)) for unique in ("1", "2"))
    assert first.key != again.key
    assert first.unidentified
    assert first.subject == again.subject


def test_a_delivery_with_an_id_of_its_own_is_recognised_and_each_alert_by_its_place() -> None:
    first, again = (
        events(sent("alertmanager", storm(2), unique=unique, id="d-1")) for unique in ("1", "2")
    )
    assert first == again
    assert not first[0].unidentified
    other = events(sent("alertmanager", storm(2), id="d-2"))
    assert len({one.key for one in (*first, *other)}) == 4


def test_two_webhooks_may_have_the_same_fingerprint_and_delivery_id() -> None:
    eu, us = (event(sent("alertmanager", FIRING, hook=hook, id="d-1")) for hook in ("eu", "us"))
    assert eu.key != us.key
    assert (eu.way, eu.scope) == ("webhook:eu", "webhook:eu")
    assert eu.data["key"] == us.data["key"]


@pytest.mark.parametrize("start", [None, "", "0001-01-01T00:00:00Z", ["x"]])
def test_an_alert_without_a_start_is_an_alert(start: Any) -> None:
    result = alert(sent("alertmanager", changed(FIRING, "alerts", 0, "startsAt", to=start)))
    assert result.starts_at is None
    assert result.remarks


def test_a_recovery_older_than_its_firing_keeps_the_times_of_its_source() -> None:
    body = changed(RESOLVED, "alerts", 0, "endsAt", to="2026-01-01T00:00:00Z")
    result = alert(sent("alertmanager", body))
    assert result.starts_at is not None
    assert result.ends_at is not None
    assert result.ends_at < result.starts_at


# ---------------------------------------------------------------------------- fingerprint


def test_a_fingerprint_that_was_left_out_is_made_of_the_labels_as_prometheus_makes_it() -> None:
    # The first two are of prometheus/common's own tests.
    assert fingerprint({"name": "garland, briggs", "fear": "love is not enough"}) == (
        f"{5799056148416392346:016x}"
    )
    assert fingerprint(
        {"first_name": "electro", "occupation": "robot", "manufacturer": "westinghouse"}
    ) == (f"{5911716720268894962:016x}")
    labels = FIRING["alerts"][0]["labels"]
    made = event(sent("alertmanager", without(FIRING, "alerts", 0, "fingerprint")))
    assert made.data["key"] == fingerprint(labels)
    shuffled = changed(FIRING, "alerts", 0, "labels", to=dict(reversed(labels.items())))
    again = event(sent("alertmanager", without(shuffled, "alerts", 0, "fingerprint")))
    assert again.data["key"] == made.data["key"]


@given(LABELS, LABELS)
@example({"a": "bc"}, {"ab": "c"})
@example({"a": "b", "c": "d"}, {"a": "b"})
def test_different_labels_have_different_fingerprints(
    one: dict[str, str], other: dict[str, str]
) -> None:
    assert (fingerprint(one) == fingerprint(other)) == (one == other)


@pytest.mark.parametrize("value", [None, "", " ", True, ["x"], {}])
def test_a_missing_or_unusable_fingerprint_is_made_of_the_labels(value: Any) -> None:
    body = changed(FIRING, "alerts", 0, "fingerprint", to=value)
    result = alert(sent("alertmanager", body))
    assert result.key == fingerprint(FIRING["alerts"][0]["labels"])


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


@pytest.mark.parametrize("labels", [None, {}, "x", ["x"]])
def test_an_alert_without_fingerprint_and_labels_is_refused_and_the_others_go_on(
    labels: Any,
) -> None:
    body = changed(without(MIXED, "alerts", 0, "fingerprint"), "alerts", 0, "labels", to=labels)
    first, second, _ = items(sent("alertmanager", body))
    assert isinstance(first, Malformed)
    assert first.error.message.startswith("alerts[0].fingerprint: ")
    assert "has no key" in str(first.error)
    assert isinstance(second, Event)


def test_a_long_key_and_a_megabyte_of_labels_are_read_and_fit_into_a_signal() -> None:
    labels = {f"label{n}": "é" * 500 for n in range(1000)}
    body = changed(FIRING, "alerts", 0, "labels", to=labels)
    keys = ["k" * 10_000 + end for end in ("1", "2")]
    one, other = (
        event(sent("alertmanager", changed(body, "alerts", 0, "fingerprint", to=key)))
        for key in keys
    )
    assert [one.data["key"], other.data["key"]] == keys
    assert one.data["labels"] == labels
    [first, second] = [signalled(each) for each in (one, other)]
    assert max(len(encode(wire)) for wire in (first, second)) <= SIGNAL_BYTES
    assert first["data"]["key"] != second["data"]["key"]


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
    place = [2 * len(str(n)) for n in range(1000)]  # in its ID and in its key
    sizes = [one.size for one in events(sent("alertmanager", body))]
    assert {size - own for size, own in zip(sizes, place, strict=True)} == {alone.size - 2}


@pytest.mark.parametrize(
    ("field", "sent_as", "name", "value"),
    [
        ("status", ["firing"], "status", "['firing']"),
        ("status", True, "status", "true"),
        ("startsAt", 1767323045, "starts_at", "1767323045"),
        ("endsAt", {}, "ends_at", "{}"),
        ("labels", {"replica": 1, "tags": ["a"]}, "labels", {"replica": 1, "tags": ["a"]}),
        ("labels", ["a"], "labels", None),
    ],
)
def test_a_field_of_another_type_is_still_one_that_a_typed_worker_can_read(
    field: str, sent_as: object, name: str, value: object
) -> None:
    body = changed(FIRING, "alerts", 0, field, to=sent_as)
    data = event(sent("alertmanager", body)).data
    assert data.get(name) == value
    assert data["original"]["alerts"][0][field] == sent_as


@pytest.mark.parametrize(("count", "left_out"), [(3, 3), (True, 1), ("many", 1), ([], 1)])
def test_a_count_of_alerts_that_were_left_out_is_a_number(count: object, left_out: int) -> None:
    found = event(sent("alertmanager", FIRING | {"truncatedAlerts": count}))
    assert type(found.data["truncated"]) is int
    assert found.data["truncated"] == left_out


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
