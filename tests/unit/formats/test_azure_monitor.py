from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from core.domain.alert import read_alert
from core.domain.event import Event
from core.domain.severity import Severity, severity_of
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
    source = alert.links["source"]
    assert source.startswith("https://portal.azure.com/#view/Microsoft_Azure_Monitoring_Alerts")
    assert alert.links == {"source": source, "runbook": "https://runbooks.example.com/cpu"}
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
    target = "/subscriptions/11111111-2222-3333-4444-555555555555"
    alert = read_alert(event(fired(configurationItems=[], alertTargetIDs=[target])))
    assert alert.service == "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize("dimension", [("name", "value"), ("Name", "Value")])
def test_the_dimensions_of_an_older_log_alert_are_labels_too(dimension: tuple[str, str]) -> None:
    name, value = dimension
    body = fired()
    body["data"]["alertContext"] = {
        "SearchQuery": "Heartbeat | summarize count() by Computer",
        "Dimensions": [{name: "Computer", value: "checkout-02"}, {name: 7}, "x"],
    }
    assert read_alert(event(body)).labels["Computer"] == "checkout-02"


def test_an_alert_without_the_name_of_its_rule_is_titled_by_its_description() -> None:
    body = fired(alertRule=None, description="The budget of the checkout is spent.")
    assert read_alert(event(body)).title == "The budget of the checkout is spent."


# ------------------------------------------------------------------------------- times


@pytest.mark.parametrize("time", ["2026-03-04T09:17:40.3717839", "2026-03-04 09:17:40.3717839"])
def test_a_time_without_a_zone_is_in_utc(time: str) -> None:
    body = fired(monitorCondition="Resolved", firedDateTime=time, resolvedDateTime=time)
    alert = read_alert(event(body))
    assert alert.starts_at == alert.ends_at == datetime(2026, 3, 4, 9, 17, 40, 371000, tzinfo=UTC)
    assert event(body).time == "2026-03-04T09:17:40.371Z"


def test_every_time_of_the_health_services_may_lack_its_zone() -> None:
    service = service_health(
        impactStartTime="2026-03-04T11:50:00", impactMitigationTime="2026-03-04T13:00:00"
    )
    service["data"]["alertContext"]["properties"]["stage"] = "Resolved"
    alert = read_alert(event(service))
    assert alert.starts_at == datetime(2026, 3, 4, 11, 50, tzinfo=UTC)
    assert alert.ends_at == datetime(2026, 3, 4, 13, 0, tzinfo=UTC)
    resource = resource_health("Unavailable")
    resource["data"]["alertContext"]["eventTimestamp"] = "2026-03-04T11:55:00.25"
    assert read_alert(event(resource)).starts_at == datetime(
        2026, 3, 4, 11, 55, 0, 250000, tzinfo=UTC
    )


# ------------------------------------------------------------------ service and resource health


def service_health(**properties: Any) -> Any:
    body = payload_json("azure_monitor", "activity-log-fired")
    body["data"]["alertContext"]["properties"] |= properties
    return body


def resource_health(health: str, *, at: str = "2026-03-04T12:00:00Z", **context: Any) -> Any:
    vm = "/subscriptions/1111/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm-1"
    return {
        "schemaId": "azureMonitorCommonAlertSchema",
        "data": {
            "essentials": {
                "alertId": f"/subscriptions/1111/providers/Microsoft.AlertsManagement/alerts/{at}",
                "alertRule": "machines",
                "severity": "Sev4",
                "signalType": "Activity Log",
                "monitorCondition": "Fired",
                "monitoringService": "Resource Health",
                "alertTargetIDs": [vm],
                "configurationItems": ["vm-1"],
                "firedDateTime": "2026-03-04T12:03:00Z",
            },
            "alertContext": {
                "eventSource": "ResourceHealth",
                "eventTimestamp": at,
                "level": "Critical",
                "properties": {
                    "title": "This virtual machine does not respond",
                    "currentHealthStatus": health,
                    "previousHealthStatus": "Available",
                    "type": "Downtime",
                    "cause": "PlatformInitiated",
                },
                "status": "Active",
                **context,
            },
        },
    }


def test_an_outage_of_a_service_is_known_by_its_tracking_id() -> None:
    alert = read_alert(event(service_health()))
    assert (alert.key, alert.status) == ("service-health:YTT8-DQ0", "firing")
    assert alert.title == "Active - Virtual Machines - West Europe"
    assert alert.service == "Virtual Machines"
    assert str(alert.starts_at) == "2026-03-04 12:01:12.220000+00:00"
    known = {"trackingId": "YTT8-DQ0", "incidentType": "Incident", "stage": "Active"}
    assert {name: alert.labels[name] for name in known} == known
    assert alert.remarks == ()


@pytest.mark.parametrize(
    "stage", ["Resolved", "resolved", "Complete", "Canceled", "Cancelled", "RCA"]
)
def test_an_outage_of_a_service_ends_under_the_same_key(stage: str) -> None:
    body = service_health(stage=stage)
    body["data"]["essentials"] |= {"alertId": "/another", "firedDateTime": "2026-03-04T14:00:00Z"}
    alert = read_alert(event(body))
    assert (alert.key, alert.status) == ("service-health:YTT8-DQ0", "resolved")
    assert alert.ends_at == datetime(2026, 3, 4, 14, 0, tzinfo=UTC)


@pytest.mark.parametrize("stage", ["Active", "Planned", "InProgress", "Rescheduled", "Novel", None])
def test_any_other_stage_of_an_outage_fires(stage: str | None) -> None:
    assert read_alert(event(service_health(stage=stage))).status == "firing"


def test_without_a_stage_the_entry_s_own_status_counts() -> None:
    body = service_health(stage=None)
    body["data"]["alertContext"]["status"] = "Resolved"
    assert read_alert(event(body)).status == "resolved"


def test_a_resource_is_an_alert_until_it_is_available_again() -> None:
    down = read_alert(event(resource_health("Unavailable")))
    worse = read_alert(event(resource_health("Degraded", at="2026-03-04T12:10:00Z")))
    up = read_alert(event(resource_health("Available", at="2026-03-04T12:20:00Z")))
    assert down.key == worse.key == up.key
    assert down.key.startswith("resource-health:/subscriptions/1111/resourcegroups/rg/")
    assert (down.status, worse.status, up.status) == ("firing", "firing", "resolved")
    assert down.starts_at == datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
    assert (up.starts_at, up.ends_at) == (None, datetime(2026, 3, 4, 12, 20, tzinfo=UTC))
    assert (down.title, down.service) == ("This virtual machine does not respond", "vm-1")
    assert down.labels["cause"] == "PlatformInitiated"


def test_a_resource_whose_event_is_resolved_is_well() -> None:
    alert = read_alert(event(resource_health("Unknown", status="Resolved")))
    assert alert.status == "resolved"


def test_a_resource_is_the_same_in_any_spelling_of_its_id() -> None:
    upper = resource_health("Unavailable")
    [target] = upper["data"]["essentials"]["alertTargetIDs"]
    upper["data"]["essentials"]["alertTargetIDs"] = [target.upper()]
    assert read_alert(event(upper)).key == read_alert(event(resource_health("Available"))).key


@pytest.mark.parametrize(
    ("level", "severity"),
    [
        ("Critical", Severity.CRITICAL),
        ("Error", Severity.HIGH),
        ("Warning", Severity.MEDIUM),
        ("Informational", Severity.INFO),
        (1, Severity.CRITICAL),
        (2, Severity.HIGH),
        (3, Severity.MEDIUM),
        ("4", Severity.INFO),
        (None, Severity.INFO),
    ],
)
def test_the_activity_log_s_level_is_the_severity(level: object, severity: Severity) -> None:
    for body in (service_health(), resource_health("Unavailable")):
        body["data"]["alertContext"]["level"] = level
        alert = read_alert(event(body))
        assert severity_of(alert.severity, alert.source) is severity


def test_a_severity_that_a_rule_sets_counts_before_any_level() -> None:
    body = fired(severity="Sev1")
    body["data"]["alertContext"] |= {"level": "Informational"}
    alert = read_alert(event(body))
    assert severity_of(alert.severity, alert.source) is Severity.HIGH


@pytest.mark.parametrize("change", [{"trackingId": None}, {"trackingId": ["x"]}])
def test_health_that_does_not_say_what_it_is_about_is_an_alert_by_its_id(change: Any) -> None:
    assert read_alert(event(service_health(**change))).key.startswith("/subscriptions/")


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
