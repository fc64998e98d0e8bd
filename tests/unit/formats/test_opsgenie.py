from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from core.domain.alert import AlertStatus
from core.domain.event import ALERT
from tests.support.webhook_payloads import (
    NEXT_PERIOD,
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
CLOSE = payload("opsgenie", "close")


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
        "link": None,
        "labels": {
            "env": "prod",
            "team": "blue,red",
            "OverwriteQuietHours": "",
            "host": "mail-2.example.com",
            "region": "eu-1",
        },
        "truncated": 0,
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


def test_a_redelivered_change_is_one_event_and_each_change_another() -> None:
    assert event(sent("opsgenie", CREATE, unique="1")).key == (
        event(sent("opsgenie", CREATE, unique="2", period=NEXT_PERIOD)).key
    )
    names = ["create", "acknowledge", "unacknowledge", "update-priority", "add-note", "close"]
    keys = {event(sent("opsgenie", body_of("opsgenie", name))).key for name in names}
    assert len(keys) == len(names)


def test_a_reused_alias_is_the_same_alert_and_another_event() -> None:
    again = changed(CREATE, "alert", "alertId", to="7c9e6679-7425-40de-944b-e07fc1f90ae7-1")
    first, second = event(sent("opsgenie", CREATE)), event(sent("opsgenie", again))
    assert first.subject == second.subject
    assert first.key != second.key


@pytest.mark.parametrize("name", ["unacknowledge", "add-note"])
def test_what_may_happen_twice_is_identified_by_its_time(name: str) -> None:
    body = payload("opsgenie", name)
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
