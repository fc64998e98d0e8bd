"""The functions for users' own Service Bus messages, with a real Temporal server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client

from core.config.settings import Settings
from core.errors import NotAccepted
from tests.support.azure import ENVIRONMENT, fresh_process, function, message
from tests.support.payloads import as_started, recorded_json
from tests.support.quarantines import kept
from tests.support.temporal import started

queue, topic = function("messages_queue"), function("messages_topic")
FUNCTIONS = {"queue": queue, "topic": topic}


@pytest.fixture
def app_settings(
    function_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """The app's environment, and a process that has not yet read it."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with fresh_process():
        yield Settings.from_env()


def cloudevent() -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": uuid4().hex,
        "source": "/orders",
        "type": "com.example.order",
        "data": {"order": 4711},
    }


def key(event: dict[str, Any], scope: str = "queue:messages") -> str:
    return f"{scope}/ce:{event['source']}#{event['id']}"


@pytest.mark.parametrize(
    ("by", "way", "scope"),
    [("queue", "queue:messages", "queue:messages"), ("topic", "topic:news/tidegate", "topic:news")],
)
async def test_a_cloudevent_starts_one_workflow_however_often_it_is_delivered(
    app_settings: Settings, temporal_client: Client, by: str, way: str, scope: str
) -> None:
    event = cloudevent()
    for count in (1, 2, 3):
        await FUNCTIONS[by](message(event, delivery_count=count))
    id = key(event, scope)
    assert await started(temporal_client, id) == as_started(event, id, way, scope)


async def test_a_cloudevent_is_the_same_by_queue_and_topic_if_they_share_a_scope(
    app_settings: Settings, temporal_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_QUEUE_SCOPE", "billing")
    event = cloudevent()
    with fresh_process():
        for deliver in FUNCTIONS.values():
            await deliver(message(event))
    assert await started(temporal_client, key(event, "shared:billing"))
    assert await started(temporal_client, key(event)) is None


@pytest.mark.parametrize("prefix", ["cloudEvents:", "cloudEvents_"])
async def test_a_cloudevent_in_binary_mode_is_read_from_the_properties(
    app_settings: Settings, temporal_client: Client, prefix: str
) -> None:
    event = cloudevent()
    data = event.pop("data")
    properties = {f"{prefix}{name}": value for name, value in event.items()}
    await queue(message(data, properties=properties, content_type="application/json"))
    wire = await started(temporal_client, key(event))
    assert (wire["type"], wire["data"]) == ("com.example.order", {"order": 4711})


async def test_a_batch_of_cloudevents_is_one_workflow_each(
    app_settings: Settings, temporal_client: Client
) -> None:
    events = [cloudevent() for _ in range(3)]
    await queue(message(events, content_type="application/cloudevents-batch+json"))
    for event in events:
        assert await started(temporal_client, key(event))


@pytest.mark.parametrize(
    ("by", "name", "way"),
    [
        ("queue", "messages", "queue:messages"),
        ("topic", "news/tidegate", "topic:news"),
    ],
)
async def test_an_alert_in_a_queue_or_subscription_of_its_format_opens_an_incident(
    app_settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    by: str,
    name: str,
    way: str,
) -> None:
    caplog.set_level("INFO", "functions_azure")
    body = recorded_json("webhooks/azure_monitor/metric-fired")
    monkeypatch.setenv("TIDEGATE_QUEUE_FORMATS", f"{name}=azure_monitor")
    monkeypatch.delenv("TIDEGATE_MAX_EVENT_BYTES")
    with fresh_process():
        await FUNCTIONS[by](message(body))
    [receipt] = [record.receipt for record in caplog.records if hasattr(record, "receipt")]
    assert receipt["verdict"] in ("started", "delivered")
    assert receipt["workflow_id"].startswith(f"incident:{way}:")


@pytest.mark.parametrize(("by", "entity"), [("queue", "messages"), ("topic", "news")])
async def test_any_other_json_is_identified_by_its_queue_or_topic_and_its_message_id(
    app_settings: Settings, temporal_client: Client, by: str, entity: str
) -> None:
    id = uuid4().hex
    for count in (1, 2):
        await FUNCTIONS[by](message({"order": 7}, message_id=id, delivery_count=count))
    wire = await started(temporal_client, f"servicebus:example-bus/{entity}#{id}")
    assert wire["type"] == "tidegate.message"
    assert wire["source"] == f"servicebus:example-bus/{entity}"
    assert wire["time"] == "2026-03-04T09:17:41.250Z"
    assert wire["data"] == {"order": 7}


async def test_a_redelivered_message_without_an_id_is_recognised(
    app_settings: Settings, temporal_client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "functions_azure")
    number = uuid4().int % 2**60
    for count in (1, 2):
        given = message({"a": 1}, message_id=None, delivery_count=count, SequenceNumber=number)
        await queue(given)
    found = [record.receipt for record in caplog.records if hasattr(record, "receipt")]
    assert [receipt["verdict"] for receipt in found] == ["started", "duplicate"]
    assert "unidentified" not in found[0]


async def test_a_message_of_256_kilobytes_starts_its_workflow(
    app_settings: Settings, temporal_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TIDEGATE_MAX_EVENT_BYTES")
    event = cloudevent() | {"data": ""}
    event["data"] = "x" * (256 * 1024 - len(json.dumps(event)))
    assert len(json.dumps(event)) == 256 * 1024
    with fresh_process():
        await queue(message(event))
    assert (await started(temporal_client, key(event)))["data"] == event["data"]


async def test_a_message_over_the_limit_is_quarantined(app_settings: Settings) -> None:
    event = cloudevent() | {"data": "x" * 9000}
    await queue(message(event))
    [record] = await kept(app_settings)
    assert "over the limit of 8,192" in record.reason
    assert json.loads(record.body) == event


@pytest.mark.parametrize("by", FUNCTIONS)
async def test_a_body_that_is_not_json_is_quarantined_once_with_what_the_broker_says(
    app_settings: Settings, by: str
) -> None:
    body = b"<order number='7'>\xe4</order>"
    for count in (1, 2):
        given = message(
            body,
            message_id="5f2e",
            properties={"tenant": "acme", "tidegate-way": "webhook:prod"},
            delivery_count=count,
        )
        await FUNCTIONS[by](given)
    [record] = await kept(app_settings)
    assert record.body == body
    assert record.headers["message-id"] == "5f2e"
    assert "tenant" not in record.headers
    way = {"queue": "queue:messages", "topic": "topic:news/tidegate"}[by]
    assert record.headers["tidegate-way"] == way


@pytest.mark.parametrize("by", FUNCTIONS)
async def test_a_message_is_abandoned_while_temporal_is_unavailable(
    app_settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    by: str,
    closed_port: int,
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{closed_port}")
    monkeypatch.setenv("TIDEGATE_START_TIMEOUT", "0.5")
    with fresh_process(), pytest.raises(NotAccepted, match="1 of 1 events not accepted"):
        await FUNCTIONS[by](message(cloudevent()))
    assert await kept(app_settings) == []
