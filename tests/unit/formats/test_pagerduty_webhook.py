from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from core.adapters.notifiers.pagerduty import event as page
from core.domain.alert import AlertStatus
from core.domain.event import ALERT
from core.domain.incident.ids import incident_id
from core.formats.pagerduty_webhook import reply
from core.ports.notifier import Notification, NotificationKind
from tests.support.webhook_payloads import (
    alert,
    body_of,
    changed,
    event,
    items,
    payload,
    refusal,
    sent,
    without,
)

NAME = "pagerduty_webhook"
TRIGGERED = payload(NAME, "triggered")
RESOLVED = payload(NAME, "resolved")


def test_a_triggered_incident_is_read_whole() -> None:
    read = alert(sent(NAME, body_of(NAME, "triggered")))
    assert read.model_dump() == {
        "key": "PGR0VU2",
        "status": AlertStatus.FIRING,
        "title": "The API answers slowly",
        "source": "pagerduty",
        "severity": "P2",
        "service": "API Service",
        "summary": None,
        "starts_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "ends_at": None,
        "links": {
            "source": "https://acme.pagerduty.com/incidents/PGR0VU2",
            "conference": "https://meet.example.com/987654321",
        },
        "labels": {
            "urgency": "high",
            "priority": "P2",
            "escalation_policy": "Default",
            "team": "Engineering",
            "number": "2",
            "incident_key": "d3640fbd41094207a1c11e58e46b1662",
        },
        "truncated": 0,
        "replicated": False,
        "remarks": (),
    }


def test_a_resolved_incident_ended_when_it_occurred() -> None:
    read = alert(sent(NAME, RESOLVED))
    assert (read.key, read.status) == ("PGR0VU2", AlertStatus.RESOLVED)
    assert read.ends_at == datetime(2026, 1, 2, 3, 41, 0, 250000, tzinfo=UTC)
    assert event(sent(NAME, RESOLVED)).time == "2026-01-02T03:41:00.250Z"


@pytest.mark.parametrize("name", ["triggered", "reopened", "unacknowledged", "priority-updated"])
def test_an_alert_that_continues_fires(name: str) -> None:
    assert alert(sent(NAME, body_of(NAME, name))).status is AlertStatus.FIRING


def test_a_raised_priority_fires() -> None:
    assert alert(sent(NAME, body_of(NAME, "priority-updated"))).severity == "P1"


def test_the_priority_of_a_resolved_incident_opens_no_incident() -> None:
    body = changed(payload(NAME, "priority-updated"), "event", "data", "status", to="resolved")
    assert event(sent(NAME, body)).type == "com.pagerduty.incident.priority_updated"


def test_without_a_priority_the_urgency_is_the_severity() -> None:
    read = alert(sent(NAME, body_of(NAME, "triggered-without-priority")))
    assert read.severity == "low"
    assert "priority" not in read.labels


@pytest.mark.parametrize(
    ("priority", "urgency", "severity"),
    [
        ("SEV-1", "low", "SEV-1"),
        ("P3", "high", "P3"),
        ("Tier zero", "high", "high"),
        ("Tier zero", None, "Tier zero"),
        (None, None, None),
    ],
)
def test_a_priority_whose_name_says_nothing_leaves_it_to_the_urgency(
    priority: str | None, urgency: str | None, severity: str | None
) -> None:
    body = changed(TRIGGERED, "event", "data", "priority", to={"summary": priority})
    body = changed(body, "event", "data", "urgency", to=urgency)
    assert alert(sent(NAME, body)).severity == severity


@pytest.mark.parametrize(
    ("name", "type", "about"),
    [
        ("acknowledged", "com.pagerduty.incident.acknowledged", "PGR0VU2"),
        ("annotated", "com.pagerduty.incident.annotated", "PGR0VU2"),
        ("service-updated", "com.pagerduty.service.updated", "PF9KMXH"),
    ],
)
def test_what_neither_fires_nor_resolves_is_an_event_of_pagerduty_s_own_type(
    name: str, type: str, about: str
) -> None:
    body = payload(NAME, name)
    result = event(sent(NAME, body))
    assert (result.type, result.subject) == (type, about)
    assert result.type != ALERT
    assert result.data == body["event"]
    assert not result.unidentified


def test_an_unknown_event_type_is_kept() -> None:
    body = changed(TRIGGERED, "event", "event_type", to="incident.workflow.started")
    assert event(sent(NAME, body)).type == "com.pagerduty.incident.workflow.started"


def test_a_ping_gives_no_event() -> None:
    assert items(sent(NAME, body_of(NAME, "ping"))) == []


def test_our_own_pages_are_not_alerts() -> None:
    assert items(sent(NAME, body_of(NAME, "our-own-page"))) == []


def test_our_own_pages_are_recognised_by_their_client_if_the_key_was_cut() -> None:
    body = changed(
        payload(NAME, "our-own-page"),
        "event",
        "data",
        "incident_key",
        to="k" * 214 + "~" + "0" * 40,
    )
    assert items(sent(NAME, body)) == []


@pytest.mark.parametrize("client", [None, {"name": "PagerDuty"}])
def test_our_own_pages_are_recognised_by_their_key_alone(client: Any) -> None:
    id = incident_id("incident:datadog:9b", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    ours = Notification(
        key="k",
        title="x",
        body="",
        severity="high",
        kind=NotificationKind.PAGE,
        incident_id=id,
        dedup_key=id,
    )
    body = changed(TRIGGERED, "event", "client", to=client)
    body = changed(body, "event", "data", "incident_key", to=page(ours, "routing")["dedup_key"])
    assert items(sent(NAME, body)) == []


def test_what_is_ignored_is_said_in_the_answer() -> None:
    assert "no alert here" in reply(sent(NAME, body_of(NAME, "our-own-page")))["ignored"]
    assert reply(sent(NAME, TRIGGERED)) == {}
    assert reply(sent(NAME, b"{no json")) == {}


def test_unknown_fields_are_kept() -> None:
    body = changed(TRIGGERED, "event", "data", "mood", to="bad")
    assert event(sent(NAME, body)).data["original"] == body["event"]


# ------------------------------------------------------------------------------- identity


def test_each_delivery_of_an_alert_is_an_event_of_its_own() -> None:
    first, again = (event(sent(NAME, TRIGGERED, unique=unique)) for unique in ("1", "2"))
    assert first.key != again.key
    assert first.subject == again.subject
    assert event(sent(NAME, TRIGGERED, id="d-1")).key == "pagerduty:webhook:prod#d-1.0"


def test_a_redelivery_of_what_is_no_alert_is_the_same_event_and_each_change_another() -> None:
    names = ["acknowledged", "annotated", "service-updated"]
    first, again = (
        [event(sent(NAME, body_of(NAME, name), unique=unique)).key for name in names]
        for unique in ("1", "2")
    )
    assert first == again
    assert len(set(first)) == len(names)


def test_without_an_id_what_is_no_alert_is_identified_by_its_time_if_it_has_one() -> None:
    body = without(payload(NAME, "annotated"), "event", "id")
    later = changed(body, "event", "occurred_at", to="2026-01-02T09:00:00.000Z")
    first, again = event(sent(NAME, body, unique="1")), event(sent(NAME, body, unique="2"))
    assert first.key == again.key != event(sent(NAME, later)).key
    assert not first.unidentified
    assert event(sent(NAME, without(body, "event", "occurred_at"))).unidentified


# ------------------------------------------------------------------------------ bad input


def test_an_incident_without_an_id_is_refused() -> None:
    error = refusal(sent(NAME, without(TRIGGERED, "event", "data", "id")))
    assert "has no key" in error.message


@pytest.mark.parametrize(
    "name", ["title", "service", "priority", "urgency", "html_url", "created_at", "teams"]
)
@pytest.mark.parametrize("value", [None, 7, ["x"], {"summary": {"x": 1}}])
def test_no_other_field_that_is_missing_or_wrong_refuses_an_incident(name: str, value: Any) -> None:
    body = changed(TRIGGERED, "event", "data", name, to=value)
    assert alert(sent(NAME, body)).key == "PGR0VU2"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"event": []},
        {"event": {"id": "1"}},
        {"event": {"event_type": []}},
        {"messages": [{"event": "incident.trigger"}]},
    ],
)
def test_a_body_of_another_shape_is_refused_with_what_was_expected(body: Any) -> None:
    assert "no `event` with an `event_type`" in refusal(sent(NAME, body)).message
