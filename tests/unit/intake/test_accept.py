"""The use case: arrivals in, receipts out; nothing is acknowledged before it is safe."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from core import bootstrap
from core.config.settings import Settings
from core.domain.event import ALERT, Event, encode
from core.domain.routing.table import Target
from core.domain.signalled import EVENTS_BYTES, SIGNAL_BYTES
from core.errors import InvalidEvent, StoreUnavailable, TemporalUnavailable
from core.formats.registry import read
from core.formats.shared.delivery import DELIVERY_HEADER, Arrival, Delivery, way_headers
from core.intake.receipts import Receipt, Verdict
from core.ports.workflows import Sent, Workflows
from tests.support.payloads import delivery, put
from tests.support.quarantines import kept
from tests.support.workflows_port import HangingWorkflows, MemoryWorkflows


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
    workflows: Workflows | None = None,
    time_left: float | None = None,
) -> list[Receipt]:
    intake = bootstrap.intake(settings, workflows=workflows or MemoryWorkflows())
    return await intake.accept(arrivals, time_left=time_left)


async def test_an_event_is_started_in_one_call_and_its_receipt_says_where(
    settings: Settings,
) -> None:
    workflows = MemoryWorkflows()
    [receipt] = await accept(settings, upload("a"), workflows=workflows)
    key = "s3:example-documents/incidents/a.json@00AB"
    assert len(workflows.calls) == 1
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
    workflows = MemoryWorkflows()
    [receipt] = await accept(
        settings, upload("a", bucket="example-documents2"), workflows=workflows
    )
    assert (receipt.verdict, receipt.code) == (Verdict.QUARANTINED, "DocumentRefused")
    assert receipt.key == "s3:example-documents2/incidents/a.json@00AB"
    assert receipt.workflow_id is None
    assert workflows.calls == []


async def test_an_event_that_is_too_large_is_quarantined(settings: Settings) -> None:
    [receipt] = await accept(settings, arrival({"a": "x" * 3000}, format="message"))
    assert (receipt.verdict, receipt.code) == (Verdict.QUARANTINED, "InvalidEvent")
    assert "over the limit of 2,048" in (receipt.reason or "")


NUDGES = """
version: 1
routes:
  - name: nudge
    match: {exact: {type: test.nudge}}
    deliver: signal
    workflow: Nudged
    task_queue: nudges
    child_id: "nudged:{id}"
    signal: nudge
"""


def raising(error: Exception) -> MemoryWorkflows:
    def refuse(event: Event) -> None:
        if "bad" in event.key:
            raise error

    return MemoryWorkflows(refuse)


async def test_what_temporal_can_never_start_is_quarantined(settings: Settings) -> None:
    [receipt] = await accept(settings, upload("bad"), workflows=raising(InvalidEvent("refused")))
    assert (receipt.verdict, receipt.code) == (Verdict.QUARANTINED, "InvalidEvent")


async def test_what_may_work_later_is_retried_without_affecting_the_others(
    settings: Settings,
) -> None:
    workflows = raising(TemporalUnavailable("unavailable"))
    receipts = await accept(settings, upload("a"), upload("bad"), upload("b"), workflows=workflows)
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
    receipts = await accept(settings, *arrivals, workflows=HangingWorkflows("slow"), time_left=0.2)
    assert [(receipt.verdict, receipt.code) for receipt in receipts] == [
        (Verdict.STARTED, None),
        (Verdict.RETRY, "OutOfTime"),
        (Verdict.STARTED, None),
    ]
    assert "raise the function's timeout" in (receipts[1].reason or "")


async def test_a_bug_acknowledges_nothing(settings: Settings) -> None:
    with pytest.raises(ZeroDivisionError):
        await accept(settings, upload("a"), upload("bad"), workflows=raising(ZeroDivisionError()))


class CountingWorkflows(MemoryWorkflows):
    """Records how many starts are in flight concurrently."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0

    async def orchestrate(self, event: Event, *, table: str) -> Sent:
        self.now += 1
        self.most = max(self.most, self.now)
        for _ in range(10):
            await asyncio.sleep(0)
        self.now -= 1
        return await super().orchestrate(event, table=table)


@pytest.mark.parametrize(("concurrency", "most"), [(1, 1), (5, 5), (100, 20)])
async def test_starts_run_concurrently_up_to_the_limit(
    settings: Settings, concurrency: int, most: int
) -> None:
    workflows = CountingWorkflows()
    limited = dataclasses.replace(settings, concurrency=concurrency)
    await accept(limited, *(upload(f"{n}") for n in range(20)), workflows=workflows)
    assert workflows.most == most


async def test_however_many_records_of_a_delivery_are_malformed_it_is_kept_once(
    settings: Settings,
) -> None:
    good = {"specversion": "1.0", "source": "/a", "type": "t"}
    batch = [item for n in range(200) for item in ({"specversion": "1.0"}, good | {"id": str(n)})]
    arrivals = read(delivery("message", batch, content_type="application/cloudevents-batch+json"))
    accepted = await accept(settings, *arrivals)
    receipts = [receipt for receipt in accepted if not receipt.accepted]
    assert [receipt.verdict for receipt in receipts] == ["quarantined"] * 200
    assert {receipt.quarantine_uri for receipt in receipts} == {receipts[0].quarantine_uri}
    [record] = await kept(settings)
    assert "200 of its records cannot be accepted" in record.reason
    assert "and 195 more" in record.reason


def alerts(*keys: str, id: str | None = "d-1", **data: object) -> list[Arrival]:
    """One delivery with an alert for each key, as a queue brings it."""
    headers = {"message-id": id} if id else {}
    carrier = Delivery(format="message", body=b"{}", headers=headers, unique=f"unique-{id}")
    return [
        Arrival(
            Event(
                id=f"{key}-{place}",
                source="/am",
                type=ALERT,
                key=f"alert:{key}@{id}.{place}",
                scope="queue:alerts",
                data={"key": key, "status": "firing", "title": "Down", **data},
            ),
            carrier,
            place,
        )
        for place, key in enumerate(keys)
    ]


async def test_an_alert_starts_its_workflow_and_later_ones_are_delivered_to_it(
    settings: Settings,
) -> None:
    workflows = MemoryWorkflows()
    first = await accept(settings, *alerts("a", id="1"), workflows=workflows)
    later = await accept(settings, *alerts("a", id="2"), workflows=workflows)
    assert [receipt.verdict for receipt in first + later] == ["started", "delivered"]
    assert first[0].workflow_id == later[0].workflow_id == "incident:queue:alerts:a"
    assert all(receipt.settled for receipt in later)


async def test_alerts_of_one_delivery_for_one_workflow_share_a_signal_in_their_order(
    settings: Settings,
) -> None:
    workflows = MemoryWorkflows()
    receipts = await accept(settings, *alerts("a", "b", "a", "a"), workflows=workflows)
    sent = {id: keys for id, _, keys in workflows.signals}
    assert sent == {
        "incident:queue:alerts:a": ["alert:a@d-1.0", "alert:a@d-1.2", "alert:a@d-1.3"],
        "incident:queue:alerts:b": ["alert:b@d-1.1"],
    }
    assert [r.verdict for r in receipts] == ["started", "started", "delivered", "delivered"]


async def test_alerts_of_two_deliveries_do_not_share_a_signal(settings: Settings) -> None:
    workflows = MemoryWorkflows()
    arrivals = [*alerts("a", id="1"), *alerts("a", id="2"), *alerts("a", id="3")]
    await accept(settings, *arrivals, workflows=workflows)
    assert [keys for _, _, keys in workflows.signals] == [
        ["alert:a@1.0"],
        ["alert:a@2.0"],
        ["alert:a@3.0"],
    ]


async def test_a_signal_carries_no_more_than_it_may(settings: Settings) -> None:
    sizes: list[int] = []

    class Measuring(MemoryWorkflows):
        async def signal(
            self,
            events: Sequence[Mapping[str, Any]],
            target: Target,
            *,
            request_id: str,
            table: str,
        ) -> Sent:
            sizes.append(len(encode(list(events))))
            return await super().signal(events, target, request_id=request_id, table=table)

    chance = random.Random(22)  # noqa: S311
    arrivals = alerts(*["a"] * 2000)
    for arrival in arrivals:
        assert isinstance(arrival.item, Event)
        arrival.item.data["summary"] = "x" * chance.randrange(1000)
    receipts = await accept(settings, *arrivals, workflows=Measuring())
    assert {receipt.verdict for receipt in receipts} == {"started", "delivered"}
    assert len(sizes) > 200
    assert EVENTS_BYTES - 5 < max(sizes) <= EVENTS_BYTES


async def test_an_alert_is_cut_to_its_signal_however_large_it_is(settings: Settings) -> None:
    [large] = alerts("a", labels={"note": "x" * settings.max_event_bytes})
    workflows = MemoryWorkflows()
    [receipt] = await accept(settings, large, workflows=workflows)
    assert receipt.verdict is Verdict.STARTED
    assert [keys for _, _, keys in workflows.signals] == [["alert:a@d-1.0"]]


async def test_another_event_that_is_too_large_for_a_signal_is_quarantined(
    tmp_path: Path, settings: Settings
) -> None:
    routes = tmp_path / "routes.yaml"
    routes.write_text(NUDGES)
    settings = dataclasses.replace(settings, routes=routes, max_event_bytes=1_000_000)
    body = {"type": "test.nudge", "source": "/test", "id": "1", "specversion": "1.0"}
    [receipt] = await accept(
        settings, arrival({**body, "data": "x" * SIGNAL_BYTES}, format="message")
    )
    assert (receipt.verdict, receipt.code) == (Verdict.QUARANTINED, "InvalidEvent")
    assert "a signal carries" in (receipt.reason or "")


async def test_a_redelivery_asks_with_the_same_request_ids(settings: Settings) -> None:
    first, again, other = MemoryWorkflows(), MemoryWorkflows(), MemoryWorkflows()
    await accept(settings, *alerts("a", "b"), workflows=first)
    await accept(settings, *alerts("a", "b"), workflows=again)
    await accept(settings, *alerts("a", "b", id="d-2"), workflows=other)
    ids = [{id: request for id, request, _ in each.signals} for each in (first, again, other)]
    assert ids[0] == ids[1]
    assert not set(ids[0].values()) & set(ids[2].values())
    assert all(len(request) == 64 for request in ids[0].values())


async def test_what_the_carrier_numbers_itself_counts_more_than_what_the_sender_does(
    settings: Settings,
) -> None:
    """A sender may write one message ID on firing and resolved."""
    workflows = MemoryWorkflows()
    for number in ("1", "2", "2"):
        [arrival] = alerts("a", id="disk-full")
        headers = {**arrival.delivery.headers, DELIVERY_HEADER: number}
        carrier = dataclasses.replace(arrival.delivery, headers=headers)
        await accept(settings, Arrival(arrival.item, carrier), workflows=workflows)
    firing, resolved, redelivered = (request for _, request, _ in workflows.signals)
    assert firing != resolved == redelivered


async def test_what_an_envelope_names_is_the_same_request_whichever_message_carries_it(
    settings: Settings,
) -> None:
    workflows = MemoryWorkflows()
    for message, named in (("m-1", "sns-1"), ("m-2", "sns-1"), ("m-2", "sns-2")):
        [arrival] = alerts("a", id=message)
        enveloped = dataclasses.replace(arrival, envelope_id=named)
        await accept(settings, enveloped, workflows=workflows)
    first, repeated, other = (request for _, request, _ in workflows.signals)
    assert first == repeated != other


async def test_the_same_content_in_another_delivery_is_not_the_same_request(
    settings: Settings,
) -> None:
    """A real Alertmanager says firing, resolved, firing with two firings that are equal byte for
    byte, and without a delivery ID."""
    workflows = MemoryWorkflows()
    for number in ("1", "2"):
        [arrival] = alerts("a", id=None)
        carrier = dataclasses.replace(arrival.delivery, unique=number)
        await accept(settings, Arrival(arrival.item, carrier), workflows=workflows)
    assert len({request for _, request, _ in workflows.signals}) == 2


async def test_a_redelivery_that_is_divided_otherwise_is_another_request(
    settings: Settings,
) -> None:
    """As when a replay succeeds with a record that was refused before: what was between two others
    must not be lost because the signal of the first is known."""
    workflows = MemoryWorkflows()
    first, second, third = alerts("a", "a", "a")
    await accept(settings, first, third, workflows=workflows)
    await accept(settings, first, second, third, workflows=workflows)
    assert [keys for _, _, keys in workflows.signals] == [
        ["alert:a@d-1.0", "alert:a@d-1.2"],
        ["alert:a@d-1.0", "alert:a@d-1.1", "alert:a@d-1.2"],
    ]
    assert len({request for _, request, _ in workflows.signals}) == 2


async def test_another_event_in_the_place_of_one_is_another_request(settings: Settings) -> None:
    """As when a replay by a corrected mapping reads two alerts in a row that were refused as one:
    what follows them had the place of the second, and the second must not be lost as its repeat."""
    workflows = MemoryWorkflows()
    for id in ("m-1.2", "m-1.1"):
        [arrival] = alerts("a", id="m-1")
        assert isinstance(arrival.item, Event)
        event = dataclasses.replace(arrival.item, id=id)
        await accept(settings, dataclasses.replace(arrival, item=event), workflows=workflows)
    assert len({request for _, request, _ in workflows.signals}) == 2


async def test_two_ways_may_number_their_deliveries_alike(settings: Settings) -> None:
    """Two endpoints that share a scope: each sender has a delivery 1 of its own."""
    workflows = MemoryWorkflows()
    for way in ("webhook:eu", "webhook:us"):
        [arrival] = alerts("a", id="1")
        headers = {**arrival.delivery.headers, **way_headers(way)}
        carrier = dataclasses.replace(arrival.delivery, headers=headers)
        await accept(settings, Arrival(arrival.item, carrier), workflows=workflows)
    assert len({request for _, request, _ in workflows.signals}) == 2


async def test_what_no_route_takes_is_left_to_the_orchestrator(settings: Settings) -> None:
    """Whose table may be newer, and which otherwise quarantines it."""
    workflows = MemoryWorkflows()
    [receipt] = await accept(settings, arrival({"a": 1}, format="message"), workflows=workflows)
    assert receipt.verdict is Verdict.STARTED
    assert receipt.workflow_id == receipt.key


async def test_after_a_retry_the_rest_for_that_workflow_is_given_back_too(
    settings: Settings,
) -> None:
    def unavailable(event: Event) -> None:
        if event.key == "alert:a@2.0":
            raise TemporalUnavailable("unavailable")

    arrivals = [a for n in "1234" for a in alerts("a", id=n)] + alerts("b", id="5")
    receipts = await accept(settings, *arrivals, workflows=MemoryWorkflows(unavailable))
    assert [r.verdict for r in receipts] == ["started", "retry", "retry", "retry", "started"]
    assert receipts[2].code == "TemporalUnavailable"
    assert "an earlier event for the same workflow" in (receipts[2].reason or "")


async def test_an_alert_without_a_place_for_it_is_quarantined(settings: Settings) -> None:
    [arrival] = alerts("a")
    assert isinstance(arrival.item, Event)
    nowhere = Arrival(dataclasses.replace(arrival.item, scope=""), arrival.delivery)
    [receipt] = await accept(settings, nowhere)
    assert (receipt.verdict, receipt.code) == (Verdict.QUARANTINED, "InvalidChildId")


async def test_ten_thousand_alerts_of_one_key_take_few_calls(settings: Settings) -> None:
    workflows = MemoryWorkflows()
    receipts = await accept(settings, *alerts(*["a"] * 10_000), workflows=workflows)
    assert len(receipts) == 10_000
    assert len(workflows.signals) < 1_000
