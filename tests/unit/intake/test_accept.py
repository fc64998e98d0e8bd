"""The use case: arrivals in, receipts out; nothing is acknowledged before it is safe."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from core import bootstrap
from core.config.settings import Settings
from core.domain.event import Event
from core.errors import InvalidEvent, StoreUnavailable, TemporalUnavailable
from core.formats.registry import read
from core.formats.shared.delivery import Arrival
from core.intake.receipts import Receipt, Verdict
from core.ports.workflow_starter import Start, WorkflowStarter
from tests.support.payloads import delivery, put
from tests.support.quarantines import kept
from tests.support.starters import HangingStarter, MemoryStarter


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        documents=("s3://example-documents/",),
        quarantine=f"file://{tmp_path}/quarantine",
        max_event_bytes=2048,
    )


def arrival(body: object, format: str = "s3") -> Arrival:
    [result] = read(delivery(format, body))
    return result


def upload(name: str, bucket: str = "example-documents") -> Arrival:
    return arrival(put(f"incidents/{name}.json", "00AB", bucket=bucket))


async def accept(
    settings: Settings,
    *arrivals: Arrival,
    starter: WorkflowStarter | None = None,
    time_left: float | None = None,
) -> list[Receipt]:
    intake = bootstrap.intake(settings, starter=starter or MemoryStarter())
    return await intake.accept(arrivals, time_left=time_left)


async def test_an_event_is_started_in_one_call_and_its_receipt_says_where(
    settings: Settings,
) -> None:
    starter = MemoryStarter()
    [receipt] = await accept(settings, upload("a"), starter=starter)
    key = "s3:example-documents/incidents/a.json@00AB"
    assert len(starter.calls) == 1
    assert receipt.to_json() == {
        "verdict": "started",
        "event_id": "incidents/a.json@00AB",
        "key": key,
        "workflow_id": key,
        "run_id": "run",
        "time": "2025-03-04T09:15:27.214Z",
    }
    assert await kept(settings) == []


async def test_a_redelivered_event_is_a_duplicate_and_settled(settings: Settings) -> None:
    receipts = await accept(settings, upload("a"), upload("a"))
    assert sorted(receipt.verdict for receipt in receipts) == ["duplicate", "started"]
    assert all(receipt.settled for receipt in receipts)


async def test_the_receipt_of_an_unidentified_event_says_so(settings: Settings) -> None:
    [receipt] = await accept(settings, arrival({"a": 1}, format="message"))
    assert receipt.unidentified
    assert receipt.to_json()["unidentified"] is True


async def test_receipts_have_the_order_of_the_arrivals(settings: Settings) -> None:
    names = [f"{n}" for n in range(20)]
    receipts = await accept(settings, *map(upload, names))
    assert [receipt.event_id for receipt in receipts] == [f"incidents/{n}.json@00AB" for n in names]


async def test_no_arrivals_give_no_receipts(settings: Settings) -> None:
    assert await accept(settings) == []


async def test_what_is_not_an_event_is_quarantined_with_the_reason(settings: Settings) -> None:
    [receipt] = await accept(settings, arrival(b"not json"))
    [record] = await kept(settings)
    assert receipt == Receipt(
        verdict=Verdict.QUARANTINED,
        code="InvalidEvent",
        reason=record.reason,
        quarantine_uri=record.uri,
    )
    assert record.body == b"not json"
    assert "the body is not JSON" in record.reason


async def test_a_document_elsewhere_is_quarantined_before_anything_starts(
    settings: Settings,
) -> None:
    starter = MemoryStarter()
    [receipt] = await accept(settings, upload("a", bucket="example-documents2"), starter=starter)
    assert (receipt.verdict, receipt.code) == (Verdict.QUARANTINED, "DocumentRefused")
    assert receipt.key == "s3:example-documents2/incidents/a.json@00AB"
    assert receipt.workflow_id is None
    assert starter.calls == []


async def test_an_event_that_is_too_large_is_quarantined(settings: Settings) -> None:
    [receipt] = await accept(settings, arrival({"a": "x" * 3000}, format="message"))
    assert (receipt.verdict, receipt.code) == (Verdict.QUARANTINED, "InvalidEvent")
    assert "over the limit of 2,048" in (receipt.reason or "")


def raising(error: Exception) -> MemoryStarter:
    def refuse(event: Event) -> None:
        if "bad" in event.key:
            raise error

    return MemoryStarter(refuse)


async def test_what_temporal_can_never_start_is_quarantined(settings: Settings) -> None:
    [receipt] = await accept(settings, upload("bad"), starter=raising(InvalidEvent("refused")))
    assert (receipt.verdict, receipt.code) == (Verdict.QUARANTINED, "InvalidEvent")


async def test_what_may_work_later_is_retried_without_affecting_the_others(
    settings: Settings,
) -> None:
    starter = raising(TemporalUnavailable("unavailable"))
    receipts = await accept(settings, upload("a"), upload("bad"), upload("b"), starter=starter)
    assert [receipt.verdict for receipt in receipts] == ["started", "retry", "started"]
    assert receipts[1].code == "TemporalUnavailable"
    assert (receipts[1].reason or "").startswith(
        "unavailable (find the cause with `tidegate doctor`"
    )
    assert not receipts[1].settled
    assert await kept(settings) == []


async def test_what_cannot_be_quarantined_is_retried(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "quarantine").write_text("a file where the folder should be")
    [receipt] = await accept(settings, arrival(b"not json"))
    assert (receipt.verdict, receipt.code) == (Verdict.RETRY, StoreUnavailable.__name__)


async def test_an_event_about_a_document_is_retried_if_no_documents_are_configured(
    tmp_path: Path,
) -> None:
    [receipt] = await accept(Settings(quarantine=f"file://{tmp_path}"), upload("a"))
    assert (receipt.verdict, receipt.code) == (Verdict.RETRY, "SettingsError")


async def test_what_is_unfinished_at_the_deadline_is_retried(settings: Settings) -> None:
    arrivals = [upload("a"), upload("slow"), upload("b")]
    receipts = await accept(settings, *arrivals, starter=HangingStarter("slow"), time_left=0.2)
    assert [(receipt.verdict, receipt.code) for receipt in receipts] == [
        (Verdict.STARTED, None),
        (Verdict.RETRY, "OutOfTime"),
        (Verdict.STARTED, None),
    ]
    assert "raise the function's timeout" in (receipts[1].reason or "")


async def test_a_bug_acknowledges_nothing(settings: Settings) -> None:
    with pytest.raises(ZeroDivisionError):
        await accept(settings, upload("a"), upload("bad"), starter=raising(ZeroDivisionError()))


class CountingStarter:
    """Records how many starts are in flight concurrently."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def start(self, event: Event) -> Start:
        self.now += 1
        self.most = max(self.most, self.now)
        for _ in range(10):
            await asyncio.sleep(0)
        self.now -= 1
        return Start("id", "run", new=True)


@pytest.mark.parametrize(("concurrency", "most"), [(1, 1), (5, 5), (100, 20)])
async def test_starts_run_concurrently_up_to_the_limit(
    settings: Settings, concurrency: int, most: int
) -> None:
    starter: Any = CountingStarter()
    limited = dataclasses.replace(settings, concurrency=concurrency)
    await accept(limited, *(upload(f"{n}") for n in range(20)), starter=starter)
    assert starter.most == most


async def test_however_many_records_of_a_delivery_are_malformed_it_is_kept_once(
    settings: Settings,
) -> None:
    batch = [{"specversion": "1.0", "id": str(n)} for n in range(200)]
    arrivals = read(delivery("message", batch, content_type="application/cloudevents-batch+json"))
    receipts = await accept(settings, *arrivals)
    assert [receipt.verdict for receipt in receipts] == ["quarantined"] * 200
    assert {receipt.quarantine_uri for receipt in receipts} == {receipts[0].quarantine_uri}
    [record] = await kept(settings)
    assert "200 of its records cannot be accepted" in record.reason
    assert "and 195 more" in record.reason
