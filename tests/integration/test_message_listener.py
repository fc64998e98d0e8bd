"""The message listener end to end: users' own messages become workflows."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client

from core.config.settings import Settings
from core.errors import SettingsError
from functions_aws.message_listener import handler
from tests.support.lambda_runtime import invoke, logged_receipts
from tests.support.listeners import fresh_process
from tests.support.payloads import (
    as_started,
    failures,
    message_ids,
    recorded_json,
    sns,
    sqs_batch,
    sqs_record,
)
from tests.support.quarantines import kept
from tests.support.temporal import started

ALL_DONE = failures()
QUEUE = "sqs:eu-west-1:111122223333:orders"


def cloudevent(**changes: Any) -> Any:
    return recorded_json("cloudevent") | {"id": uuid4().hex} | changes


def key(event: Any, queue: str = "orders") -> str:
    return f"queue:{queue}/ce:{event['source']}#{event['id']}"


async def test_a_cloudevent_starts_one_workflow_however_many_messages_carry_it(
    function_settings: Settings, temporal_client: Client
) -> None:
    event = cloudevent()
    for _ in range(2):
        assert await invoke(handler, sqs_batch(event, event, queue="orders")) == ALL_DONE
    wire = await started(temporal_client, key(event))
    assert wire == as_started(event, key(event), "queue:orders")


async def test_a_cloudevent_of_another_queue_is_another_unless_they_share_a_scope(
    function_settings: Settings,
    temporal_client: Client,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    event = cloudevent()
    with fresh_process():
        for queue in ("orders", "other"):
            assert await invoke(handler, sqs_batch(event, queue=queue)) == ALL_DONE
    monkeypatch.setenv("TIDEGATE_QUEUE_SCOPE", "billing")
    with fresh_process():
        for queue in ("orders", "other"):
            assert await invoke(handler, sqs_batch(event, queue=queue)) == ALL_DONE
    receipts = logged_receipts(capsys.readouterr().out)
    assert [(receipt["verdict"], receipt["key"].partition("/")[0]) for receipt in receipts] == [
        ("started", "queue:orders"),
        ("started", "queue:other"),
        ("started", "shared:billing"),
        ("duplicate", "shared:billing"),
    ]


async def test_an_alert_in_a_queue_is_taken_only_from_senders_that_are_trusted_with_it(
    function_settings: Settings,
    temporal_client: Client,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    alert = cloudevent(type="tidegate.alert", data={"key": uuid4().hex, "status": "firing"})
    with fresh_process():
        assert await invoke(handler, sqs_batch(alert, queue="orders")) == ALL_DONE
    [record] = await kept(function_settings)
    assert "is one of Tidegate's own" in record.reason
    monkeypatch.setenv("TIDEGATE_TRUSTED_TYPES", "tidegate.alert")
    with fresh_process():
        assert await invoke(handler, sqs_batch(alert, queue="orders")) == ALL_DONE
    [_, receipt] = logged_receipts(capsys.readouterr().out)
    assert receipt["workflow_id"] == f"incident:queue:orders:{alert['data']['key']}"


@pytest.mark.parametrize("wrap", [lambda event: event, sns])
async def test_an_event_of_eventbridge_starts_one_workflow_however_many_messages_carry_it(
    function_settings: Settings, temporal_client: Client, wrap: Any
) -> None:
    event = recorded_json("eventbridge-order-placed") | {"id": str(uuid4())}
    event["detail-type"] = "com.example.incident.reported"
    for _ in range(2):
        batch = sqs_batch(wrap(event), event, queue="orders")
        assert await invoke(handler, batch) == ALL_DONE
    id = f"queue:orders/eventbridge:com.example.shop#{event['id']}"
    wire = await started(temporal_client, id)
    assert wire is not None
    assert (wire["type"], wire["data"]) == (event["detail-type"], event["detail"])


async def test_a_cloudevent_behind_sns_is_the_one_that_comes_without(
    function_settings: Settings, temporal_client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    event = cloudevent()
    invoked = recorded_json("lambda-sns-s3-put")
    invoked["Records"][0]["Sns"]["Message"] = json.dumps(event)
    assert await invoke(handler, sqs_batch(sns(event), event, queue="orders")) == ALL_DONE
    assert await started(temporal_client, key(event)) == as_started(
        event, key(event), "queue:orders"
    )
    [receipt] = await invoke(handler, invoked)
    assert receipt["key"] == key(event, "invoked%2Fmessage")


async def test_a_message_that_sns_repeats_starts_one_workflow(
    function_settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    body = sns({"order": 4711}) | {"MessageId": str(uuid4())}
    for _ in range(2):
        assert await invoke(handler, sqs_batch(body, queue="orders")) == ALL_DONE
    receipts = logged_receipts(capsys.readouterr().out)
    assert [receipt["verdict"] for receipt in receipts] == ["started", "duplicate"]
    assert {receipt["key"] for receipt in receipts} == {f"{QUEUE}#{body['MessageId']}"}


@pytest.mark.parametrize(
    ("format", "payload", "key"),
    [
        ("cloudwatch", "cloudwatch/sns-alarm", "arn:aws:cloudwatch:"),
        ("cloudwatch", "cloudwatch/eventbridge-alarm", "arn:aws:cloudwatch:"),
        ("alertmanager", "alertmanager/firing", ""),
        ("mapped:aws-health", "presets/aws-health/issue", ""),
        ("mapped:guardduty", "presets/guardduty/finding", ""),
        ("mapped:zabbix", "presets/zabbix/problem", ""),
    ],
)
async def test_what_a_monitoring_system_sends_to_a_queue_of_its_format_opens_an_incident(
    function_settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    format: str,
    payload: str,
    key: str,
) -> None:
    queue = f"alarms-{uuid4().hex[:8]}"
    body = recorded_json(f"webhooks/{payload}")
    monkeypatch.setenv("TIDEGATE_QUEUE_FORMATS", f"{queue}={format}")
    monkeypatch.delenv("TIDEGATE_MAX_EVENT_BYTES", raising=False)
    with fresh_process():
        batch = sqs_batch(body if "TopicArn" in body else sns(body), queue=queue)
        assert await invoke(handler, batch) == ALL_DONE
    receipts = logged_receipts(capsys.readouterr().out)
    assert receipts
    for receipt in receipts:
        assert receipt["verdict"] in ("started", "delivered")
        assert receipt["workflow_id"].startswith(f"incident:queue:{queue}:{key}")


async def test_in_a_queue_without_a_format_an_alarm_is_an_event_of_eventbridge(
    function_settings: Settings, temporal_client: Client
) -> None:
    body = recorded_json("webhooks/cloudwatch/eventbridge-alarm") | {"id": str(uuid4())}
    assert await invoke(handler, sqs_batch(body, queue="orders")) == ALL_DONE
    wire = await started(temporal_client, f"queue:orders/eventbridge:aws.cloudwatch#{body['id']}")
    assert wire is not None
    assert wire["type"] == "CloudWatch Alarm State Change"


async def test_an_alarm_invokes_the_function_itself_where_invocations_are_given_its_format(
    function_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = f"arn:aws:cloudwatch:eu-west-1:111122223333:alarm:disk-{uuid4().hex[:8]}"
    action = {
        "source": "aws.cloudwatch",
        "alarmArn": arn,
        "accountId": "111122223333",
        "time": "2026-03-04T09:15:27.000+0000",
        "region": "eu-west-1",
        "alarmData": {
            "alarmName": "disk",
            "state": {"value": "ALARM", "timestamp": "2026-03-04T09:15:27.000+0000"},
            "previousState": {"value": "OK", "timestamp": "2026-03-04T08:00:00.000+0000"},
        },
    }
    monkeypatch.setenv("TIDEGATE_QUEUE_FORMATS", "invoked/message=cloudwatch")
    with fresh_process():
        [receipt] = await invoke(handler, action)
    assert receipt["workflow_id"] == f"incident:queue:invoked%2Fmessage:{arn}"


@pytest.mark.filterwarnings("ignore:No application metrics")
async def test_an_unknown_format_fails_the_invocation_so_that_nothing_is_lost(
    function_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_QUEUE_FORMATS", "orders=cloudwach")
    with fresh_process(), pytest.raises(SettingsError, match="did you mean cloudwatch"):
        await invoke(handler, sqs_batch(cloudevent(), queue="orders"))
    assert await kept(function_settings) == []


async def test_any_json_starts_a_workflow_per_message_and_none_for_a_redelivery(
    function_settings: Settings, temporal_client: Client
) -> None:
    batch = sqs_batch({"order": 4711}, {"order": 4711}, queue="orders")
    for _ in range(2):
        assert await invoke(handler, batch) == ALL_DONE
    for id in message_ids(batch):
        wire = await started(temporal_client, f"{QUEUE}#{id}")
        assert wire == {
            "specversion": "1.0",
            "id": id,
            "source": QUEUE,
            "type": "tidegate.message",
            "time": "2025-03-04T09:15:27.950Z",
            "datacontenttype": "application/json",
            "tidegatekey": f"{QUEUE}#{id}",
            "tidegateway": "queue:orders",
            "tidegatescope": "queue:orders",
            "data": {"order": 4711},
        }


async def test_a_batch_of_cloudevents_in_one_message_starts_one_workflow_each(
    function_settings: Settings, temporal_client: Client
) -> None:
    events = [cloudevent(), cloudevent()]
    attributes = {"Content-Type": "application/cloudevents-batch+json"}
    record = sqs_record(events, queue="orders", attributes=attributes)
    assert await invoke(handler, {"Records": [record]}) == ALL_DONE
    for event in events:
        assert await started(temporal_client, key(event))


async def test_an_invalid_cloudevent_of_a_batch_is_quarantined_with_the_whole_message(
    function_settings: Settings, temporal_client: Client
) -> None:
    good = cloudevent()
    attributes = {"content-type": "application/cloudevents-batch+json"}
    record = sqs_record([good, {"specversion": "1.0"}], attributes=attributes)
    assert await invoke(handler, {"Records": [record]}) == ALL_DONE
    assert await started(temporal_client, key(good, "uploads-queue"))
    [original] = await kept(function_settings)
    assert original.body.decode() == record["body"]
    assert original.headers["content-type"] == attributes["content-type"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "the body is not JSON"),
        ("not json", "the body is not JSON"),
        ('{"a": NaN}', "NaN is not a JSON number"),
        ('{"a": 1e999}', "the event cannot be written as JSON"),
        ('"\ud800"', "the body is not UTF-8"),
        ('{"specversion": "1.0"}', "not a CloudEvents 1.0 event: id is missing"),
        ('{"a": "' + "x" * 9000 + '"}', "over the limit of 8,192"),
        ("[" * 150 + "]" * 150, "nests deeper than 100 levels"),
    ],
)
async def test_a_message_without_an_event_is_quarantined_with_the_reason_and_affects_no_other(
    function_settings: Settings, temporal_client: Client, body: str, reason: str
) -> None:
    good = cloudevent()
    assert await invoke(handler, sqs_batch(body, good)) == ALL_DONE
    [record] = await kept(function_settings)
    assert record.body == body.encode(errors="surrogatepass")
    assert reason in record.reason
    assert await started(temporal_client, key(good, "uploads-queue"))


async def test_a_sender_cannot_forge_the_queue_or_message_id(
    function_settings: Settings, temporal_client: Client
) -> None:
    forged = {
        "queue": "sqs:other",
        "message-id": "forged",
        "sent-at": "1999-01-01T00:00:00Z",
        "tidegate-way": "queue:other",
        "Tidegate-Scope": "shared:other",
    }
    record = sqs_record({"a": 1}, queue="orders", attributes=forged)
    assert await invoke(handler, {"Records": [record]}) == ALL_DONE
    wire = await started(temporal_client, f"{QUEUE}#{record['messageId']}")
    assert (wire["source"], wire["time"]) == (QUEUE, "2025-03-04T09:15:27.950Z")
    assert wire["tidegateway"] == wire["tidegatescope"] == "queue:orders"


async def test_a_direct_invocation_is_a_message_without_identity(
    function_settings: Settings, temporal_client: Client
) -> None:
    receipts = [(await invoke(handler, {"order": 4711}))[0] for _ in range(2)]
    assert [(receipt["verdict"], receipt["unidentified"]) for receipt in receipts] == [
        ("started", True),
        ("started", True),
    ]
    assert receipts[0]["key"] != receipts[1]["key"]
    wire = await started(temporal_client, receipts[0]["key"])
    assert wire["tidegateway"] == wire["tidegatescope"] == "queue:invoked/message"


async def test_while_temporal_is_unavailable_every_message_is_redelivered_and_none_quarantined(
    function_settings: Settings,
    temporal_client: Client,
    monkeypatch: pytest.MonkeyPatch,
    closed_port: int,
) -> None:
    address = temporal_client.service_client.config.target_host
    event = cloudevent()
    batch = sqs_batch(event, {"order": 4711})
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{closed_port}")
    monkeypatch.setenv("TIDEGATE_START_TIMEOUT", "0.5")
    with fresh_process():
        assert await invoke(handler, batch) == failures(*message_ids(batch))
    assert await kept(function_settings) == []
    monkeypatch.setenv("TEMPORAL_ADDRESS", address)
    with fresh_process():
        assert await invoke(handler, batch) == ALL_DONE
    assert await started(temporal_client, key(event, "uploads-queue"))


async def test_recorded_fifo_messages_are_started_in_order(
    function_settings: Settings, capsys: Any
) -> None:
    batch = recorded_json("lambda-sqs-fifo")
    for record in batch["Records"]:
        record["messageId"] = uuid4().hex
    assert await invoke(handler, batch) == ALL_DONE
    logged = logged_receipts(capsys.readouterr().out)
    assert [receipt["message_id"] for receipt in logged] == message_ids(batch)
