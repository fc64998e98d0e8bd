"""The quarantine keeps originals byte for byte, once, and replays them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest

from core import bootstrap
from core.adapters.documents.router import DocumentStores
from core.config.settings import Settings
from core.domain.event import DOCUMENT_CREATED, Event
from core.errors import (
    ChildAlreadyRunning,
    DocumentNotFound,
    InvalidEvent,
    NoRoute,
    TemporalUnavailable,
)
from core.formats.registry import read
from core.intake.quarantine import Quarantine
from core.intake.replay import replay
from tests.support.payloads import delivery, put, recorded
from tests.support.quarantines import no_mapping, originals
from tests.support.workflows_port import MemoryWorkflows


@pytest.fixture(params=["file", "s3"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    root = f"file://{tmp_path}/quarantine"
    if request.param == "s3":
        request.getfixturevalue("aws_settings")
        root = f"s3://{new_bucket()}/quarantine/"
    return Settings(documents=("s3://example-documents/",), quarantine=root)


def new_bucket() -> str:
    name = f"quarantine-{uuid4().hex}"
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.close()
    return name


@pytest.fixture
def quarantine(settings: Settings) -> Quarantine:
    return bootstrap.quarantine(settings)


async def keep(quarantine: Quarantine, body: bytes, *, format: str = "s3", **headers: str) -> str:
    """Keeps the first arrival of a delivery; returns the record's ID."""
    arrival = read(delivery(format, body, **headers))[0]
    uri = await quarantine.keep(arrival, InvalidEvent("why", fix="what to do"))
    return uri.rpartition("/")[2].removesuffix(".json")


async def ids(quarantine: Quarantine) -> list[str]:
    return [record.id async for record in quarantine.records()]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe not UTF-8 \x00",
        b"\xef\xbb\xbf{\r\n}",
        b"\xed\xa0\x80",
        '{"ü": "日本🔥"}'.encode(),
        b'{"a": "\\ud800"}',
        b"x" * 300_000,
    ],
)
async def test_the_original_bytes_are_returned_exactly(quarantine: Quarantine, body: bytes) -> None:
    assert (await quarantine.get(await keep(quarantine, body))).body == body


async def test_a_record_says_what_it_is_and_why(quarantine: Quarantine, settings: Settings) -> None:
    id = await keep(
        quarantine, b"not json", message_id="5f2e", queue="sqs:x", content_type="a/\ud800"
    )
    record = await quarantine.get(id)
    assert (record.format, record.code, record.reason) == ("s3", "InvalidEvent", "why (what to do)")
    assert record.uri == f"{(settings.quarantine or '').rstrip('/')}/{id}.json"
    assert record.headers == {"message-id": "5f2e", "queue": "sqs:x", "content-type": "a/\ud800"}
    assert record.key is None
    assert record.replayed is None
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record.kept_at)


async def test_the_key_of_a_valid_event_is_kept(quarantine: Quarantine) -> None:
    record = await quarantine.get(await keep(quarantine, recorded("s3-put")))
    assert record.key == "s3:example-documents/incidents/db-outage.json@0062E99A88DC407460"


async def test_a_redelivery_of_the_same_message_keeps_one_record(quarantine: Quarantine) -> None:
    first = await keep(quarantine, b"not json", message_id="5f2e")
    assert await keep(quarantine, b"not json", message_id="5f2e") == first
    assert await ids(quarantine) == [first]


async def test_other_messages_formats_and_bytes_have_their_own_records(
    quarantine: Quarantine,
) -> None:
    kept = [
        await keep(quarantine, b"not json", message_id="5f2e"),
        await keep(quarantine, b"not json", message_id="77aa"),
        await keep(quarantine, b"not json either", message_id="5f2e"),
        await keep(quarantine, b"not json", message_id="5f2e", format="message"),
        await keep(quarantine, b"not json"),
    ]
    assert len(set(kept)) == 5
    assert sorted(await ids(quarantine)) == sorted(kept)


async def test_two_malformed_parts_of_one_delivery_are_one_record(quarantine: Quarantine) -> None:
    arrivals = read(delivery("s3", {"Records": [{}, {}]}))
    uris = {await quarantine.keep(arrival, InvalidEvent("why")) for arrival in arrivals}
    assert len(uris) == 1


@pytest.mark.parametrize("header", ["message_id", "tidegate_way", "x_github_delivery"])
async def test_two_deliveries_of_the_same_bytes_are_kept_apart(
    quarantine: Quarantine, header: str
) -> None:
    body = b"{no json"
    ids = {await keep(quarantine, body, format="github", **{header: each}) for each in ("a", "b")}
    assert len(ids) == 2


async def test_a_record_that_is_not_there_is_not_found(quarantine: Quarantine) -> None:
    with pytest.raises(DocumentNotFound, match="no quarantine record 'nowhere' under"):
        await quarantine.get("nowhere")


def with_starter(settings: Settings) -> tuple[Any, MemoryWorkflows]:
    workflows = MemoryWorkflows()
    return bootstrap.intake(settings, workflows=workflows), workflows


async def test_a_replay_starts_what_can_work_now_and_notes_it(
    quarantine: Quarantine, settings: Settings
) -> None:
    intake, workflows = with_starter(settings)
    id = await keep(quarantine, recorded("s3-put"))
    [receipt] = await replay(quarantine, intake, id, mapping_of=no_mapping)
    key = "s3:example-documents/incidents/db-outage.json@0062E99A88DC407460"
    assert (receipt.verdict, receipt.key) == ("started", key)
    assert list(workflows.started) == [key]
    record = await quarantine.get(id)
    assert record.replayed is not None
    assert [note["verdict"] for note in record.replayed["receipts"]] == ["started"]
    assert record.body == recorded("s3-put")
    assert record.settled
    assert await ids(quarantine) == [id]  # the note is not a record


async def test_a_second_replay_is_a_duplicate(quarantine: Quarantine, settings: Settings) -> None:
    intake, workflows = with_starter(settings)
    id = await keep(quarantine, recorded("s3-put"))
    await replay(quarantine, intake, id, mapping_of=no_mapping)
    [receipt] = await replay(quarantine, intake, id, mapping_of=no_mapping)
    assert receipt.verdict == "duplicate"
    assert len(workflows.started) == 1


async def test_a_second_replay_of_an_unidentified_event_is_a_duplicate_too(
    quarantine: Quarantine, settings: Settings
) -> None:
    intake, workflows = with_starter(settings)
    id = await keep(quarantine, b'{"a": 1}', format="message")
    receipts = [
        *await replay(quarantine, intake, id, mapping_of=no_mapping),
        *await replay(quarantine, intake, id, mapping_of=no_mapping),
    ]
    assert [(receipt.verdict, receipt.unidentified) for receipt in receipts] == [
        ("started", True),
        ("duplicate", True),
    ]
    assert len(workflows.started) == 1


async def test_a_replay_of_what_still_cannot_work_keeps_no_second_record(
    quarantine: Quarantine, settings: Settings
) -> None:
    intake, workflows = with_starter(settings)
    id = await keep(quarantine, b"not json", message_id="5f2e")
    [receipt] = await replay(quarantine, intake, id, mapping_of=no_mapping)
    assert receipt.verdict == "quarantined"
    assert (receipt.quarantine_uri or "").endswith(f"/{id}.json")
    assert await ids(quarantine) == [id]
    assert not (await quarantine.get(id)).settled
    assert workflows.calls == []


async def test_a_replay_that_temporal_did_not_accept_settles_nothing(
    quarantine: Quarantine, settings: Settings
) -> None:
    def away(event: Event) -> None:
        raise TemporalUnavailable("away")

    id = await keep(quarantine, recorded("s3-put"))
    intake = bootstrap.intake(settings, workflows=MemoryWorkflows(before=away))
    [receipt] = await replay(quarantine, intake, id, mapping_of=no_mapping)
    assert receipt.verdict == "retry"
    assert not (await quarantine.get(id)).settled


async def test_what_fails_again_after_its_replay_is_on_the_list_again(
    quarantine: Quarantine, settings: Settings
) -> None:
    """Even if its workflow fails before the replay has written its note."""
    intake, workflows = with_starter(settings)
    await quarantine.keep_event(event().to_wire(), NoRoute("none"), started=False)
    [record] = await originals(quarantine)

    await replay(quarantine, intake, record.id, mapping_of=no_mapping)
    assert (await quarantine.get(record.id)).settled
    await asyncio.sleep(0.002)  # times are kept to the millisecond
    await quarantine.keep_event(event().to_wire(), NoRoute("still none"), started=False)
    again = await quarantine.get(record.id)
    assert (again.settled, again.reason[:10]) == (False, "still none")

    [receipt] = await intake.accept(read(record.delivery()))
    await quarantine.note_replay(record, {1: receipt}, items=1)
    assert not (await quarantine.get(record.id)).settled
    assert len(workflows.started) == 1


async def test_a_replay_of_nothing_is_not_found(quarantine: Quarantine, settings: Settings) -> None:
    intake, _ = with_starter(settings)
    with pytest.raises(DocumentNotFound):
        await replay(quarantine, intake, "nowhere", mapping_of=no_mapping)


def event(key: str = "s3:docs/a@00AB") -> Event:
    return Event(
        id="1",
        source="/a",
        type="t",
        key=key,
        way="webhook:eu",
        scope="shared:billing",
        data={"ü": "🔥"},
    )


async def test_an_event_whose_workflow_failed_is_replayed_under_its_own_key(
    quarantine: Quarantine, settings: Settings
) -> None:
    intake, workflows = with_starter(settings)
    uri = await quarantine.keep_event(event().to_wire(), NoRoute("none"), started=False)
    [record] = await originals(quarantine)
    assert (record.uri, record.format, record.code) == (uri, "stored_event", "NoRoute")
    assert record.key == "s3:docs/a@00AB"
    await replay(quarantine, intake, record.id, mapping_of=no_mapping)
    assert workflows.calls == [event()]


async def test_an_event_whose_workflow_completed_is_replayed_once_under_a_new_key(
    quarantine: Quarantine, settings: Settings
) -> None:
    intake, workflows = with_starter(settings)
    await quarantine.keep_event(event().to_wire(), ChildAlreadyRunning("it runs"))
    [record] = await originals(quarantine)
    assert record.key == "s3:docs/a@00AB"
    receipts = [
        *await replay(quarantine, intake, record.id, mapping_of=no_mapping),
        *await replay(quarantine, intake, record.id, mapping_of=no_mapping),
    ]
    assert [receipt.verdict for receipt in receipts] == ["started", "duplicate"]
    [started] = workflows.started.values()
    assert re.fullmatch(r"replay:[0-9a-f]{24}#s3:docs/a@00AB", started.key)
    assert started.to_wire() | {"tidegatekey": event().key} == event().to_wire()


@pytest.mark.parametrize("documents", [("s3://elsewhere/",), None])
async def test_a_record_that_is_announced_as_an_upload_is_not_kept_again(
    quarantine: Quarantine, settings: Settings, documents: tuple[str, ...] | None
) -> None:
    """Or one record in a bucket that announces everything would cause the next, in an endless loop;
    `None` stands for that whole bucket."""
    id = await keep(quarantine, b"not json")
    uri = (await quarantine.get(id)).uri
    announced = replace(event(), type=DOCUMENT_CREATED, data={"document": {"uri": uri}})
    roots = documents or (uri.rpartition("/quarantine/")[0],)
    workflows = MemoryWorkflows()
    intake = bootstrap.intake(replace(settings, documents=roots), workflows=workflows)
    message = delivery("stored_event", announced.to_wire())
    [receipt] = await intake.accept(read(message))
    assert (receipt.verdict, receipt.code) == ("quarantined", "DocumentRefused")
    assert receipt.quarantine_uri == uri
    assert "is a quarantine record (let the bucket announce only the prefix" in (
        receipt.reason or ""
    )
    assert await quarantine.keep_event(announced.to_wire(), NoRoute("none")) == uri
    assert await ids(quarantine) == [id]
    assert workflows.calls == []


@pytest.mark.parametrize("wire", [{}, {"tidegatekey": ""}, {"a": "\ud800"}])
async def test_what_a_workflow_received_is_kept_even_if_it_is_not_an_event(
    quarantine: Quarantine, wire: dict[str, Any]
) -> None:
    await quarantine.keep_event(wire, InvalidEvent("why"))
    [record] = await originals(quarantine)
    assert record.key is None
    assert record.headers == {}


async def test_a_quarantined_upload_elsewhere_is_replayed_once_its_bucket_is_configured(
    settings: Settings,
) -> None:
    intake, workflows = with_starter(settings)
    arrivals = read(delivery("s3", put("incidents/a.json", "00AB", bucket="new-bucket")))
    [receipt] = await intake.accept(arrivals)
    assert receipt.code == "DocumentRefused"
    fixed = Settings(documents=("s3://new-bucket/",), quarantine=settings.quarantine)
    quarantine = bootstrap.quarantine(fixed)
    [id] = await ids(quarantine)
    await replay(
        quarantine, bootstrap.intake(fixed, workflows=workflows), id, mapping_of=no_mapping
    )
    assert list(workflows.started) == ["s3:new-bucket/incidents/a.json@00AB"]


async def test_other_files_among_the_records_are_logged_and_skipped(
    settings: Settings, quarantine: Quarantine, caplog: pytest.LogCaptureFixture
) -> None:
    id = await keep(quarantine, b"{no json")
    root = str(settings.quarantine).rstrip("/")
    store = DocumentStores(bootstrap.STORES, roots=(root,))
    for name, body in (
        ("notes.json", b'{"mine": 1}'),
        ("broken.json", b"{"),
        ("deep.json", b"[" * 200_000),
        ("readme.txt", b""),
    ):

        async def chunks(body: bytes = body) -> AsyncIterator[bytes]:
            yield body

        await store.write(f"{root}/{name}", chunks(), content_type="text/plain")
    assert [record.id async for record in quarantine.records()] == [id]
    assert "notes.json is not a quarantine record" in caplog.text
    assert "broken.json is not a quarantine record" in caplog.text
    assert "deep.json is not a quarantine record" in caplog.text
