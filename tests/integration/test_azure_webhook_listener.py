"""The function for webhooks: the Functions host's HTTP objects and a real Temporal server."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import azure.functions as func
import pytest
from temporalio.client import Client

from core.config.settings import Settings
from tests.support.azure import fresh_process, function, request
from tests.support.payloads import as_started, recorded
from tests.support.quarantines import kept
from tests.support.temporal import started

webhook, healthz = function("webhook"), function("healthz")
TOKEN = "a-token-nobody-guesses"
FILE = """
version: 1
hooks:
  orders:
    format: message
    verify: {scheme: bearer, secrets: ["env:ORDERS_TOKEN"]}
  blobs:
    format: event_grid
    verify: {scheme: bearer, secrets: ["env:ORDERS_TOKEN"]}
    origins: [eventgrid.azure.net]
  signed:
    format: github
    verify: {scheme: github, secrets: ["env:ORDERS_TOKEN"]}
"""


@pytest.fixture
def webhooks(
    function_settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Settings]:
    """The app's environment with webhooks."""
    file = tmp_path / "webhooks.yaml"
    file.write_text(FILE)
    monkeypatch.setenv("TIDEGATE_WEBHOOKS", str(file))
    monkeypatch.setenv("ORDERS_TOKEN", TOKEN)
    with fresh_process():
        yield Settings.from_env()


def posted(
    body: object, *, hook: str = "orders", token: str = TOKEN, **headers: str
) -> func.HttpRequest:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    common = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    return request("POST", f"/hooks/{hook}", raw, common | headers)


def cloudevent() -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": uuid4().hex,
        "source": "/orders",
        "type": "com.example.order",
        "data": {"text": "Übergröße 🌊"},
    }


def key(event: dict[str, Any]) -> str:
    return f"webhook:orders/ce:{event['source']}#{event['id']}"


async def test_a_verified_request_starts_one_workflow_however_often_it_is_sent(
    webhooks: Settings, temporal_client: Client
) -> None:
    event = cloudevent()
    for verdict in ("started", "duplicate"):
        answer = await webhook(posted(event))
        assert isinstance(answer, func.HttpResponse)
        assert answer.status_code == 202
        assert answer.headers["content-type"] == "application/json"
        [receipt] = json.loads(answer.get_body())["receipts"]
        assert receipt["verdict"] == verdict
    wire = await started(temporal_client, key(event))
    assert wire == as_started(event, key(event), "webhook:orders")


async def test_an_unverified_request_is_refused_and_leaves_nothing(
    webhooks: Settings, temporal_client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    event = cloudevent()
    answer = await webhook(posted(event, token="wrong"))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert await started(temporal_client, key(event)) is None
    assert await kept(webhooks) == []
    [line] = [record.request for record in caplog.records if hasattr(record, "request")]
    assert line == {"hook": "orders", "code": "NotVerified", "status": 401}


async def test_the_signature_is_verified_over_the_bytes_that_were_sent(webhooks: Settings) -> None:
    body = b'{ "zen":  "Keep it \\u006cogically awesome." }'
    signature = hmac.new(TOKEN.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "X-Hub-Signature-256": f"sha256={signature}",
        "X-GitHub-Event": "ping",
        "X-GitHub-Delivery": str(uuid4()),
    }
    good = await webhook(posted(body, hook="signed", **headers))
    bad = await webhook(posted(json.loads(body), hook="signed", **headers))
    assert (good.status_code < 300, bad.status_code) == (True, 401)


async def test_a_compressed_body_is_verified_as_it_was_sent(
    webhooks: Settings, temporal_client: Client
) -> None:
    event = cloudevent()
    body = gzip.compress(json.dumps(event).encode())
    answer = await webhook(posted(body, **{"Content-Encoding": "gzip"}))
    assert answer.status_code == 202
    assert await started(temporal_client, key(event))


async def test_while_temporal_is_unavailable_the_sender_is_answered_503(
    webhooks: Settings,
    monkeypatch: pytest.MonkeyPatch,
    closed_port: int,
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{closed_port}")
    monkeypatch.setenv("TIDEGATE_START_TIMEOUT", "0.5")
    with fresh_process():
        answer = await webhook(posted(cloudevent()))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


@pytest.mark.parametrize("file", [None, "version: 2", "no: {yaml"])
async def test_an_invalid_webhooks_file_makes_senders_retry(
    webhooks: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: str | None
) -> None:
    if file is None:
        monkeypatch.delenv("TIDEGATE_WEBHOOKS")
    else:
        (tmp_path / "webhooks.yaml").write_text(file)
    answer = await webhook(posted(cloudevent()))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    assert str(tmp_path).encode() not in answer.get_body()


async def test_a_request_that_is_quarantined_is_kept_without_its_secrets(
    webhooks: Settings,
) -> None:
    answer = await webhook(posted(b"no json", **{"X-Functions-Key": "a key of the app's"}))
    assert answer.status_code == 400
    [record] = await kept(webhooks)
    assert record.body == b"no json"
    assert not {"authorization", "x-functions-key"} & set(record.headers)


async def test_an_unknown_webhook_is_not_found(webhooks: Settings) -> None:
    assert (await webhook(posted({}, hook="nobody"))).status_code == 404


async def test_event_grids_handshakes_are_answered(webhooks: Settings) -> None:
    options = request(
        "OPTIONS", "/hooks/blobs", headers={"WebHook-Request-Origin": "eventgrid.azure.net"}
    )
    answer = await webhook(options)
    assert (answer.status_code, answer.get_body()) == (200, b"")
    assert answer.headers["webhook-allowed-origin"] == "eventgrid.azure.net"
    body = recorded("webhooks/event_grid/subscription-validation")
    answer = await webhook(posted(body, hook="blobs"))
    assert answer.status_code == 200
    assert "validationResponse" in json.loads(answer.get_body())


async def test_an_app_that_can_accept_events_is_healthy(
    webhooks: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = await healthz(request("GET", "/healthz"))
    assert (answer.status_code, json.loads(answer.get_body())) == (200, {"status": "up"})
    monkeypatch.setenv("TIDEGATE_CONCURRENCY", "plenty")
    with fresh_process():
        answer = await healthz(request("GET", "/healthz"))
    assert answer.status_code == 503
    assert b"plenty" not in answer.get_body()
