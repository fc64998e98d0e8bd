"""The functions for Blob Storage end to end: the Functions host's objects in, workflows on a real
Temporal server out."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import uuid4

import pytest
from temporalio.client import Client

from core.config.settings import Settings
from core.domain.identity import workflow_id
from core.errors import NotAccepted, SettingsError, TemporalUnavailable
from functions_azure import host, service_bus
from tests.support.azure import ENVIRONMENT, created, fresh_process, function, message
from tests.support.payloads import new_sequencer, recorded, recorded_json
from tests.support.quarantines import kept
from tests.support.temporal import started
from tests.support.workflows_port import HangingWorkflows, MemoryWorkflows

queue, grid = function("blob_events_queue"), function("blob_events_grid")

PATHS = ["queue", "queue, CloudEvents", "queue, array", "trigger", "trigger, CloudEvents"]
NAMES = {
    "spaces": "2026/db outage 1.json",
    "plus signs": "2026/c++ build.json",
    "percent signs": "2026/100% sure%20not.json",
    "unicode": "2026/März Übergröße 🔥.json",
    "quotes and ampersands": '2026/"a"&b\'c?d#e.json',
    "1,024 characters": "x" * 1024,
    "1,024 characters of four bytes": "🔥" * 1024,
}


@pytest.fixture
def app_settings(
    function_settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[Settings]:
    """The app's environment, and a process that has not yet read it."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    caplog.set_level(logging.INFO, "functions_azure")
    with fresh_process():
        yield Settings.from_env()


class Upload:
    """One upload, and its event on each path."""

    def __init__(self, name: str | None = None) -> None:
        self.name = name or f"2026/{uuid4().hex}.json"
        self.sequencer = new_sequencer()
        self.key = f"blob:exampledocs/incidents/{self.name}@{self.sequencer}"

    def event(self, *, cloudevents: bool = False) -> Any:
        return created(self.name, self.sequencer, cloudevents=cloudevents)

    async def by(self, path: str) -> None:
        event = self.event(cloudevents="CloudEvents" in path)
        if path.startswith("trigger"):
            await grid(json.dumps(event))
        else:
            await queue(message([event] if "array" in path else event))


def receipts(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [record.receipt for record in caplog.records if hasattr(record, "receipt")]


def verdicts(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [str(receipt["verdict"]) for receipt in receipts(caplog)]


@pytest.mark.parametrize("path", PATHS)
async def test_an_upload_starts_one_workflow(
    app_settings: Settings, temporal_client: Client, path: str
) -> None:
    upload = Upload()
    await upload.by(path)
    wire = await started(temporal_client, upload.key)
    assert wire["type"] == "tidegate.document.created"
    assert wire["data"]["document"]["uri"] == f"azure://exampledocs/incidents/{upload.name}"


@pytest.mark.parametrize(
    "order", [*itertools.permutations(["queue", "queue, CloudEvents", "trigger"])]
)
async def test_one_upload_by_three_paths_in_any_order_is_one_workflow(
    app_settings: Settings,
    temporal_client: Client,
    order: tuple[str, ...],
    caplog: pytest.LogCaptureFixture,
) -> None:
    upload = Upload()
    for path in order:
        await upload.by(path)
    assert verdicts(caplog) == ["started", "duplicate", "duplicate"]
    assert {receipt["key"] for receipt in receipts(caplog)} == {upload.key}
    assert await started(temporal_client, upload.key)


async def test_one_upload_by_all_paths_at_the_same_time_is_one_workflow(
    app_settings: Settings, temporal_client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    upload = Upload()
    await asyncio.gather(*(upload.by(path) for path in PATHS * 20))
    assert sorted(verdicts(caplog)) == ["duplicate"] * 99 + ["started"]


async def test_two_uploads_to_the_same_name_are_two_workflows(
    app_settings: Settings, temporal_client: Client
) -> None:
    first = Upload()
    second = Upload(first.name)
    for upload in (first, second):
        await upload.by("queue")
        assert await started(temporal_client, upload.key)


@pytest.mark.parametrize("path", ["queue", "trigger, CloudEvents"])
@pytest.mark.parametrize("kind", NAMES)
async def test_a_blob_is_identified_by_its_decoded_name(
    app_settings: Settings,
    temporal_client: Client,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    path: str,
) -> None:
    monkeypatch.delenv("TIDEGATE_MAX_EVENT_BYTES")
    upload = Upload(NAMES[kind])
    await upload.by(path)
    wire = await started(temporal_client, workflow_id(upload.key))
    assert wire["subject"] == upload.name
    assert wire["data"]["document"]["uri"] == f"azure://exampledocs/incidents/{upload.name}"


async def test_the_subject_takes_precedence_over_the_url(
    app_settings: Settings, temporal_client: Client
) -> None:
    upload = Upload()
    event = upload.event()
    event["data"]["url"] = "https://another.blob.core.windows.net/secrets/passwords.txt"
    await queue(message(event))
    wire = await started(temporal_client, upload.key)
    assert wire["data"]["document"]["uri"] == f"azure://exampledocs/incidents/{upload.name}"


async def test_a_file_that_is_not_yet_written_starts_nothing(
    app_settings: Settings, temporal_client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """In a hierarchical namespace `CreateFile` comes first, `FlushWithClose` at the end."""
    upload = Upload()
    event = upload.event()
    event["data"]["api"] = "CreateFile"
    await queue(message(event))
    await grid(json.dumps(event))
    assert await started(temporal_client, upload.key) is None
    assert caplog.messages.count("delivery without events") == 2
    event["data"]["api"] = "FlushWithClose"
    await queue(message(event))
    assert await started(temporal_client, upload.key)


async def test_an_event_of_another_type_keeps_its_own_type(
    app_settings: Settings, temporal_client: Client
) -> None:
    event = recorded_json("webhooks/event_grid/key-vault-secret-near-expiry")
    event = event[0] if isinstance(event, list) else event
    event["id"] = uuid4().hex
    await queue(message(event))
    wire = await started(temporal_client, f"queue:blob-events/ce:{event['topic']}#{event['id']}")
    assert wire["type"] == "Microsoft.KeyVault.SecretNearExpiry"


async def test_the_events_about_a_subscription_are_acknowledged_and_start_nothing(
    app_settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    await queue(message(recorded("webhooks/event_grid/subscription-validation")))
    assert caplog.messages == ["delivery without events"]
    assert await kept(app_settings) == []


@pytest.mark.parametrize("garbage", [b"\xff\xfe{no json", b'{"Records": [', b"", b"null"])
async def test_a_poison_message_is_quarantined_in_its_original_bytes_and_completed(
    app_settings: Settings, garbage: bytes
) -> None:
    for _ in range(3):
        await queue(message(garbage, message_id="poison", delivery_count=2))
    [record] = await kept(app_settings)
    assert (record.body, record.code) == (garbage, "InvalidEvent")
    assert record.headers["queue"] == "servicebus:example-bus/blob-events"
    assert record.headers["delivery-count"] == "2"


async def test_a_poison_event_directly_from_event_grid_is_quarantined_too(
    app_settings: Settings,
) -> None:
    await grid('{"no": "event"}')
    [record] = await kept(app_settings)
    assert record.body == b'{"no": "event"}'


async def test_an_invalid_event_does_not_affect_others_of_its_message(
    app_settings: Settings, temporal_client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    first, last = Upload(), Upload()
    body = [first.event(), {"eventType": "Microsoft.Storage.BlobCreated"}, last.event()]
    await queue(message(body))
    assert sorted(verdicts(caplog)) == ["quarantined", "started", "started"]
    for upload in (first, last):
        assert await started(temporal_client, upload.key)
    [record] = await kept(app_settings)
    assert json.loads(record.body) == body
    assert "event 1: id is missing" in record.reason


@pytest.mark.parametrize("path", ["queue", "trigger"])
async def test_an_upload_to_a_container_that_is_not_configured_is_quarantined(
    app_settings: Settings, temporal_client: Client, path: str
) -> None:
    event = Upload().event()
    event["subject"] = event["subject"].replace("/incidents/", "/incidents2/")
    await (grid(json.dumps(event)) if path == "trigger" else queue(message(event)))
    [record] = await kept(app_settings)
    assert record.code == "DocumentRefused"
    assert "add its bucket, container or folder to TIDEGATE_DOCUMENTS" in record.reason
    assert record.key
    assert await started(temporal_client, record.key) is None


@pytest.mark.parametrize("path", ["queue", "trigger"])
async def test_a_message_is_abandoned_while_temporal_is_unavailable_and_completed_afterwards(
    app_settings: Settings,
    temporal_client: Client,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    closed_port: int,
) -> None:
    upload = Upload()
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{closed_port}")
    monkeypatch.setenv("TIDEGATE_START_TIMEOUT", "0.5")
    with fresh_process(), pytest.raises(NotAccepted, match="1 of 1 events not accepted"):
        await upload.by(path)
    assert await kept(app_settings) == []
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_client.service_client.config.target_host)
    with fresh_process():
        await upload.by(path)
    assert await started(temporal_client, upload.key)


async def test_a_message_that_cannot_be_quarantined_is_abandoned(
    app_settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "quarantine").write_text("a file where the folder should be")
    with pytest.raises(NotAccepted):
        await queue(message(b"garbage"))


async def test_one_event_that_must_be_retried_redelivers_its_whole_array(
    app_settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    good, slow = Upload(), Upload("hangs.json")
    body = [good.event(), slow.event()]
    with (
        fresh_process(app_settings, HangingWorkflows("hangs")),
        pytest.raises(NotAccepted, match="1 of 2 events"),
    ):
        await grid_within(0.3, json.dumps(body))
    assert sorted(verdicts(caplog)) == ["retry", "started"]


async def grid_within(seconds: float, body: str) -> None:
    """The function, called by an Event Grid with a short timeout."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("functions_azure.blob_listener._PATIENCE", seconds)
        async with asyncio.timeout(host.FUNCTION_TIMEOUT / 2):
            await grid(body)


async def test_a_message_is_held_for_a_while_before_it_is_abandoned(
    app_settings: Settings,
) -> None:
    clock = asyncio.get_running_loop().time
    with (
        fresh_process(app_settings, MemoryWorkflows(away)),
        mock.patch.object(service_bus, "hold", side_effect=lambda count: 0.1 * count),
    ):
        begun = clock()
        with pytest.raises(NotAccepted):
            await queue(message(Upload().event(), delivery_count=3))
    assert clock() - begun >= 0.29


async def test_a_message_is_abandoned_before_its_invocation_times_out(
    app_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_bus, "FUNCTION_TIMEOUT", 10.0)
    with (
        fresh_process(app_settings, MemoryWorkflows(away)),
        mock.patch.object(service_bus, "hold", return_value=3600.0),
    ):
        async with asyncio.timeout(60):
            with pytest.raises(NotAccepted):
                await queue(message(Upload().event()))


def away(event: object) -> None:
    raise TemporalUnavailable("away")


async def test_a_message_is_abandoned_while_settings_are_invalid(
    app_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TIDEGATE_QUARANTINE")
    with fresh_process(), pytest.raises(SettingsError, match="TIDEGATE_QUARANTINE is not set"):
        await queue(message(Upload().event()))


async def test_each_receipt_is_logged_with_its_message(
    app_settings: Settings, temporal_client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    upload = Upload()
    given = message(
        upload.event(), message_id="5f2e", delivery_count=4, DeadLetterReason="MaxDeliveryCount"
    )
    await queue(given)
    await queue(message(b"garbage"))
    good, bad = receipts(caplog)
    assert good["workflow_id"] == upload.key
    assert (good["message_id"], good["queue"]) == ("5f2e", "servicebus:example-bus/blob-events")
    assert (good["delivery_count"], good["dead_letter_reason"]) == ("4", "MaxDeliveryCount")
    assert (bad["verdict"], bad["code"]) == ("quarantined", "InvalidEvent")
    assert [record.levelname for record in caplog.records if hasattr(record, "receipt")] == [
        "INFO",
        "WARNING",
    ]
