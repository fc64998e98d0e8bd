"""Alerts on their way to the workflows of their keys: in order, and in time, on a real server."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client

from core.config.settings import Settings
from core.domain.event import ALERT
from core.domain.routing.table import Target
from core.domain.signalled import SIGNAL_BYTES
from core.errors import TemporalUnavailable
from core.ports.workflows import Sent
from functions_aws import webhook_listener
from functions_aws.message_listener import handler
from tests.support.lambda_runtime import invoke
from tests.support.listeners import fresh_process
from tests.support.payloads import failures, message_ids, sqs_record
from tests.support.soak import SOAKING
from tests.support.workflows_port import MemoryWorkflows

FIFO = "alerts.fifo"
FUNCTION_SECONDS = 28.0
"""What a webhook's function may take: its gateway waits for 29 s."""
ALERTS = 10_000 if SOAKING else 1_000
TOKEN = "made-up-for-a-storm"
WEBHOOKS = """\
version: 1
hooks:
  prod:
    format: alertmanager
    verify: {scheme: bearer, secrets: ["env:STORM_TOKEN"]}
"""


@pytest.fixture(autouse=True)
def _trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_TRUSTED_TYPES", ALERT)


def record(key: str, status: str) -> Any:
    """A FIFO queue's message with an alert, as a CloudEvent."""
    event = {
        "specversion": "1.0",
        "id": uuid4().hex,
        "source": "/monitor",
        "type": ALERT,
        "data": {"key": key, "status": status, "title": "Down"},
    }
    return sqs_record(event, queue=FIFO)


async def statuses(client: Client, id: str) -> list[str]:
    """The alerts that a workflow was signalled with, in the order of its history."""
    found: list[str] = []
    async for event in client.get_workflow_handle(id).fetch_history_events():
        attributes = event.workflow_execution_signaled_event_attributes
        if attributes.signal_name:
            [wires] = await client.data_converter.decode(list(attributes.input.payloads))
            found += [wire["data"]["status"] for wire in wires]
    return found


async def test_what_a_fifo_queue_keeps_in_order_is_in_order_in_the_workflow(
    function_settings: Settings, temporal_client: Client
) -> None:
    run = uuid4().hex[:8]
    keys = [f"{run}-{n}" for n in range(30)]
    words = ["firing", "resolved", "firing", "resolved"]
    records = [record(key, word) for key in keys for word in words]
    for start in range(0, len(records), 10):
        batch = {"Records": records[start : start + 10]}
        assert await invoke(handler, batch) == failures()
    for key in keys:
        assert await statuses(temporal_client, f"incident:queue:{FIFO}:{key}") == words


async def test_an_alert_that_joins_is_counted_as_delivered_and_needs_no_warning(
    function_settings: Settings,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = replace(Settings.from_env(), quarantine=function_settings.quarantine)
    with fresh_process(settings, MemoryWorkflows()):
        await invoke(handler, {"Records": [record("a", "firing")]})
        capsys.readouterr()
        await invoke(handler, {"Records": [record("a", "resolved")]})
    out = capsys.readouterr().out
    [line] = [json.loads(line) for line in out.splitlines() if "receipts" in line]
    assert line["Delivered"] == [1.0]
    assert caplog.messages == []
    [receipt] = line["receipts"]
    assert receipt["verdict"] == "delivered"


class Unavailable(MemoryWorkflows):
    """Temporal as it is when it does not take signals to one workflow."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word = word

    async def signal(
        self, events: Sequence[Mapping[str, Any]], target: Target, *, request_id: str, table: str
    ) -> Sent:
        if self.word in target.id:
            raise TemporalUnavailable("unavailable")
        return await super().signal(events, target, request_id=request_id, table=table)


async def test_of_a_fifo_batch_the_first_that_fails_and_all_after_it_are_redelivered(
    function_settings: Settings,
) -> None:
    settings = replace(Settings.from_env(), quarantine=function_settings.quarantine)
    workflows = Unavailable("bad")
    batch = {"Records": [record(key, "firing") for key in ("a", "bad", "a", "b")]}
    with fresh_process(settings, workflows):
        assert await invoke(handler, batch) == failures(*message_ids(batch)[1:])
    assert [id for id, _, _ in workflows.signals] == [f"incident:queue:{FIFO}:a"]


async def test_of_a_standard_batch_what_is_for_the_same_workflow_is_redelivered(
    function_settings: Settings,
) -> None:
    settings = replace(Settings.from_env(), quarantine=function_settings.quarantine)
    records = [record(key, word) for word in ("firing", "resolved") for key in ("a", "bad", "b")]
    for each in records:
        each["eventSourceARN"] = each["eventSourceARN"].removesuffix(".fifo")
    batch = {"Records": records}
    with fresh_process(settings, Unavailable("bad")):
        ids = message_ids(batch)
        assert await invoke(handler, batch) == failures(ids[1], ids[4])


def storm(count: int, key: str) -> dict[str, Any]:
    """One delivery of an Alertmanager in which one alert changes all the time, as API Gateway
    passes it on."""
    alert = {
        "labels": {"alertname": "Flapping", "severity": "critical", "service": "checkout"},
        "annotations": {"summary": "The checkout flaps"},
        "fingerprint": key,
        "generatorURL": "https://prometheus.example.com/graph",
    }
    changes = [
        {
            **alert,
            "status": status,
            "startsAt": f"2026-11-23T{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}Z",
        }
        for n in range((count + 1) // 2)
        for status in ("firing", "resolved")
    ]
    return {
        "version": "2.0",
        "rawPath": "/hooks/prod",
        "rawQueryString": "",
        "headers": {"content-type": "application/json", "authorization": f"Bearer {TOKEN}"},
        "requestContext": {"stage": "$default", "http": {"method": "POST"}},
        "body": json.dumps({"version": "4", "groupKey": "g", "alerts": changes[:count]}),
        "isBase64Encoded": False,
    }


@pytest.mark.soak
async def test_thousands_of_alerts_of_one_key_in_one_delivery_are_delivered_in_time(
    function_settings: Settings,
    temporal_client: Client,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """10,000 in `make soak`, from the request to the answer. One signal each would take 80 s."""
    (tmp_path / "webhooks.yaml").write_text(WEBHOOKS)
    monkeypatch.setenv("TIDEGATE_WEBHOOKS", str(tmp_path / "webhooks.yaml"))
    monkeypatch.setenv("STORM_TOKEN", TOKEN)
    key = uuid4().hex[:16]
    request = storm(ALERTS, key)
    began = time.perf_counter()
    answer = await invoke(webhook_listener.handler, request, seconds=FUNCTION_SECONDS)
    took = time.perf_counter() - began
    assert answer["statusCode"] == 202
    assert json.loads(answer["body"])["counts"] == {"started": 1, "delivered": ALERTS - 1}
    signals, sizes, found = 0, [], 0
    workflow = temporal_client.get_workflow_handle(f"incident:webhook:prod:{key}")
    async for event in workflow.fetch_history_events():
        attributes = event.workflow_execution_signaled_event_attributes
        if attributes.signal_name:
            signals += 1
            [payload] = attributes.input.payloads
            sizes.append(len(payload.data))
            found += len(json.loads(payload.data))
    with capsys.disabled():
        print(f"\n{ALERTS:,} alerts of one key: {signals:,} signals, {took:.1f} s")  # noqa: T201
    assert found == ALERTS
    assert max(sizes) <= SIGNAL_BYTES
    assert took < FUNCTION_SECONDS * ALERTS / 10_000
