"""The S3 listener end to end: Lambda's events in, workflows on a real Temporal server out."""

from __future__ import annotations

import asyncio
import itertools
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from core import bootstrap
from core.config.settings import Settings
from core.errors import NotAccepted, SettingsError, TemporalUnavailable
from core.formats.registry import read
from functions_aws import telemetry
from functions_aws.s3_listener import handler
from tests.support.lambda_runtime import Context, invoke, logged_receipts
from tests.support.listeners import fresh_process
from tests.support.payloads import (
    delivery,
    eventbridge_put,
    failures,
    message_ids,
    new_key,
    new_sequencer,
    put,
    recorded,
    recorded_json,
    sns,
    sqs_batch,
    sqs_record,
)
from tests.support.quarantines import kept
from tests.support.temporal import started
from tests.support.workflows_port import HangingWorkflows, MemoryWorkflows

ALL_DONE = failures()


class Upload:
    """One upload, with its invocation on each path."""

    def __init__(self) -> None:
        self.key, self.sequencer = new_key(), new_sequencer()
        self.workflow_id = f"s3:example-documents/{self.key}@{self.sequencer}"

    @property
    def notification(self) -> Any:
        return put(self.key, self.sequencer)

    def by(self, path: str) -> Any:
        bridged = eventbridge_put(self.key, self.sequencer)
        return {
            "direct": lambda: self.notification,
            "SNS": lambda: by_sns(self.notification),
            "SQS": lambda: sqs_batch(self.notification),
            "SNS in SQS": lambda: sqs_batch(sns(self.notification)),
            "EventBridge": lambda: bridged,
            "EventBridge in SQS": lambda: sqs_batch(bridged),
        }[path]()


def by_sns(message: object) -> Any:
    event = recorded_json("lambda-sns-s3-put")
    event["Records"][0]["Sns"]["Message"] = json.dumps(message)
    return event


PATHS = ["direct", "SNS", "SQS", "SNS in SQS", "EventBridge", "EventBridge in SQS"]


@pytest.mark.parametrize("path", PATHS)
async def test_an_upload_starts_one_workflow(
    function_settings: Settings, temporal_client: Client, path: str
) -> None:
    upload = Upload()
    answer = await invoke(handler, upload.by(path))
    wire = await started(temporal_client, upload.workflow_id)
    assert wire["type"] == "tidegate.document.created"
    assert wire["data"]["document"]["uri"] == f"s3://example-documents/{upload.key}"
    if "SQS" in path:
        assert answer == ALL_DONE
    else:
        [receipt] = answer
        assert (receipt["verdict"], receipt["workflow_id"]) == ("started", upload.workflow_id)


@pytest.mark.parametrize("order", [*itertools.permutations(["direct", "SQS", "EventBridge"])])
async def test_one_upload_by_three_paths_in_any_order_is_one_workflow(
    function_settings: Settings, temporal_client: Client, order: tuple[str, ...], capsys: Any
) -> None:
    upload = Upload()
    for path in order:
        await invoke(handler, upload.by(path))
    assert metric(capsys.readouterr().out, "Accepted") == 1
    assert await started(temporal_client, upload.workflow_id)


async def test_one_upload_by_all_paths_at_the_same_time_is_one_workflow(
    function_settings: Settings, temporal_client: Client, capsys: Any
) -> None:
    """Concurrently in one process: as records of one batch, each twenty times."""
    upload = Upload()
    bodies = [json.loads(upload.by(path)["Records"][0]["body"]) for path in PATHS if "SQS" in path]
    assert await invoke(handler, sqs_batch(*bodies * 20)) == ALL_DONE
    out = capsys.readouterr().out
    assert (metric(out, "Accepted"), metric(out, "Duplicate")) == (1, 59)


async def test_one_upload_in_several_processes_concurrently_is_one_workflow(
    function_settings: Settings, temporal_client: Client, capsys: Any
) -> None:
    """Each instance has its own client; the server decides which one starts the workflow."""
    upload = Upload()
    arrivals = read(delivery("s3", upload.notification))
    instances = [bootstrap.intake(function_settings) for _ in range(6)]
    accepted = await asyncio.gather(*(instance.accept(arrivals) for instance in instances))
    verdicts = [receipt.verdict for [receipt] in accepted]
    assert sorted(verdicts) == ["duplicate"] * 5 + ["started"]


async def test_two_uploads_of_identical_bytes_to_the_same_key_are_two_workflows(
    function_settings: Settings, temporal_client: Client
) -> None:
    key, sequencers = new_key(), [new_sequencer(), new_sequencer()]
    batch = sqs_batch(*(put(key, sequencer) for sequencer in sequencers))
    assert await invoke(handler, batch) == ALL_DONE
    for sequencer in sequencers:
        assert await started(temporal_client, f"s3:example-documents/{key}@{sequencer}")


@pytest.mark.parametrize(
    "wrap", [lambda event: event, sqs_batch, lambda event: sqs_batch(sns(event))]
)
async def test_the_test_event_is_acknowledged_logged_and_starts_nothing(
    function_settings: Settings, capsys: Any, caplog: pytest.LogCaptureFixture, wrap: Any
) -> None:
    assert await invoke(handler, wrap(recorded_json("s3-test-event"))) in ([], ALL_DONE)
    assert "delivery without events" in caplog.messages
    assert metric(capsys.readouterr().out, "Accepted") == 0
    assert await kept(function_settings) == []


async def test_a_malformed_record_is_quarantined_in_its_original_bytes_and_the_others_start(
    function_settings: Settings, temporal_client: Client
) -> None:
    first, last = Upload(), Upload()
    garbage = '{"Records": [{"ünlesbar": \x00 '
    batch = sqs_batch(first.notification, garbage, last.notification)
    assert await invoke(handler, batch) == ALL_DONE
    for upload in (first, last):
        assert await started(temporal_client, upload.workflow_id)
    [record] = await kept(function_settings)
    assert record.body == garbage.encode()
    assert record.code == "InvalidEvent"
    assert record.headers["message-id"] == message_ids(batch)[1]
    assert record.headers["queue"] == "sqs:eu-west-1:111122223333:uploads-queue"
    assert record.headers["sent-at"] == "2025-03-04T09:15:27.950Z"


async def test_a_malformed_record_is_quarantined_once_however_often_it_is_delivered(
    function_settings: Settings,
) -> None:
    batch = sqs_batch("garbage")
    for _ in range(3):
        assert await invoke(handler, batch) == ALL_DONE
    assert len(await kept(function_settings)) == 1


async def test_an_upload_to_a_bucket_that_is_not_configured_is_quarantined(
    function_settings: Settings, temporal_client: Client
) -> None:
    batch = sqs_batch(put(new_key(), new_sequencer(), bucket="example-documents2"))
    assert await invoke(handler, batch) == ALL_DONE
    [record] = await kept(function_settings)
    assert record.code == "DocumentRefused"
    assert "add its bucket, container or folder to TIDEGATE_DOCUMENTS" in record.reason
    assert record.key
    assert await started(temporal_client, record.key) is None


async def test_an_event_over_the_size_limit_is_quarantined(function_settings: Settings) -> None:
    batch = sqs_batch(put("incidents/" + "x" * 9000, new_sequencer()))
    assert await invoke(handler, batch) == ALL_DONE
    [record] = await kept(function_settings)
    assert "over the limit of 8,192" in record.reason
    assert record.body.decode() == batch["Records"][0]["body"]


async def test_a_direct_invocation_other_than_a_notification_is_quarantined(
    function_settings: Settings,
) -> None:
    [receipt] = await invoke(handler, {"hello": "world"})
    [record] = await kept(function_settings)
    assert (receipt["verdict"], receipt["quarantine_uri"]) == ("quarantined", record.uri)
    assert json.loads(record.body) == {"hello": "world"}


async def test_nothing_is_settled_while_temporal_is_unavailable_and_everything_afterwards(
    function_settings: Settings,
    temporal_client: Client,
    monkeypatch: pytest.MonkeyPatch,
    closed_port: int,
) -> None:
    address = temporal_client.service_client.config.target_host
    uploads = [Upload() for _ in range(5)]
    batch = sqs_batch(*(upload.notification for upload in uploads))
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{closed_port}")
    monkeypatch.setenv("TIDEGATE_START_TIMEOUT", "0.5")
    with fresh_process():
        assert await invoke(handler, batch) == failures(*message_ids(batch))
        with pytest.raises(NotAccepted, match="1 of 1 events not accepted"):
            await invoke(handler, uploads[0].notification)
    assert await kept(function_settings) == []
    monkeypatch.setenv("TEMPORAL_ADDRESS", address)
    with fresh_process():
        assert await invoke(handler, batch) == ALL_DONE
    for upload in uploads:
        assert await started(temporal_client, upload.workflow_id)


async def test_only_the_record_that_cannot_be_quarantined_is_redelivered(
    function_settings: Settings, temporal_client: Client, tmp_path: Path
) -> None:
    (tmp_path / "quarantine").write_text("a file where the folder should be")
    upload = Upload()
    batch = sqs_batch("garbage", upload.notification)
    assert await invoke(handler, batch) == failures(message_ids(batch)[0])
    assert await started(temporal_client, upload.workflow_id)


@pytest.mark.parametrize("missing", ["TIDEGATE_QUARANTINE", "TEMPORAL_ADDRESS"])
async def test_a_missing_setting_acknowledges_nothing(
    function_settings: Settings, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.delenv(missing)
    batch = sqs_batch(Upload().notification)
    if missing == "TIDEGATE_QUARANTINE":
        with pytest.raises(SettingsError, match="TIDEGATE_QUARANTINE is not set"):
            await invoke(handler, batch)
    else:
        assert await invoke(handler, batch) == failures(*message_ids(batch))


async def test_a_record_that_is_unfinished_at_the_deadline_is_redelivered(
    function_settings: Settings,
) -> None:
    batch = sqs_batch(put("incidents/a", "00A1"), put("incidents/slow", "00A2"), "garbage")
    with fresh_process(function_settings, HangingWorkflows("slow")):
        answer = await invoke(handler, batch, seconds=function_settings.deadline_margin + 0.5)
    assert answer == failures(message_ids(batch)[1])
    assert len(await kept(function_settings)) == 1


async def test_a_record_of_two_events_is_redelivered_if_either_must_be(
    function_settings: Settings,
) -> None:
    """Then the other one is a duplicate."""
    two = recorded_json("s3-two-records")
    with fresh_process(function_settings, HangingWorkflows("second")):
        batch = sqs_batch(two)
        answer = await invoke(handler, batch, seconds=function_settings.deadline_margin + 0.5)
    assert answer == failures(*message_ids(batch))


async def test_a_fifo_batch_stops_at_the_first_record_that_must_be_redelivered(
    function_settings: Settings,
) -> None:
    bodies = [put(f"incidents/{name}", "00A1") for name in ("a", "slow", "b")]
    batch = sqs_batch(bodies[0], "garbage", *bodies[1:], queue="uploads.fifo")
    workflows = HangingWorkflows("slow")
    with fresh_process(function_settings, workflows):
        answer = await invoke(handler, batch, seconds=function_settings.deadline_margin + 0.5)
    assert answer == failures(*message_ids(batch)[2:])
    assert [event.subject for event in workflows.calls] == ["incidents/a"]


async def test_a_fifo_batch_without_failures_is_settled(function_settings: Settings) -> None:
    batch = sqs_batch(*(put(f"incidents/{n}", "00A1") for n in range(3)), queue="uploads.fifo")
    workflows = MemoryWorkflows()
    with fresh_process(function_settings, workflows):
        assert await invoke(handler, batch) == ALL_DONE
    assert [event.subject for event in workflows.calls] == [f"incidents/{n}" for n in range(3)]


def embedded_metrics(out: str) -> list[dict[str, Any]]:
    """The lines in CloudWatch's embedded metric format."""
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    return [line for line in lines if "_aws" in line]


def metric(out: str, name: str) -> float:
    """The sum of a metric's values."""
    return sum(sum(line.get(name, [])) for line in embedded_metrics(out))


async def test_metrics_count_verdicts_and_measure_the_age_of_events(
    function_settings: Settings, capsys: Any
) -> None:
    def away(event: Any) -> None:
        if "away" in event.key:
            raise TemporalUnavailable("away")

    names = ("a", "b", "a", "away")
    batch = sqs_batch(*(put(f"incidents/{name}", "00A1") for name in names), "garbage")
    with fresh_process(function_settings, MemoryWorkflows(away)):
        await invoke(handler, batch)
    out = capsys.readouterr().out
    assert {
        name: metric(out, name) for name in ("Accepted", "Duplicate", "Quarantined", "Retried")
    } == {"Accepted": 2, "Duplicate": 1, "Quarantined": 1, "Retried": 1}
    ages = [age for line in embedded_metrics(out) for age in line.get("EventAge", [])]
    assert len(ages) == 4
    assert min(ages) > 0
    spaces = {
        (directive["Namespace"], unit["Name"], unit["Unit"])
        for line in embedded_metrics(out)
        for directive in line["_aws"]["CloudWatchMetrics"]
        for unit in directive["Metrics"]
    }
    assert ("Tidegate", "Accepted", "Count") in spaces
    assert ("Tidegate", "EventAge", "Milliseconds") in spaces


async def test_a_process_counts_its_cold_start_once(
    function_settings: Settings, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        telemetry, "_count_cold_start", cache(telemetry._count_cold_start.__wrapped__)
    )
    with fresh_process(function_settings, MemoryWorkflows()):
        for number in range(2):
            await invoke(handler, sqs_batch(put(f"incidents/{number}", "00A1")))
    [line] = [line for line in embedded_metrics(capsys.readouterr().out) if "ColdStart" in line]
    assert (line["ColdStart"], line["function_name"]) == ([1], "tidegate-test")
    [directive] = line["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [["function_name", "service"]]


async def test_each_event_is_logged_with_its_receipt(
    function_settings: Settings, caplog: pytest.LogCaptureFixture, capsys: Any
) -> None:
    upload = put("incidents/a", "00A1")
    batch = sqs_batch(upload, "garbage", upload)
    with fresh_process(function_settings, MemoryWorkflows()):
        await invoke(handler, batch)
    first, second, third = message_ids(batch)
    receipts = logged_receipts(capsys.readouterr().out)
    assert {(receipt["message_id"], receipt["verdict"]) for receipt in receipts} == {
        (first, "started"),
        (second, "quarantined"),
        (third, "duplicate"),
    }
    [warned] = [record for record in caplog.records if hasattr(record, "receipt")]
    assert vars(warned)["receipt"]["message_id"] == second
    assert vars(warned)["function_request_id"] == Context.aws_request_id


async def test_a_large_batch_is_logged_in_lines_that_cloudwatch_accepts(
    function_settings: Settings, capsys: Any
) -> None:
    batch = sqs_batch(*(put(f"incidents/{n}", "00A1") for n in range(120)))
    with fresh_process(function_settings, MemoryWorkflows()):
        await invoke(handler, batch)
    output = capsys.readouterr().out
    assert len(logged_receipts(output)) == 120
    lines = [json.loads(line) for line in output.splitlines() if "Accepted" in line]
    assert [sum(line["Accepted"]) for line in lines] == [50, 50, 20]
    assert all(len(line["EventAge"]) <= 100 for line in lines)


async def test_a_large_batch_is_accepted_completely(
    function_settings: Settings, temporal_client: Client
) -> None:
    uploads = [Upload() for _ in range(120)]
    batch = sqs_batch(*(upload.notification for upload in uploads))
    assert await invoke(handler, batch) == ALL_DONE
    for upload in (uploads[0], uploads[-1]):
        assert await started(temporal_client, upload.workflow_id)


async def test_a_batch_record_of_another_shape_is_not_lost(function_settings: Settings) -> None:
    """Lambda never sends one; if it did, the batch must not be acknowledged unread."""
    record = sqs_record(recorded("s3-put").decode())
    del record["messageId"]
    [receipt] = await invoke(handler, {"Records": [record]})
    assert receipt["verdict"] == "quarantined"


async def test_an_invocation_that_x_ray_samples_has_the_same_response(
    function_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1")
    with fresh_process(function_settings, MemoryWorkflows()):
        [receipt] = await invoke(handler, recorded_json("s3-put"))
    assert receipt["verdict"] == "started"
