"""What Azure Monitor receives: the real exporter, with a server on this machine in its place."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from core.config.settings import Settings
from core.domain.event import ALERT
from core.errors import TemporalUnavailable
from core.intake.receipts import METRICS
from functions_azure import azure_monitor, telemetry
from tests.support.azure import ENVIRONMENT, created, fresh_process, function, message, request
from tests.support.web import Site, serving
from tests.support.workflows_port import MemoryWorkflows

queue, webhook = function("blob_events_queue"), function("webhook")
messages = function("messages_queue")
INFORMATION, WARNING = 1, 2
KEY = "InstrumentationKey=00000000-0000-0000-0000-000000000000"


@pytest.fixture
def app_settings(function_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    # The exporter would report its usage to Microsoft, and load settings from there.
    for what in ("STATSBEAT_DISABLED_ALL", "SDKSTATS_DISABLED", "CONTROLPLANE_DISABLED"):
        monkeypatch.setenv(f"APPLICATIONINSIGHTS_{what}", "true")
    monkeypatch.setenv("WEBSITE_SITE_NAME", "tidegate-prod")
    return Settings.from_env()


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        site.says = '{"itemsReceived": 1, "itemsAccepted": 1, "errors": []}'
        yield site


@contextmanager
def monitored(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The app's telemetry, started from its environment and flushed at the end."""
    monkeypatch.setenv(
        "APPLICATIONINSIGHTS_CONNECTION_STRING", f"{KEY};IngestionEndpoint={site.url('/')}"
    )
    telemetry.meter.cache_clear()
    level = telemetry.logger.level
    telemetry.logger.setLevel(logging.INFO)  # as Microsoft's worker sets it
    try:
        monitor = telemetry.meter()
        assert isinstance(monitor, azure_monitor.AzureMonitor)
        yield
        monitor.stop()
    finally:
        telemetry.logger.handlers.clear()
        telemetry.logger.propagate = True
        telemetry.logger.setLevel(level)
        telemetry.meter.cache_clear()


def sent(site: Site, kind: str) -> list[dict[str, Any]]:
    """All items of a kind, e.g. MetricData, that the site received."""
    items: list[dict[str, Any]] = []
    for _, headers, body in site.got:
        encoded = {name.lower(): text for name, text in headers.items()}.get("content-encoding")
        raw = gzip.decompress(body) if encoded == "gzip" else body
        items += json.loads(raw)
    return [item for item in items if item["data"]["baseType"] == kind]


def metrics(site: Site) -> dict[str, dict[str, Any]]:
    """Each metric's data point by its name, for those with one set of attributes."""
    return {point["name"]: point for point in points(site)}


def points(site: Site) -> list[dict[str, Any]]:
    """All data points of all metrics."""
    return [
        {**point, "properties": item["data"]["baseData"]["properties"]}
        for item in sent(site, "MetricData")
        for point in item["data"]["baseData"]["metrics"]
    ]


def alert(id: str) -> dict[str, Any]:
    """A CloudEvent with one alert's news."""
    data = {"key": "5f2e", "status": "firing", "title": "Down"}
    return {"specversion": "1.0", "id": id, "source": "/monitor", "type": ALERT, "data": data}


async def test_metrics_count_verdicts_and_measure_the_age_of_events(
    app_settings: Settings, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(event: Any) -> None:
        if "away" in event.key:
            raise TemporalUnavailable("away")

    settings = replace(app_settings, trusted_types=(ALERT,))
    with (
        monitored(site, monkeypatch),
        fresh_process(settings, MemoryWorkflows(away)),
    ):
        for name in ("a", "b", "a"):
            await queue(message(created(name, "00A1"), delivery_count=2))
        await queue(message(b"garbage", delivery_count=5))
        with pytest.raises(Exception, match="not accepted"):
            await queue(message(created("away", "00A1"), delivery_count=9))
        await webhook(request("POST", "/hooks/nobody"))
        for id in ("1", "2"):
            await messages(message(alert(id), content_type="application/cloudevents+json"))
    found = metrics(site)
    names = (*METRICS.values(), "Refused")
    counts = {name: found[name]["value"] for name in names if name in found}
    assert counts == {
        "Accepted": 3,
        "Delivered": 1,
        "Duplicate": 1,
        "Quarantined": 1,
        "Retried": 1,
        "Refused": 1,
    }
    assert (found["EventAge"]["count"], found["EventAge"]["min"] > 0) == (4, True)
    queue_of_blobs = {"queue": "servicebus:example-bus/blob-events"}
    [deliveries] = [
        point
        for point in points(site)
        if point["name"] == "DeliveryCount" and point["properties"] == queue_of_blobs
    ]
    assert (deliveries["count"], deliveries["min"], deliveries["max"]) == (5, 2, 9)


async def test_a_message_that_was_dead_lettered_is_counted_with_its_reason(
    app_settings: Settings, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monitored(site, monkeypatch), fresh_process(app_settings, MemoryWorkflows()):
        await queue(
            message(created("a", "00A1"), DeadLetterReason="MaxDeliveryCountExceeded" + "x" * 99)
        )
    properties = metrics(site)["DeliveryCount"]["properties"]
    assert properties["dead_letter_reason"].startswith("MaxDeliveryCountExceeded")
    assert len(properties["dead_letter_reason"]) == 64


async def test_receipts_are_log_records_with_queryable_fields(
    app_settings: Settings, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monitored(site, monkeypatch), fresh_process(app_settings, MemoryWorkflows()):
        await queue(message(created("a", "00A1"), message_id="5f2e", delivery_count=3))
        await queue(message(b"garbage"))
        await webhook(request("POST", "/hooks/nobody"))
    good, bad, refused = sent(site, "MessageData")
    assert {item["tags"]["ai.cloud.role"] for item in (good, bad, refused)} == {"tidegate-prod"}
    data = good["data"]["baseData"]
    key = "blob:exampledocs/incidents/a@00A1"
    assert (data["message"], data["severityLevel"]) == (f"event started: {key}", INFORMATION)
    assert (
        data["properties"].items()
        >= {
            "verdict": "started",
            "key": key,
            "workflow_id": key,
            "message_id": "5f2e",
            "delivery_count": "3",
            "queue": "servicebus:example-bus/blob-events",
        }.items()
    )
    assert bad["data"]["baseData"]["severityLevel"] == WARNING
    assert bad["data"]["baseData"]["properties"]["code"] == "InvalidEvent"
    assert refused["data"]["baseData"]["properties"]["status"] == "503"


async def test_the_host_does_not_log_a_receipt_a_second_time(
    app_settings: Settings,
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Microsoft's worker has its handler on the root logger, as `caplog` does."""
    with monitored(site, monkeypatch), fresh_process(app_settings, MemoryWorkflows()):
        await queue(message(created("a", "00A1")))
    assert caplog.messages == []


async def test_warnings_reach_the_host_even_if_nothing_can_be_exported(
    app_settings: Settings,
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    site.status = 400
    with monitored(site, monkeypatch), fresh_process(app_settings, MemoryWorkflows()):
        await queue(message(b"garbage"))
    assert any("event quarantined" in text for text in caplog.messages)


@pytest.mark.parametrize("wrong", ["nonsense", "InstrumentationKey=", "InstrumentationKey=7"])
async def test_an_invalid_connection_string_costs_no_event(
    app_settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    wrong: str,
) -> None:
    monkeypatch.setenv("APPLICATIONINSIGHTS_CONNECTION_STRING", wrong)
    telemetry.meter.cache_clear()
    workflows = MemoryWorkflows()
    with fresh_process(app_settings, workflows):
        await queue(message(created("a", "00A1")))
    telemetry.meter.cache_clear()
    assert len(workflows.started) == 1
    assert "APPLICATIONINSIGHTS_CONNECTION_STRING is not a connection string" in caplog.text


async def test_an_azure_monitor_that_refuses_costs_no_event(
    app_settings: Settings, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.status = 400
    workflows = MemoryWorkflows()
    with monitored(site, monkeypatch), fresh_process(app_settings, workflows):
        await queue(message(created("a", "00A1")))
    assert len(workflows.started) == 1
