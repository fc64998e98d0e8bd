"""Alerts on the listeners' telemetry use the names that the code sends."""

from __future__ import annotations

import inspect
import logging
import re

import pytest

from core.errors import NotAccepted
from core.intake.receipts import METRICS, REFUSED, Receipt, Verdict, require_settled
from core.webhooks import pipeline
from functions_azure import service_bus, telemetry
from tests.support.azure_snapshot import ROOT, Resource, alerts, query

EVERY = [pytest.param(name, rule, id=str(rule)) for name, each in alerts().items() for rule in each]


@pytest.mark.parametrize(("name", "rule"), EVERY)
def test_every_alert_is_on_and_reaches_the_operators(name: str, rule: Resource) -> None:
    actions = rule.at("properties.actions")
    groups = (
        actions["actionGroups"]
        if isinstance(actions, dict)
        else [a["actionGroupId"] for a in actions]
    )
    token = rule.name.removeprefix(f"{name}-")
    assert [each.rpartition("/")[2] for each in groups] == [f"ag-tidegate-{token}"]
    assert rule.at("properties.enabled") is True


@pytest.mark.parametrize("name", alerts())
def test_every_alert_is_in_the_documentation(name: str) -> None:
    assert f"`{name}`" in (ROOT / "docs/deploy-azure.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("alert", "metric"),
    [
        ("quarantined", METRICS[Verdict.QUARANTINED]),
        ("retried", METRICS[Verdict.RETRY]),
        ("refused", REFUSED),
    ],
)
def test_an_alert_queries_the_metric_that_is_counted(alert: str, metric: str) -> None:
    assert query(alert).startswith("AppMetrics\n")
    assert f'| where Name == "{metric}"' in query(alert)


def test_an_outage_of_temporal_raises_an_alert_within_minutes() -> None:
    """Even with a single message, which is held each time before it is abandoned."""
    wanted = re.search(
        r"dcount\(bin\(TimeGenerated, 1m\)\)\n\| where Minutes >= (\d+)", query("retried")
    )
    assert wanted
    given_back, now = [], 0.0
    for delivery in range(1, 20):
        given_back.append(now)
        now += service_bus.hold(delivery)
    minutes = sorted({int(moment // 60) for moment in given_back})
    assert minutes[int(wanted[1]) - 1] <= 5
    assert int(wanted[1]) > 1  # one minute is a coincidence
    # Later it is abandoned every minute, so the alert lasts as long as the outage.
    assert {each.at("properties.windowSize") for each in alerts()["retried"]} == {"PT15M"}
    assert service_bus.hold(100) <= 60


def test_an_abandoned_message_is_no_failure_of_a_function() -> None:
    """The host keeps an exception's name and text as the Python worker reports them."""
    with pytest.raises(NotAccepted) as given_back:
        require_settled([Receipt(verdict=Verdict.RETRY, reason="Temporal is unavailable")])
    told = f"Result: Failure\nException: {type(given_back.value).__name__}: {given_back.value}"
    failures = query("function-failures")
    [left_out] = re.findall(r"kind=leftanti \((.*?)\n  \) on OperationId", failures, re.S)
    [phrase] = re.findall(r'contains "(\w+)"', left_out)
    assert left_out.strip().startswith("AppExceptions\n")
    assert phrase in told
    assert phrase not in "Result: Failure\nException: SettingsError: TEMPORAL_ADDRESS is not set"


def test_a_webhook_that_is_answered_503_for_another_reason_is_a_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, logger=telemetry.logger.name):
        telemetry.record_request(hook="alerts", code="CannotVerify", status=503)
    [record] = caplog.records
    [traces] = re.findall(r"\| union \((.*)\n  \)", query("function-failures"), re.S)
    assert f'Message == "{record.getMessage()}"' in traces
    assert set(re.findall(r"Properties\.(\w+)", traces)) <= set(vars(record)["request"])
    assert f'!= "{NotAccepted.__name__}"' in traces
    assert f'refused="{NotAccepted.__name__}"' in inspect.getsource(pipeline)


def test_refused_requests_are_no_failures() -> None:
    """Anybody can send those; many of them raise an alert of their own."""
    assert 'ResultCode !startswith "4"' in query("function-failures")
