"""Quarantine records as an operator finds, replays and deletes them."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from core import bootstrap
from core.adapters.documents.files import FileDocumentStore
from core.config.settings import Settings
from core.domain.event import DocumentRef, Event
from core.domain.handles import handle_of
from core.errors import (
    DocumentChanged,
    DocumentNotFound,
    InvalidEvent,
    NoRoute,
    TemporalUnavailable,
)
from core.formats.registry import read
from core.formats.shared.delivery import Delivery, way_headers
from core.intake.quarantine import Quarantine
from core.intake.receipts import Receipt, Verdict
from core.intake.records import QuarantineRecord
from core.intake.replay import replay
from tests.support.quarantines import no_mapping
from tests.support.workflows_port import MemoryWorkflows

BATCH = "application/cloudevents-batch+json"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(documents=("s3://docs/",), quarantine=f"file://{tmp_path}/quarantine/")


@pytest.fixture
def quarantine(settings: Settings) -> Quarantine:
    return bootstrap.quarantine(settings)


def batch(*ids: str, **headers: str) -> Delivery:
    """A delivery of events; one whose ID is empty is invalid."""
    events = [
        {"specversion": "1.0", "source": "/a", "type": "com.example.incident.reported"}
        | ({"id": id} if id else {})
        for id in ids
    ]
    return Delivery(
        format="message",
        body=json.dumps(events).encode(),
        headers={**way_headers("queue:orders"), "content-type": BATCH, **headers},
        unique="u",
    )


async def keep(quarantine: Quarantine, delivery: Delivery, *, written: float | None = None) -> str:
    """Keeps a delivery, as if the store had written it at that time; returns the record's ID."""
    uri = await quarantine.keep(read(delivery)[0], InvalidEvent("why"))
    if written is not None:
        os.utime(uri.removeprefix("file://"), (written, written))
    return uri.rpartition("/")[2].removesuffix(".json")


async def only(quarantine: Quarantine) -> QuarantineRecord:
    [record] = [record async for record in quarantine.records()]
    return record


async def replayed(
    settings: Settings, id: str, item: int | None = None, **workflows: Any
) -> list[str]:
    """The verdicts of a replay."""
    intake = bootstrap.intake(settings, workflows=MemoryWorkflows(**workflows))
    quarantine = bootstrap.quarantine(settings)
    receipts = await replay(quarantine, intake, id, mapping_of=no_mapping, item=item)
    return [receipt.verdict.value for receipt in receipts]


# -------------------------------------------------------------------------------- listing


async def test_records_are_listed_newest_first_and_a_listing_reads_none(
    quarantine: Quarantine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [await keep(quarantine, batch(id), written=n) for n, id in ((2, "b"), (3, "c"), (1, "a"))]

    def unread(*_: Any, **__: Any) -> AsyncGenerator[bytes]:
        raise AssertionError("something was read")

    monkeypatch.setattr(FileDocumentStore, "read", unread)
    listed = await quarantine.listed()
    assert [record.id for record in listed] == [ids[1], ids[0], ids[2]]
    assert [record.handle for record in listed] == [handle_of(record.id) for record in listed]


async def test_heads_are_read_concurrently_in_order_and_with_a_bound(
    quarantine: Quarantine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [await keep(quarantine, batch(str(n)), written=n) for n in range(30)]
    reading, most = 0, 0
    original = FileDocumentStore.read

    async def counted(self: Any, document: DocumentRef, **options: Any) -> AsyncGenerator[bytes]:
        nonlocal reading, most
        reading += 1
        most = max(most, reading)
        await asyncio.sleep(0)
        async for chunk in original(self, document, **options):
            yield chunk
        reading -= 1

    monkeypatch.setattr(FileDocumentStore, "read", counted)
    assert [record.id async for record in quarantine.records()] == ids[::-1]
    assert most == 8


async def test_no_more_is_read_than_somebody_asks_for(
    quarantine: Quarantine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(30):
        await keep(quarantine, batch(str(n)))
    reads: list[str] = []
    original = FileDocumentStore.read

    def counted(self: Any, document: DocumentRef, **options: Any) -> AsyncGenerator[bytes]:
        reads.append(document.uri)
        return original(self, document, **options)

    monkeypatch.setattr(FileDocumentStore, "read", counted)
    records = quarantine.records()
    await anext(records)
    await records.aclose()
    assert len(reads) <= 9


async def test_a_record_knows_which_way_its_original_came(
    quarantine: Quarantine,
) -> None:
    await keep(quarantine, batch("1"))
    assert (await only(quarantine)).source == "queue:orders"


async def test_what_a_worker_gave_up_keeps_the_way_of_its_event(quarantine: Quarantine) -> None:
    event = Event(id="1", source="/a", type="t", key="k", way="webhook:prod", scope="webhook:prod")
    await quarantine.keep_event(event.to_wire(), NoRoute("none"))
    assert (await only(quarantine)).source == "webhook:prod"


def test_a_receipt_names_the_record_by_its_handle() -> None:
    uri = "s3://records/quarantine/message-0123456789abcdef01234567.json"
    receipt = Receipt(verdict=Verdict.QUARANTINED, quarantine_uri=uri)
    handle = handle_of("message-0123456789abcdef01234567")
    assert receipt.to_json()["quarantine_handle"] == handle
    assert "quarantine_handle" not in Receipt(verdict=Verdict.STARTED).to_json()


# --------------------------------------------------------------------------------- replay


async def test_a_record_is_settled_when_each_of_its_items_was_replayed(
    quarantine: Quarantine, settings: Settings
) -> None:
    id = await keep(quarantine, batch("1", "2", "3"))
    for item in (2, 1, 2):
        assert await replayed(settings, id, item) == ["started"]
        assert not (await only(quarantine)).settled
    assert await replayed(settings, id, 3) == ["started"]
    assert (await only(quarantine)).settled


async def test_the_note_of_a_replay_numbers_its_receipts(
    quarantine: Quarantine, settings: Settings
) -> None:
    id = await keep(quarantine, batch("1", "2", "3"))
    await replayed(settings, id, 3)
    note = (await only(quarantine)).replayed
    assert note is not None
    assert (note["items"], note["accepted"], note["verdicts"]) == (3, [[3, 3]], {"started": 1})
    assert [(each["item"], each["event_id"]) for each in note["receipts"]] == [(3, "3")]


async def test_an_item_that_temporal_did_not_take_does_not_undo_an_earlier_replay(
    quarantine: Quarantine, settings: Settings
) -> None:
    def unavailable(event: Event) -> None:
        raise TemporalUnavailable("unavailable")

    id = await keep(quarantine, batch("1", "2"))
    await replayed(settings, id, 1)
    assert await replayed(settings, id, 1, before=unavailable) == ["retry"]
    assert await replayed(settings, id, 2) == ["started"]
    assert (await only(quarantine)).settled


async def test_a_record_that_is_refused_again_is_not_settled_by_what_was_replayed_before(
    quarantine: Quarantine, settings: Settings
) -> None:
    id = await keep(quarantine, batch("1", ""))
    assert await replayed(settings, id, 1) == ["started"]
    await asyncio.sleep(0.002)  # times are kept to the millisecond
    assert await replayed(settings, id, 2) == ["quarantined"]
    assert not (await only(quarantine)).settled
    assert (await only(quarantine)).id == id


@pytest.mark.parametrize("item", [0, 3, -1])
async def test_an_item_that_is_not_there_is_refused_and_nothing_is_replayed(
    quarantine: Quarantine, settings: Settings, item: int
) -> None:
    id = await keep(quarantine, batch("1", "2"))
    with pytest.raises(DocumentNotFound, match=f"{handle_of(id)} has no item {item}: it has 2"):
        await replayed(settings, id, item)
    assert (await only(quarantine)).replayed is None


async def test_a_note_that_cannot_be_read_is_logged_and_the_record_is_still_listed(
    quarantine: Quarantine, caplog: pytest.LogCaptureFixture
) -> None:
    id = await keep(quarantine, batch("1"))
    path = Path((await only(quarantine)).uri.removeprefix("file://"))
    for content in ("{no json", "[]", "{}", "[" * 200_000):
        path.with_name(f"{id}.replayed.json").write_text(content)
        assert not (await only(quarantine)).settled
        assert (await quarantine.get(id)).replayed is None
    assert "is not the note of a replay" in caplog.text


# --------------------------------------------------------------------------------- delete


async def test_a_record_is_deleted_with_its_note_and_again_without_an_error(
    quarantine: Quarantine, settings: Settings
) -> None:
    id = await keep(quarantine, batch("1"))
    other = await keep(quarantine, batch("2"))
    await replayed(settings, id)
    [record] = [each async for each in quarantine.records() if each.id == id]
    await quarantine.delete(record)
    await quarantine.delete(record)
    folder = Path(record.uri.removeprefix("file://")).parent
    assert [path.name for path in folder.iterdir()] == [f"{other}.json"]


async def test_a_record_that_was_refused_again_since_it_was_listed_is_not_deleted(
    quarantine: Quarantine,
) -> None:
    id = await keep(quarantine, batch("1"), written=1)
    record = await only(quarantine)
    await keep(quarantine, batch("1"))
    with pytest.raises(DocumentChanged):
        await quarantine.delete(record)
    assert (await only(quarantine)).id == id
