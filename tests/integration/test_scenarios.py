"""What can happen to events, on both clouds: written once, run with the real listeners of each.

What becomes of them later, and of the processes, is in `tests.e2e.test_scenarios`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client

from core.config.settings import Settings
from infra.local.temporal import TemporalServer
from tests.support.clouds import CLOUDS, Answer, AwsPlatform, AzurePlatform, Platform
from tests.support.eventually import eventually
from tests.support.payloads import as_started
from tests.support.ports import closed_port
from tests.support.quarantines import kept
from tests.support.temporal import own_server, started

POISON = '{"Records": [{"ünlesbar": '.encode()
TOKEN = "a-token-nobody-guesses"
WEBHOOKS = """
version: 1
hooks:
  orders:
    format: message
    scope: orders
    verify: {scheme: bearer, secrets: ["env:ORDERS_TOKEN"]}
"""


@pytest.fixture(params=CLOUDS)
def platform(
    request: pytest.FixtureRequest,
    function_settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> Iterator[Platform]:
    """One of the clouds, with its functions' settings and fresh processes."""
    found: Platform = AwsPlatform(capsys) if request.param == "aws" else AzurePlatform(caplog)
    (tmp_path / "webhooks.yaml").write_text(WEBHOOKS)
    monkeypatch.setenv("TIDEGATE_WEBHOOKS", str(tmp_path / "webhooks.yaml"))
    monkeypatch.setenv("ORDERS_TOKEN", TOKEN)
    monkeypatch.setenv("TIDEGATE_QUEUE_SCOPE", "orders")
    for name, value in found.environment.items():
        monkeypatch.setenv(name, value)
    with found.cold_start():
        yield found


@contextmanager
def temporal_unavailable(platform: Platform) -> Iterator[None]:
    """Within the block nothing listens at Temporal's address."""
    with pytest.MonkeyPatch.context() as patch, closed_port() as port:
        patch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{port}")
        patch.setenv("TIDEGATE_START_TIMEOUT", "0.5")
        with platform.cold_start():
            yield


def verdicts(receipts: list[Any]) -> Counter[str]:
    return Counter(str(receipt["verdict"]) for receipt in receipts)


def cloudevent() -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": uuid4().hex,
        "source": "/orders",
        "type": "com.example.order",
        "data": {"order": 4711},
    }


def key(event: dict[str, Any]) -> str:
    return f"shared:orders/ce:{event['source']}#{event['id']}"


# ---------------------------------------------------------------------------- duplicates


@pytest.mark.parametrize("order", [*itertools.permutations(range(3))])
async def test_an_upload_by_three_paths_one_after_the_other_is_one_workflow(
    platform: Platform, temporal_client: Client, order: tuple[int, ...]
) -> None:
    upload = platform.upload()
    for place in order:
        assert await platform.deliver(upload.by_path[platform.paths[place]]) == [True]
    receipts = platform.receipts()
    assert [receipt["verdict"] for receipt in receipts] == ["started", "duplicate", "duplicate"]
    assert {receipt["key"] for receipt in receipts} == {upload.key}
    assert await started(temporal_client, upload.key)


async def test_an_upload_by_three_paths_concurrently_and_many_times_is_one_workflow(
    platform: Platform, temporal_client: Client
) -> None:
    upload = platform.upload()
    parcels = [*upload.by_path.values()] * 10
    assert await platform.deliver(*parcels) == [True] * 30
    receipts = platform.receipts()
    assert verdicts(receipts) == {"started": 1, "duplicate": 29}
    assert {receipt["workflow_id"] for receipt in receipts} == {upload.key}
    assert await started(temporal_client, upload.key)


async def test_many_uploads_by_three_paths_concurrently_are_one_workflow_each(
    platform: Platform, temporal_client: Client
) -> None:
    uploads = [platform.upload() for _ in range(10)]
    parcels = [parcel for upload in uploads for parcel in upload.by_path.values()]
    assert all(await platform.deliver(*parcels))
    receipts = platform.receipts()
    assert verdicts(receipts) == {"started": 10, "duplicate": 20}
    starts = [receipt["key"] for receipt in receipts if receipt["verdict"] == "started"]
    assert sorted(starts) == sorted(upload.key for upload in uploads)


async def test_an_event_by_queue_and_by_webhook_is_one_workflow(
    platform: Platform, temporal_client: Client
) -> None:
    event = cloudevent()
    assert await platform.deliver(platform.message(event), platform.message(event)) == [True, True]
    answer = await post(platform, event)
    assert answer.status == 202
    assert [receipt["verdict"] for receipt in answer.body["receipts"]] == ["duplicate"]
    assert verdicts(platform.receipts()) == {"started": 1, "duplicate": 2}
    wire = await started(temporal_client, key(event))
    assert wire["tidegateway"].startswith("queue:")
    assert wire == as_started(event, key(event), wire["tidegateway"], "shared:orders")


async def test_an_event_by_queue_and_by_webhook_is_two_workflows_unless_they_share_a_scope(
    platform: Platform, temporal_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TIDEGATE_QUEUE_SCOPE")
    with platform.cold_start():
        event = cloudevent()
        assert await platform.deliver(platform.message(event)) == [True]
        answer = await post(platform, event)
    assert [receipt["verdict"] for receipt in answer.body["receipts"]] == ["started"]
    assert verdicts(platform.receipts()) == {"started": 2}


# ---------------------------------------------------------------------------- poison


async def test_a_poison_message_is_quarantined_unchanged_and_affects_no_other(
    platform: Platform, temporal_client: Client
) -> None:
    uploads = [platform.upload() for _ in range(4)]
    good = [upload.by_queue for upload in uploads]
    parcels = [*good[:2], platform.garbage(POISON), *good[2:]]
    assert await platform.deliver(*parcels) == [True] * 5
    for upload in uploads:
        assert await started(temporal_client, upload.key)
    assert verdicts(platform.receipts()) == {"started": 4, "quarantined": 1}
    [record] = await kept(Settings.from_env())
    assert (record.body, record.code) == (POISON, "InvalidEvent")


async def test_only_a_poison_message_that_cannot_be_quarantined_is_redelivered(
    platform: Platform, temporal_client: Client, tmp_path: Path
) -> None:
    (tmp_path / "quarantine").write_text("a file where the folder should be")
    upload = platform.upload()
    assert await platform.deliver(platform.garbage(POISON), upload.by_queue) == [False, True]
    assert await started(temporal_client, upload.key)
    (tmp_path / "quarantine").unlink()
    assert await platform.deliver(platform.garbage(POISON)) == [True]
    assert [record.body for record in await kept(Settings.from_env())] == [POISON]


# ---------------------------------------------------------------------------- Temporal unavailable


async def test_nothing_is_acknowledged_while_temporal_is_unavailable_and_all_start_once_afterwards(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The server is killed while a process is connected to it, and restarted."""
    uploads = [platform.upload() for _ in range(5)]
    before, *others = (upload.by_queue for upload in uploads)
    with own_server(tmp_path) as server:
        await asyncio.to_thread(server.wait)
        monkeypatch.setenv("TEMPORAL_ADDRESS", server.address)
        monkeypatch.setenv("TIDEGATE_START_TIMEOUT", "2")
        with platform.cold_start():
            assert await platform.deliver(before) == [True]
            server.child.kill()
            for _ in range(2):
                assert await platform.deliver(before, *others) == [False] * 5
            assert verdicts(platform.receipts()) == {"started": 1, "retry": 10}
            assert await kept(Settings.from_env()) == []
            await asyncio.to_thread(server.restart)

            async def acknowledged() -> bool:
                return all(await platform.deliver(before, *others))

            await eventually(acknowledged, "all to be acknowledged")
        await each_started_once(server, [upload.key for upload in uploads])
    receipts = [r for r in platform.receipts() if r["verdict"] != "retry"]
    starts = [receipt["key"] for receipt in receipts if receipt["verdict"] == "started"]
    assert sorted(starts) == sorted(upload.key for upload in uploads[1:])
    assert await kept(Settings.from_env()) == []


async def each_started_once(server: TemporalServer, keys: list[str]) -> None:
    """The server has exactly one execution for each of these."""
    client = await Client.connect(server.address)
    assert all([await started(client, key) for key in keys])

    async def shown() -> list[str] | None:
        found = [workflow.id async for workflow in client.list_workflows()]
        return sorted(found) if len(found) >= len(keys) else None

    assert await eventually(shown, "all workflows to show") == sorted(keys)


async def test_a_poison_message_is_quarantined_while_temporal_is_unavailable(
    platform: Platform,
) -> None:
    upload = platform.upload()
    with temporal_unavailable(platform):
        settled = await platform.deliver(upload.by_queue, platform.garbage(POISON))
    assert settled == [False, True]
    assert [record.body for record in await kept(Settings.from_env())] == [POISON]


# ---------------------------------------------------------------------------- webhooks


async def post(platform: Platform, body: object, *, token: str = TOKEN) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    return await platform.post("/hooks/orders", raw, headers)


async def test_an_accepted_webhook_is_answered_202_however_often_it_is_sent(
    platform: Platform, temporal_client: Client
) -> None:
    event = cloudevent()
    for verdict in ("started", "duplicate", "duplicate"):
        answer = await post(platform, event)
        assert answer.status == 202
        assert [receipt["verdict"] for receipt in answer.body["receipts"]] == [verdict]
    wire = await started(temporal_client, key(event))
    assert wire == as_started(event, key(event), "webhook:orders", "shared:orders")


async def test_an_unverified_webhook_is_answered_401_and_leaves_nothing(
    platform: Platform, temporal_client: Client
) -> None:
    event = cloudevent()
    answer = await post(platform, event, token="wrong")
    assert (answer.status, answer.body["code"]) == (401, "NotVerified")
    assert platform.receipts() == []
    assert await started(temporal_client, key(event)) is None
    assert await kept(Settings.from_env()) == []


async def test_while_temporal_is_unavailable_a_webhook_is_answered_503_and_retried(
    platform: Platform, temporal_client: Client
) -> None:
    event = cloudevent()
    with temporal_unavailable(platform):
        answer = await post(platform, event)
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert verdicts(platform.receipts()) == {"retry": 1}
    assert await kept(Settings.from_env()) == []
    assert (await post(platform, event)).status == 202
    assert await started(temporal_client, key(event))


async def test_a_poison_webhook_is_answered_400_and_quarantined(platform: Platform) -> None:
    answer = await post(platform, POISON)
    assert answer.status == 400
    [record] = await kept(Settings.from_env())
    assert record.body == POISON
    assert "authorization" not in record.headers
