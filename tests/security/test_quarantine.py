"""A receipt that says `quarantined` names a record that can be read and holds no credential."""

from __future__ import annotations

import asyncio
import json
import tempfile
import tracemalloc
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import bootstrap
from core.adapters.documents.files import FileDocumentStore
from core.config.settings import Settings
from core.domain.event import DocumentRef
from core.errors import InvalidEvent
from core.formats.registry import FORMATS, kept_body, kept_headers, read
from core.formats.shared.delivery import Arrival, Delivery, Malformed, way_headers
from core.intake.receipts import Receipt, Verdict
from tests.support.mangled import ANY_BODIES, JSON_BODIES, MANGLED_BODIES
from tests.support.payloads import EVENTS, put
from tests.support.quarantines import kept
from tests.support.workflows_port import MemoryWorkflows

BATCH: Final = "application/cloudevents-batch+json"


def announcing(folder: str) -> st.SearchStrategy[bytes]:
    """Events about files under the quarantine's prefix, which may be there or not, among others."""
    names = st.sampled_from(
        ["message-" + "0" * 24 + ".json", "message-" + "0" * 24 + ".replayed.json", "a.txt", "b/c"]
    )
    one = names.map(
        lambda name: {
            "specversion": "1.0",
            "id": name,
            "source": "/a",
            "type": "tidegate.document.created",
            "data": {"document": {"uri": f"file://{folder}/{name}"}},
        }
    )
    other = st.sampled_from(
        [
            {"specversion": "1.0", "id": "1", "source": "/a", "type": "t", "data": "x" * 3000},
            {"specversion": "1.0"},
            7,
        ]
    )
    return st.lists(one | other, max_size=4).map(lambda batch: json.dumps(batch).encode())


async def receipts_and_records(
    settings: Settings, deliveries: list[Delivery]
) -> list[tuple[Delivery, Receipt]]:
    intake = bootstrap.intake(settings, workflows=MemoryWorkflows())
    settled: list[tuple[Delivery, Receipt]] = []
    for delivery in deliveries:
        settled += [(delivery, each) for each in await intake.accept(read(delivery))]
    return settled


@given(data=st.data())
def test_every_quarantine_uri_can_be_read(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bodies = ANY_BODIES | JSON_BODIES | MANGLED_BODIES | announcing(folder)
        deliveries = [
            Delivery(
                format=data.draw(st.sampled_from(FORMATS)),
                body=data.draw(bodies),
                headers={
                    **way_headers("queue:a", trusted=("tidegate.document.created",)),
                    "content-type": BATCH,
                },
                unique=str(n),
            )
            for n in range(data.draw(st.integers(1, 3)))
        ]
        settings = Settings(
            documents=("s3://a/",), quarantine=f"file://{folder}", max_event_bytes=2048
        )

        async def run() -> None:
            quarantine = bootstrap.quarantine(settings)
            for delivery, receipt in await receipts_and_records(settings, deliveries):
                if receipt.verdict is Verdict.QUARANTINED:
                    uri = str(receipt.quarantine_uri)
                    id = uri.rpartition("/")[2].removesuffix(".json")
                    record = await quarantine.get(id)
                    assert record.uri == uri
                    assert record.body in [kept_body(each) for each in deliveries]
                    if "is a quarantine record" not in str(receipt.reason):
                        assert record.body == kept_body(delivery)

        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.run(run())


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(documents=("s3://docs/",), quarantine=f"file://{tmp_path}/quarantine")


def about(uri: str) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": uri,
        "source": "/a",
        "type": "tidegate.document.created",
        "data": {"document": {"uri": uri}},
    }


def trusted(body: object, **headers: str) -> Delivery:
    way = way_headers("queue:a", trusted=("tidegate.document.created",))
    return Delivery(
        format="message",
        body=json.dumps(body).encode(),
        headers={**way, **{name.replace("_", "-"): text for name, text in headers.items()}},
        unique="u",
    )


async def test_an_event_about_a_record_that_is_not_there_is_kept_in_its_place(
    settings: Settings,
) -> None:
    event = trusted(about(f"{settings.quarantine}/s3-{'0' * 24}.json"))
    [(_, receipt)] = await receipts_and_records(settings, [event])
    [record] = await kept(settings)
    assert receipt.quarantine_uri == record.uri == f"{settings.quarantine}/s3-{'0' * 24}.json"
    assert record.body == event.body


async def test_an_event_about_a_record_never_replaces_it(settings: Settings) -> None:
    original = replace(trusted({}), body=b"{no json")
    [(_, first)] = await receipts_and_records(settings, [original])
    again = trusted(about(str(first.quarantine_uri)))
    [(_, second)] = await receipts_and_records(settings, [again])
    assert second.quarantine_uri == first.quarantine_uri
    [record] = await kept(settings)
    assert record.body == original.body


async def test_neighbours_of_an_event_about_a_record_are_kept(settings: Settings) -> None:
    original = replace(trusted({}), body=b"{no json")
    [(_, first)] = await receipts_and_records(settings, [original])
    batch = trusted([about(str(first.quarantine_uri)), {"specversion": "1.0"}], content_type=BATCH)
    settled = await receipts_and_records(settings, [batch])
    [uri] = {receipt.quarantine_uri for _, receipt in settled}
    assert {record.uri: record.body for record in await kept(settings)} == {
        first.quarantine_uri: original.body,
        uri: batch.body,
    }


BODY = b"{no json"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (way_headers("queue:orders"), way_headers("queue:refunds")),
        (way_headers("queue:a", scope="shared:a"), way_headers("queue:a", scope="shared:b")),
        ({"queue": "sqs:eu:1:a"}, {"queue": "sqs:us:1:a"}),
        ({"ce-id": "1"}, {"ce-id": "2"}),
        ({"cloudevents:subject": "1"}, {"cloudevents:subject": "2"}),
        ({"content-type": "text/plain"}, {"content-type": "application/json"}),
    ],
)
async def test_equal_bodies_that_differ_in_what_identifies_them_are_two_records(
    settings: Settings, one: Mapping[str, str], other: Mapping[str, str]
) -> None:
    quarantine = bootstrap.quarantine(settings)
    uris = set()
    for headers in (one, other):
        delivery = Delivery(format="message", body=BODY, headers=headers, unique="u")
        arrival = Arrival(Malformed(InvalidEvent("why")), delivery)
        uris.add(await quarantine.keep(arrival, InvalidEvent("why")))
    assert len(uris) == 2


async def test_a_later_delivery_of_a_message_is_the_same_record(settings: Settings) -> None:
    deliveries = [
        replace(trusted({}, message_id="1", delivery_count=str(n)), body=BODY) for n in (1, 2)
    ]
    settled = await receipts_and_records(settings, deliveries)
    assert len({receipt.quarantine_uri for _, receipt in settled}) == 1


@pytest.mark.parametrize(
    "header",
    [
        "authorization",
        "cookie",
        "x-amz-security-token",
        "x-api-key",
        "x-forwarded-authorization",
        "x-hub-signature-256",
        "x-routing-key",
        "x-whatever",
    ],
)
@pytest.mark.parametrize("format", FORMATS)
def test_no_header_is_kept_that_is_not_known_to_be_harmless(format: str, header: str) -> None:
    delivery = Delivery(format=format, body=b"", headers={header: "secret"}, unique="u")
    assert kept_headers(delivery) == {}


class Watched(dict[str, str]):
    """Headers that remember which of them were asked for."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__(headers)
        self.asked: set[str] = set()

    def get(self, name: Any, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self.asked.add(str(name))
        return super().__contains__(name)


def payloads(format: str) -> Iterator[bytes]:
    yield from (b"{}", b"[]", b"{no json", json.dumps(put("a", "00AB")).encode())
    for path in sorted(EVENTS.glob(f"webhooks/{format}/*.json")):
        yield path.read_bytes()


@pytest.mark.parametrize("format", FORMATS)
def test_every_header_that_a_format_reads_is_kept_for_the_replay(format: str) -> None:
    for body in payloads(format):
        headers = Watched(way_headers("webhook:a"))
        read(Delivery(format=format, body=body, headers=headers, unique="u"))
        present = dict.fromkeys(headers.asked, "x")
        delivery = Delivery(format=format, body=body, headers=present, unique="u")
        assert set(kept_headers(delivery)) == headers.asked


async def test_a_list_of_large_records_takes_the_memory_of_one(settings: Settings) -> None:
    quarantine = bootstrap.quarantine(settings)
    body = b"x" * 5_000_000
    for n in range(8):
        headers = {"message-id": str(n)}
        delivery = Delivery(format="message", body=body, headers=headers, unique="u")
        await quarantine.keep(Arrival(Malformed(InvalidEvent("")), delivery), InvalidEvent(""))
    tracemalloc.start()
    try:
        records = [record async for record in quarantine.records()]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(records) == 8
    assert peak < 5_000_000
    assert not hasattr(records[0], "body")


@pytest.mark.parametrize("reason", ["short", "x" * 40_000], ids=["a short head", "a long head"])
async def test_a_list_fetches_no_originals(
    settings: Settings, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    quarantine = bootstrap.quarantine(settings)
    headers = {"ce-id": reason}
    delivery = Delivery(format="message", body=b"x" * 9_000_000, headers=headers, unique="u")
    await quarantine.keep(Arrival(Malformed(InvalidEvent("")), delivery), InvalidEvent(""))
    asked: list[int | None] = []
    read_file = FileDocumentStore.read

    def noted(self: Any, document: DocumentRef, *, first: int | None = None) -> Any:
        asked.append(first)
        return read_file(self, document, first=first)

    monkeypatch.setattr(FileDocumentStore, "read", noted)
    [record] = [record async for record in quarantine.records()]
    assert record.headers == headers
    assert asked == ([16_384] if reason == "short" else [16_384, 4 * 1024 * 1024])


LIVE: Final = "xwfp-1-live"
ROUTING_KEY: Final = "R0123456789ABCDEF0123456789ABCDE"
FORM: Final = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("format", "content_type", "body"),
    [
        ("slack", "application/json", json.dumps({"token": LIVE, "event": [LIVE]}).encode()),
        ("slack", "application/json", f'{{"type": "x", "a": "{LIVE}'.encode()),
        ("slack", "application/json", f'["https://hooks.slack.com/actions/{LIVE}"'.encode()),
        ("slack", FORM, urlencode({"payload": json.dumps({"bot_token": LIVE})}).encode()),
        ("slack", FORM, urlencode({"token": LIVE, "response_url": f"https://x/{LIVE}"}).encode()),
        ("slack", FORM, urlencode({"payload": f'{{"a": "{LIVE}'}).encode()),
        ("pagerduty", "application/json", json.dumps({"routing_key": ROUTING_KEY}).encode()),
    ],
)
async def test_no_secret_of_a_body_is_kept_with_a_refused_original(
    format: str, content_type: str, body: bytes, tmp_path: Path
) -> None:
    headers = {"content-type": content_type, **way_headers("webhook:w")}
    delivery = Delivery(format=format, body=body, headers=headers, unique="u")
    settings = Settings(quarantine=f"file://{tmp_path}/")
    [(_, receipt)] = await receipts_and_records(settings, [delivery])
    assert receipt.verdict is Verdict.QUARANTINED
    [record] = await kept(settings)
    text = unquote(json.dumps(record.to_json()))
    assert LIVE not in text
    assert ROUTING_KEY not in text


@pytest.mark.parametrize("format", ["slack", "pagerduty"])
@given(body=ANY_BODIES | JSON_BODIES)
def test_an_original_without_its_secrets_is_read_as_before(format: str, body: bytes) -> None:
    """What a replay finds in it is what the request held."""
    delivery = Delivery(format=format, body=body, headers={}, unique="u")
    kept = replace(delivery, body=kept_body(delivery))
    assert _read(kept) == _read(delivery)


def _read(delivery: Delivery) -> list[Any]:
    items = [arrival.item for arrival in read(delivery)]
    return [None if isinstance(item, Malformed) else item for item in items]
