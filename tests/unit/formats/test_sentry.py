from __future__ import annotations

from typing import Any

import pytest

from core.domain.alert import read_alert
from core.domain.event import Event
from core.domain.severity import Severity, severity_of
from tests.unit.formats import reading
from tests.unit.formats.reading import payload, payload_json

REQUEST = "5b8f6a1e0d3c4b2a9f7e6d5c4b3a2918"
ISSUE = "1170820242"


def event(body: object, resource: str, **headers: str) -> Event:
    return reading.event("sentry", body, sentry_hook_resource=resource, **headers)


def recorded(name: str, request: str = REQUEST, **headers: str) -> Event:
    return event(payload("sentry", name), name.partition("-")[0], request_id=request, **headers)


def changed(name: str, **data: Any) -> Any:
    body = payload_json("sentry", name)
    body["data"] |= data
    return body


def test_a_triggered_rule_fires_with_the_key_of_its_issue() -> None:
    alert = read_alert(recorded("event_alert-triggered"))
    assert (alert.key, alert.status, alert.source) == (ISSUE, "firing", "sentry")
    assert alert.title == "CardDeclined: the bank did not answer"
    assert alert.service == "checkout"
    assert alert.summary == "checkout.payments in charge; Rule: Payments fail"
    assert severity_of(alert.severity, alert.source) is Severity.HIGH
    assert str(alert.starts_at) == "2026-03-04 09:17:40.677000+00:00"
    link = alert.links["source"]
    assert link.startswith("https://sentry.io/organizations/example-org/issues/1170820242/")
    assert alert.labels == {
        "platform": "python",
        "browser": "Chrome 144.0",
        "environment": "production",
        "level": "error",
        "server_name": "checkout-7d9f",
        "rule": "Payments fail",
    }
    assert alert.remarks == ()


def test_an_issue_fires_and_is_resolved_with_the_same_key_as_its_rule() -> None:
    created, resolved = (read_alert(recorded(f"issue-{n}")) for n in ("created", "resolved"))
    assert (created.key, created.status) == (ISSUE, "firing")
    assert (resolved.key, resolved.status) == (ISSUE, "resolved")
    assert (created.service, created.labels["shortId"]) == ("checkout", "CHECKOUT-9")
    assert created.links == {"source": "https://example-org.sentry.io/issues/1170820242/"}


def test_an_issue_that_recurs_fires_again() -> None:
    body = payload_json("sentry", "issue-resolved") | {"action": "unresolved"}
    assert read_alert(event(body, "issue")).status == "firing"


@pytest.mark.parametrize(
    ("name", "status", "severity"),
    [
        ("metric_alert-critical", "firing", Severity.CRITICAL),
        ("metric_alert-warning", "firing", Severity.MEDIUM),
        ("metric_alert-resolved", "resolved", None),
    ],
)
def test_a_metric_alert_has_the_severity_that_it_reached(
    name: str, status: str, severity: Severity | None
) -> None:
    alert = read_alert(recorded(name))
    assert (alert.key, alert.status) == ("metric_alert:42", status)
    assert severity_of(alert.severity, alert.source) is severity
    assert (alert.severity is None) == (severity is None)
    assert alert.title.endswith(": Too many errors")
    assert alert.service == "checkout"
    assert alert.summary == "1240 events in the last 10 minutes Filter: level:error"
    assert str(alert.starts_at) == "2026-03-04 09:10:00+00:00"
    assert alert.links == {
        "source": "https://sentry.io/organizations/example-org/alerts/rules/details/7/?alert=42"
    }
    assert alert.labels["environment"] == "production"
    assert (alert.ends_at is None) == (status == "firing")


def test_an_incident_and_an_issue_with_the_same_number_are_two_alerts() -> None:
    body = payload_json("sentry", "metric_alert-critical")
    body["data"]["metric_alert"]["id"] = ISSUE
    assert read_alert(event(body, "metric_alert")).key != ISSUE


def test_each_delivery_of_an_alert_is_an_event_of_its_own() -> None:
    names = ("event_alert-triggered", "issue-created", "issue-resolved", "metric_alert-critical")
    for name in names:
        first, again = (recorded(name, unique=unique) for unique in ("u1", "u2"))
        assert first.unidentified
        assert first.key != again.key
        assert first.data["key"] == again.data["key"]
    result = recorded("issue-resolved", message_id="d-1")
    assert (result.key, result.unidentified) == ("sentry:webhook:prod#d-1.0", False)


def test_what_neither_fires_nor_is_resolved_is_an_event_of_its_own_type() -> None:
    archived, comment = recorded("issue-archived"), recorded("comment-created")
    assert (archived.type, archived.subject) == ("io.sentry.issue.archived", ISSUE)
    assert (comment.type, comment.subject) == ("io.sentry.comment.created", ISSUE)
    assert comment.time == "2026-03-04T09:21:44.436Z"
    assert comment.data == payload_json("sentry", "comment-created")
    assert comment.key == f"webhook:prod#{REQUEST}"
    assert event(payload("sentry", "comment-created"), "comment").unidentified


def test_an_event_about_the_installation_is_dropped() -> None:
    body = payload("sentry", "installation-created")
    assert reading.items("sentry", body, sentry_hook_resource="installation") == []


def test_what_is_not_read_is_kept() -> None:
    body = payload_json("sentry", "event_alert-triggered")
    assert event(body, "event_alert").data["original"] == body


@pytest.mark.parametrize(
    ("resource", "data", "key"),
    [
        ("event_alert", {"event": {"issue_id": 7}}, "7"),
        ("issue", {"issue": {"id": "7", "project": "x"}}, "7"),
        ("metric_alert", {"metric_alert": {"id": 7, "alert_rule": []}}, "metric_alert:7"),
    ],
)
def test_an_alert_needs_only_its_key(resource: str, data: object, key: str) -> None:
    alert = read_alert(event({"action": "created", "data": data}, resource))
    assert (alert.key, alert.status) == (key, "firing")


NO_KEY = "the sentry alert has no key, so nobody can say which alert it is"


@pytest.mark.parametrize(
    ("body", "resource", "message"),
    [
        ({"action": "triggered", "data": {"event": {}}}, "event_alert", NO_KEY),
        ({"action": "created", "data": {"issue": {"id": None}}}, "issue", NO_KEY),
        ({"action": "critical", "data": []}, "metric_alert", NO_KEY),
        (
            {"data": {}},
            "issue",
            "the body has no action, so it is not a webhook of a Sentry integration",
        ),
        (
            {"action": "created"},
            " ",
            "there is no Sentry-Hook-Resource header, "
            "so it is not a webhook of a Sentry integration",
        ),
        (b"null", "issue", "the body is null, not a JSON object"),
    ],
)
def test_what_is_not_a_sentry_webhook_is_refused_with_the_reason(
    body: object, resource: str, message: str
) -> None:
    assert reading.refusal("sentry", body, sentry_hook_resource=resource) == message
