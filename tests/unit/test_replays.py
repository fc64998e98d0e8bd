"""Replays of many records go in order, at a rate, and stop cleanly."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from core import bootstrap
from core.config.settings import Settings
from core.domain.event import Event
from core.errors import InvalidEvent, StoreUnavailable
from core.formats.registry import read
from core.formats.shared.delivery import Delivery, way_headers
from core.intake.quarantine import Quarantine
from core.intake.receipts import Receipt
from core.intake.records import QuarantinedDelivery, QuarantineRecord
from core.operations import replays
from core.operations.outcome import Outcome, Result, of_receipt
from core.operations.replays import Replayed, receipts_alone, replay_records
from tests.support.quarantines import no_mapping
from tests.support.workflows_port import MemoryWorkflows

BATCH = "application/cloudevents-batch+json"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(documents=("s3://docs/",), quarantine=f"file://{tmp_path}/quarantine/")


async def kept(settings: Settings, *counts: int) -> list[QuarantineRecord]:
    """Records of so many events each, in this order."""
    quarantine = bootstrap.quarantine(settings)
    ids = []
    for number, count in enumerate(counts):
        events = [
            {
                "specversion": "1.0",
                "source": "/a",
                "id": f"{number}-{n}",
                "type": "com.example.incident.reported",
            }
            for n in range(count)
        ]
        headers = {**way_headers("queue:orders"), "content-type": BATCH}
        body = json.dumps(events).encode()
        delivery = Delivery(format="message", body=body, headers=headers, unique=str(number))
        uri = await quarantine.keep(read(delivery)[0], InvalidEvent("why"))
        ids.append(uri.rpartition("/")[2].removesuffix(".json"))
    by_id = {record.id: record async for record in quarantine.records()}
    return [by_id[id] for id in ids]


class Run:
    """A run of replays, and what it said."""

    def __init__(self, settings: Settings, before: Callable[[Event], object] = lambda _: None):
        self.quarantine: Quarantine = bootstrap.quarantine(settings)
        self.workflows = MemoryWorkflows(before)
        self.intake = bootstrap.intake(settings, workflows=self.workflows)
        self.sent: list[str] = []
        self.told: list[Replayed] = []

    async def replay(self, records: Sequence[QuarantineRecord], **options: Any) -> None:
        known: dict[str, Any] = {"follower": receipts_alone, "timeout": 1}
        await replay_records(
            self.quarantine,
            self.intake,
            records,
            mapping_of=no_mapping,
            sent=lambda record: self.sent.append(record.id),
            report=self.told.append,
            **known | options,
        )


async def test_each_record_is_told_of_with_its_numbered_receipts(settings: Settings) -> None:
    run = Run(settings)
    records = await kept(settings, 1, 3)
    await run.replay(records)
    assert run.sent == [record.id for record in records]
    assert [(each.record.id, list(each.outcomes)) for each in run.told] == [
        (records[0].id, [1]),
        (records[1].id, [1, 2, 3]),
    ]


async def test_a_rate_counts_events(settings: Settings) -> None:
    """A record of four events at forty a second takes a tenth of it before the next one goes."""
    loop = asyncio.get_running_loop()
    at: list[float] = []
    run = Run(settings, lambda event: at.append(loop.time()))
    await run.replay(await kept(settings, 4, 1, 1), rate=40.0)
    assert at[4] - at[3] >= 0.1
    assert at[5] - at[4] >= 0.025


async def test_the_next_record_goes_while_it_is_not_known_what_became_of_the_last(
    settings: Settings,
) -> None:
    everything = asyncio.Event()

    async def follower(receipts: Sequence[Receipt], *, timeout: float) -> list[Outcome]:
        if len(run.sent) == 2:
            everything.set()
        await asyncio.wait_for(everything.wait(), 10)
        return [of_receipt(receipt) for receipt in receipts]

    run = Run(settings)
    await run.replay(await kept(settings, 1, 1), follower=follower)
    assert len(run.told) == 2


async def test_records_that_wait_to_be_followed_hold_up_more_only_until_they_are(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "_BACKLOG", 1)
    run = Run(settings)
    async with asyncio.timeout(10):
        await run.replay(await kept(settings, 1, 1, 1))
    assert len(run.told) == 3


async def test_the_time_to_wait_begins_when_a_record_is_sent(settings: Settings) -> None:
    """So a run ends within one time-out of its last record, however many there are."""
    left: list[float] = []

    async def follower(receipts: Sequence[Receipt], *, timeout: float) -> list[Outcome]:
        left.append(timeout)
        await asyncio.sleep(timeout)
        return [of_receipt(receipt) for receipt in receipts]

    run = Run(settings)
    await run.replay(await kept(settings, *[1] * 10), follower=follower, timeout=0.3)
    assert len(run.told) == 10
    assert all(each < 0.3 for each in left[4:])


async def test_a_record_that_was_deleted_meanwhile_does_not_stop_the_others(
    settings: Settings,
) -> None:
    run = Run(settings)
    records = await kept(settings, 1, 1, 1)
    await run.quarantine.delete(records[1])
    await run.replay(records)
    assert [record.id for record in records if record.id not in run.sent] == [records[1].id]
    [gone] = [each for each in run.told if not each.receipts]
    assert (gone.record.id, gone.outcomes[1].result) == (records[1].id, Result.REFUSED)
    assert gone.outcomes[1].code == "DocumentNotFound"


async def test_what_was_sent_before_an_error_is_told_of_all_the_same(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = await kept(settings, 1, 1)
    known = asyncio.Event()
    original = Quarantine.get

    async def get(self: Quarantine, id: str) -> QuarantinedDelivery:
        if id == records[1].id:
            asyncio.get_running_loop().call_later(0.01, known.set)
            raise StoreUnavailable("unavailable")
        return await original(self, id)

    async def follower(receipts: Sequence[Receipt], *, timeout: float) -> list[Outcome]:
        await known.wait()
        return [of_receipt(receipt) for receipt in receipts]

    monkeypatch.setattr(Quarantine, "get", get)
    run = Run(settings)
    with pytest.raises(StoreUnavailable):
        await run.replay(records, follower=follower)
    assert [each.record.id for each in run.told] == [records[0].id]


async def test_a_cancellation_finishes_the_record_in_flight_and_takes_no_other(
    settings: Settings,
) -> None:
    run = Run(settings)
    records = await kept(settings, 1, 1, 1)
    task = asyncio.create_task(run.replay(records))
    run.workflows.before = lambda event: event.id == "1-0" and task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert run.sent == [record.id for record in records[:2]]
    assert (await run.quarantine.get(records[1].id)).settled
    assert not (await run.quarantine.get(records[2].id)).settled


async def test_a_cancellation_while_a_record_fails_is_still_one(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody who interrupts a run waits for what became of the records before, or is shown a
    traceback."""
    records = await kept(settings, 1, 1)
    loop, unseen = asyncio.get_running_loop(), list[dict[str, Any]]()
    loop.set_exception_handler(lambda _, context: unseen.append(context))
    original = Quarantine.get

    async def get(self: Quarantine, id: str) -> QuarantinedDelivery:
        if id == records[1].id:
            tasks[0].cancel()
            await asyncio.sleep(0)
            raise StoreUnavailable("unavailable")
        return await original(self, id)

    async def follower(receipts: Sequence[Receipt], *, timeout: float) -> list[Outcome]:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(Quarantine, "get", get)
    run = Run(settings)
    tasks = [asyncio.create_task(run.replay(records, follower=follower))]
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(10):
            await tasks[0]
    assert run.sent == [records[0].id]
    tasks.clear()
    await asyncio.sleep(0)  # the loop lets go of it
    gc.collect()
    assert unseen == []


async def test_a_cancellation_ends_the_waiting(settings: Settings) -> None:
    async def follower(receipts: Sequence[Receipt], *, timeout: float) -> list[Outcome]:
        task.cancel()
        await asyncio.Event().wait()
        raise AssertionError

    run = Run(settings)
    records = await kept(settings, 1)
    task = asyncio.create_task(run.replay(records, follower=follower))
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 10)
    assert (run.sent, run.told) == ([records[0].id], [])
