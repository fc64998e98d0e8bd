from __future__ import annotations

from typing import Any

import pytest

from core.domain.alert import read_alert
from core.domain.event import Event
from core.domain.incident.severity import Severity, severity_of
from tests.unit.formats import reading
from tests.unit.formats.reading import payload, payload_json

ID = (
    "/subscriptions/11111111-2222-3333-4444-555555555555/providers/"
    "Microsoft.AlertsManagement/alerts/b9569717-bc32-442f-add5-83a997729330"
)


def event(body: object, **headers: str) -> Event:
    return reading.event("azure_monitor", body, **headers)


def recorded(name: str) -> bytes:
    return payload("azure_monitor", name)


def fired(**essentials: Any) -> Any:
    body = payload_json("azure_monitor", "metric-fired")
    body["data"]["essentials"] |= essentials
    return body


def test_a_metric_alert_is_read_whole() -> None:
    alert = read_alert(event(recorded("metric-fired")))
    assert (alert.key, alert.status, alert.source) == (ID, "firing", "azure-monitor")
    assert (alert.title, alert.service) == ("checkout CPU above 80 %", "checkout-01")
    assert alert.summary == "The checkout machines are busy."
    assert str(alert.starts_at) == "2026-03-04 09:17:40.371000+00:00"
    assert alert.ends_at is None
    [(name, link)] = alert.links.items()
    assert name == "source"
    assert link.startswith("https://portal.azure.com/#view/Microsoft_Azure_Monitoring_Alerts")
    assert alert.labels == {
        "team": "payments",
        "runbook": "https://runbooks.example.com/cpu",
        "VMName": "checkout-01",
        "signalType": "Metric",
        "monitoringService": "Platform",
        "targetResourceGroup": "checkout-rg",
        "targetResourceType": "microsoft.compute/virtualmachines",
        "target": "/subscriptions/11111111-2222-3333-4444-555555555555/resourcegroups/checkout-rg"
        "/providers/microsoft.compute/virtualmachines/checkout-01",
    }
    assert severity_of(alert.severity, alert.source) is Severity.HIGH
    assert alert.remarks == ()


def test_its_resolution_has_the_same_key() -> None:
    alert = read_alert(event(recorded("metric-resolved")))
    assert (alert.key, alert.status) == (ID, "resolved")
    assert str(alert.starts_at) == "2026-03-04 09:17:40.371000+00:00"
    assert str(alert.ends_at) == "2026-03-04 09:47:16.224000+00:00"


def test_a_log_alert_has_its_dimensions_as_labels_and_a_link_even_if_azure_sends_none() -> None:
    alert = read_alert(event(recorded("log-fired")))
    assert alert.labels["cloud_RoleName"] == "checkout"
    assert severity_of(alert.severity, alert.source) is Severity.CRITICAL
    assert alert.links["source"] == (
        "https://portal.azure.com/#blade/Microsoft_Azure_Monitoring/AlertDetailsTemplateBlade"
        "/alertId/%2Fsubscriptions%2F11111111-2222-3333-4444-555555555555%2Fproviders%2F"
        "Microsoft.AlertsManagement%2Falerts%2F0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
    )


def test_an_alert_without_an_item_is_about_its_target() -> None:
    alert = read_alert(event(recorded("activity-log-fired")))
    assert alert.service == "11111111-2222-3333-4444-555555555555"
    assert severity_of(alert.severity, alert.source) is Severity.INFO


def test_the_context_of_the_alert_is_kept() -> None:
    original = event(recorded("metric-fired")).data["original"]
    assert original == payload_json("azure_monitor", "metric-fired")
    assert original["data"]["alertContext"]["condition"]["allOf"][0]["metricValue"] == 97.42


def test_an_alert_has_the_identity_of_its_delivery() -> None:
    result = event(recorded("metric-fired"), message_id="d-1")
    assert (result.key, result.unidentified) == ("azure-monitor:webhook:prod#d-1.0", False)
    one, again = (event(recorded("metric-fired"), unique=unique) for unique in ("u1", "u2"))
    assert one.unidentified
    assert one.key != again.key
    assert one.data["key"] == again.data["key"] == ID


def test_an_alert_needs_only_its_id() -> None:
    result = event({"data": {"essentials": {"alertId": ID}}})
    alert = read_alert(result)
    assert (alert.key, alert.status, alert.title) == (ID, "firing", ID)
    assert result.unidentified


def test_an_unknown_condition_counts_as_firing() -> None:
    assert read_alert(event(fired(monitorCondition="Smoking"))).status == "firing"


@pytest.mark.parametrize("context", [None, [], "high", {"condition": {"allOf": {"a": 1}}}])
def test_a_context_of_another_shape_does_not_refuse_an_alert(context: object) -> None:
    body = fired()
    body["data"]["alertContext"] = context
    assert read_alert(event(body)).key == ID


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[]", "the body is an array, not a JSON object"),
        (
            {"schemaId": "AzureMonitorMetricAlert", "data": {"status": "Activated"}},
            "it has no data.essentials, so it is not in Azure Monitor's common alert schema",
        ),
        (
            fired(alertId=""),
            "the azure-monitor alert has no key, so nobody can say which alert it is",
        ),
    ],
)
def test_what_is_not_an_alert_is_refused_with_the_reason(body: object, message: str) -> None:
    assert reading.refusal("azure_monitor", body) == message
