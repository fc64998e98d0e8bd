from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from core.domain.alert import AlertStatus
from core.domain.event import ALERT
from tests.support.webhook_payloads import (
    alert,
    body_of,
    changed,
    event,
    payload,
    refusal,
    sent,
    without,
)

CREATE = payload("opsgenie", "create")


def test_a_created_alert_is_read_whole() -> None:
    read = alert(sent("opsgenie", body_of("opsgenie", "create")))
    assert read.model_dump() == {
        "key": "mailer-queue",
        "status": AlertStatus.FIRING,
        "title": "Queue of the mailer is longer than 10,000",
        "source": "opsgenie",
        "severity": "P2",
        "service": "mailer",
        "summary": "Since 03:00 UTC the queue has grown. The consumers are up.",
        "starts_at": datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
        "ends_at": None,
        "links": {},
        "labels": {
            "env": "prod",
            "team": "blue,red",
            "OverwriteQuietHours": "",
            "host": "mail-2.example.com",
            "region": "eu-1",
        },
        "truncated": 0,
        "replicated": False,
        "remarks": (),
    }


@pytest.mark.parametrize(("name", "second"), [("close", "31:05"), ("delete", "31:05.001")])
def test_a_closed_or_deleted_alert_is_resolved(name: str, second: str) -> None:
    read = alert(sent("opsgenie", body_of("opsgenie", name)))
    assert (read.key, read.status) == ("mailer-queue", AlertStatus.RESOLVED)
    assert read.ends_at == datetime.fromisoformat(f"2026-01-02T03:{second}+00:00")


@pytest.mark.parametrize("name", ["unacknowledge", "update-priority"])
def test_an_alert_that_continues_fires(name: str) -> None:
    assert alert(sent("opsgenie", body_of("opsgenie", name))).status is AlertStatus.FIRING


def test_a_raised_priority_fires() -> None:
    assert alert(sent("opsgenie", body_of("opsgenie", "update-priority"))).severity == "P1"


@pytest.mark.parametrize(
    ("name", "type", "time"),
    [
        ("acknowledge", "com.opsgenie.Acknowledge", "2026-01-02T03:07:04.764Z"),
        ("add-note", "com.opsgenie.AddNote", "2026-01-02T03:11:40.000Z"),
    ],
)
def test_what_neither_fires_nor_resolves_is_an_event_of_opsgenie_s_own_type(
    name: str, type: str, time: str
) -> None:
    body = payload("opsgenie", name)
    result = event(sent("opsgenie", body))
    assert (result.type, result.subject, result.time) == (type, "mailer-queue", time)
    assert result.type != ALERT
    assert result.data == body


def test_without_an_alias_the_alert_s_id_is_the_key() -> None:
    read = alert(sent("opsgenie", body_of("opsgenie", "create-without-alias")))
    assert read.key == "70413a06-38d6-4c85-92b8-5ebc900d42e2"
    assert (read.title, read.service) == ("test alert", None)


def test_unknown_fields_are_kept() -> None:
    body = changed(CREATE, "alert", "mood", to="bad")
    assert event(sent("opsgenie", body)).data["original"] == body


# ------------------------------------------------------------------------------- identity


def test_each_delivery_of_an_alert_is_an_event_of_its_own() -> None:
    first, again = (event(sent("opsgenie", CREATE, unique=unique)) for unique in ("1", "2"))
    assert first.key != again.key
    assert first.subject == again.subject
    assert event(sent("opsgenie", CREATE, id="d-1")).key == "opsgenie:webhook:prod#d-1.0"


def test_what_is_no_alert_is_one_event_at_every_redelivery_and_each_change_another() -> None:
    names = ["acknowledge", "add-note"]
    first, again = (
        [event(sent("opsgenie", body_of("opsgenie", name), unique=unique)).key for name in names]
        for unique in ("1", "2")
    )
    assert first == again
    assert len(set(first)) == 2


def test_what_may_happen_twice_is_identified_by_its_time() -> None:
    body = payload("opsgenie", "add-note")
    later = changed(body, "alert", "updatedAt", to=1767329999000)
    assert event(sent("opsgenie", body)).key != event(sent("opsgenie", later)).key
    assert event(sent("opsgenie", without(body, "alert", "updatedAt"))).unidentified


# ------------------------------------------------------------------------------ bad input


def test_an_alert_without_alias_and_id_is_refused() -> None:
    body = without(without(CREATE, "alert", "alias"), "alert", "alertId")
    assert "has no key" in refusal(sent("opsgenie", body)).message


def test_an_alert_without_an_action_counts_as_firing_with_a_remark() -> None:
    read = alert(sent("opsgenie", without(CREATE, "action")))
    assert read.status is AlertStatus.FIRING
    assert read.remarks == ("it has no status, taken as firing",)


@pytest.mark.parametrize(
    "name", ["message", "entity", "priority", "tags", "details", "createdAt", "updatedAt"]
)
@pytest.mark.parametrize("value", [None, -7, "x", ["x", 1], {"x": [1]}, 1e300])
def test_no_other_field_that_is_missing_or_wrong_refuses_an_alert(name: str, value: Any) -> None:
    read = alert(sent("opsgenie", changed(CREATE, "alert", name, to=value)))
    assert read.key == "mailer-queue"


def test_an_unreadable_time_gets_a_remark() -> None:
    read = alert(sent("opsgenie", changed(CREATE, "alert", "createdAt", to="yesterday")))
    assert read.starts_at is None
    assert read.remarks == ("starts_at cannot be read: 'yesterday'",)


@pytest.mark.parametrize("body", [{}, {"action": "Create"}, {"alert": "x"}, {"alert": [CREATE]}])
def test_a_body_of_another_shape_is_refused_with_what_was_expected(body: Any) -> None:
    assert "`alert` is not an object" in refusal(sent("opsgenie", body)).message
