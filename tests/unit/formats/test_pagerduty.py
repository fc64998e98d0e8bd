from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from core.domain.alert import AlertStatus, read_alert
from core.domain.event import encode
from core.formats.pagerduty import reply
from core.formats.registry import kept_body
from core.formats.shared.delivery import Delivery
from tests.support.webhook_payloads import (
    PAYLOADS,
    alert,
    body_of,
    event,
    events,
    items,
    payload,
    refusal,
    sent,
    without,
)

TRIGGER = payload("pagerduty", "trigger")
RESOLVE = payload("pagerduty", "resolve")
ANONYMOUS = payload("pagerduty", "trigger-without-dedup-key")


def test_a_trigger_is_read_whole() -> None:
    read = alert(sent("pagerduty", body_of("pagerduty", "trigger")))
    assert read.model_dump() == {
        "key": "web-3.example.com/disk",
        "status": AlertStatus.FIRING,
        "title": "DISK on web-3.example.com is CRITICAL: 97 % of /var is used",
        "source": "pagerduty",
        "severity": "critical",
        "service": "disk",
        "summary": None,
        "starts_at": datetime(2026, 1, 2, 3, 4, 5, 315000, tzinfo=UTC),
        "ends_at": None,
        "links": {
            "source": "https://monitoring.example.com",
            "what to do": "https://runbooks.example.com/disk-full",
            "free space of /var": "https://monitoring.example.com/hosts/web-3",
        },
        "labels": {
            "source": "web-3.example.com",
            "component": "disk",
            "group": "prod-web",
            "class": "disk full",
        },
        "truncated": 0,
        "replicated": False,
        "remarks": (),
    }


def test_a_resolve_needs_nothing_but_the_key() -> None:
    read = alert(sent("pagerduty", body_of("pagerduty", "resolve")))
    assert (read.key, read.status) == ("web-3.example.com/disk", AlertStatus.RESOLVED)


def test_a_resolve_with_a_time_has_an_end_and_no_start() -> None:
    read = alert(sent("pagerduty", {**TRIGGER, "event_action": "resolve"}))
    assert read.starts_at is None
    assert read.ends_at == datetime(2026, 1, 2, 3, 4, 5, 315000, tzinfo=UTC)


def test_an_acknowledgement_is_neither_an_event_nor_an_error() -> None:
    assert items(sent("pagerduty", body_of("pagerduty", "acknowledge"))) == []


def test_without_a_component_the_source_is_the_service() -> None:
    read = alert(sent("pagerduty", without(TRIGGER, "payload", "component")))
    assert read.service == "web-3.example.com"


@pytest.mark.parametrize("name", [name for format, name in PAYLOADS if format == "pagerduty"])
def test_the_routing_key_is_kept_nowhere(name: str) -> None:
    for result in events(sent("pagerduty", body_of("pagerduty", name))):
        assert b"not-a-real-routing-key" not in encode(result.to_wire())


def test_an_original_without_a_routing_key_is_kept_byte_for_byte() -> None:
    body = b'{ "mood": "bad", "mood": "worse" }'
    assert kept_body(Delivery(format="pagerduty", body=body, unique="u")) == body


def test_everything_else_is_kept() -> None:
    original = event(sent("pagerduty", {**TRIGGER, "mood": "bad"})).data["original"]
    assert original == {**without(TRIGGER, "routing_key"), "mood": "bad"}


# ------------------------------------------------------------------------------- identity


def test_each_delivery_is_an_event_unless_it_has_an_id() -> None:
    first, again = (event(sent("pagerduty", TRIGGER, unique=unique)) for unique in ("1", "2"))
    assert first.key != again.key
    assert first.unidentified
    assert event(sent("pagerduty", RESOLVE)).unidentified


def test_the_delivery_s_own_id_identifies_it() -> None:
    first, again, other = (
        event(sent("pagerduty", TRIGGER, unique=unique, id=id))
        for unique, id in [("1", "d-1"), ("2", "d-1"), ("3", "d-2")]
    )
    assert first.key == again.key != other.key
    assert event(sent("pagerduty", RESOLVE, id="d-3")).unidentified is False


def test_a_trigger_without_a_key_gets_one_and_the_answer_has_it() -> None:
    delivery = sent("pagerduty", ANONYMOUS, unique="5f2e")
    result = event(delivery)
    assert result.unidentified
    assert read_alert(result).key == "5f2e"
    assert reply(delivery)["dedup_key"] == "5f2e"
    assert event(sent("pagerduty", ANONYMOUS, unique="77aa")).key != result.key


def test_a_trigger_without_a_key_is_recognised_by_the_delivery_s_own_id() -> None:
    first = event(sent("pagerduty", ANONYMOUS, unique="1", id="d-1"))
    again = event(sent("pagerduty", ANONYMOUS, unique="2", id="d-1"))
    assert first == again
    assert not first.unidentified
    assert first.subject == "d-1"


def test_the_answer_is_the_one_that_senders_expect() -> None:
    assert reply(sent("pagerduty", TRIGGER)) == {
        "status": "success",
        "message": "Event processed",
        "dedup_key": "web-3.example.com/disk",
    }
    assert reply(sent("pagerduty", b"{")) == {}


# ------------------------------------------------------------------------------ bad input


def test_a_key_longer_than_pagerduty_allows_is_accepted() -> None:
    long = {**TRIGGER, "dedup_key": "k" * 256}
    assert alert(sent("pagerduty", long)).key == "k" * 256


def test_a_trigger_with_nothing_but_a_key_is_an_alert() -> None:
    read = alert(sent("pagerduty", {"event_action": "trigger", "dedup_key": "k"}))
    assert (read.title, read.status, read.labels) == ("k", AlertStatus.FIRING, {})


@pytest.mark.parametrize("value", [None, 7, "x", ["x"]])
def test_a_payload_of_another_shape_is_still_an_alert(value: Any) -> None:
    assert alert(sent("pagerduty", {**TRIGGER, "payload": value})).status is AlertStatus.FIRING


@pytest.mark.parametrize(
    ("action", "remark"),
    [("escalate", "its status is 'escalate', taken as firing"), (None, "it has no status")],
)
def test_an_unknown_action_counts_as_firing_with_a_remark(action: str | None, remark: str) -> None:
    read = alert(sent("pagerduty", {**TRIGGER, "event_action": action}))
    assert read.status is AlertStatus.FIRING
    assert read.remarks[0].startswith(remark)


@pytest.mark.parametrize("value", [None, "", [], {}, False])
def test_a_resolve_without_a_key_is_refused(value: Any) -> None:
    error = refusal(sent("pagerduty", {"event_action": "resolve", "dedup_key": value}))
    assert "has no key" in error.message


@pytest.mark.parametrize("value", [[], {}, 7, True])
def test_a_key_that_is_neither_text_nor_a_number_is_refused(value: Any) -> None:
    delivery = sent("pagerduty", {**TRIGGER, "dedup_key": value})
    if value == 7 and value is not True:
        assert alert(delivery).key == "7"
    else:
        assert "has no key" in refusal(delivery).message


def test_a_change_event_is_not_an_alert() -> None:
    change = {"routing_key": "k", "payload": {"summary": "Build 42 deployed", "source": "ci"}}
    error = refusal(sent("pagerduty", change))
    assert "`event_action`" in error.message
    assert "`dedup_key`" in error.message


def test_an_array_of_events_is_refused() -> None:
    assert "not a JSON object" in refusal(sent("pagerduty", [TRIGGER])).message
