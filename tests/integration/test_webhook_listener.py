"""The webhook listener end to end: Lambda's HTTP events in, a real Temporal behind."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from temporalio.client import Client

from core import bootstrap
from core.config.settings import Settings
from core.webhooks.endpoints import Endpoint, WebhookTable
from core.webhooks.pipeline import Webhooks
from core.webhooks.request import Request
from functions_aws import webhook_listener
from functions_aws.webhook_listener import handler
from infra.local.temporal import TemporalServer
from tests.support.attacks import ATTACKS
from tests.support.lambda_runtime import invoke, logged_receipts
from tests.support.listeners import fresh_process
from tests.support.payloads import as_started
from tests.support.quarantines import kept
from tests.support.temporal import calls, started
from tests.support.verifiers import EXAMPLES, OPEN, Example

TOKEN = "a-token-nobody-guesses"
FILE = """
version: 1
hooks:
  orders:
    format: message
    verify: {scheme: bearer, secrets: ["env:ORDERS_TOKEN"]}
"""


@pytest.fixture
def webhooks(
    function_settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Settings:
    """A function's environment with one webhook."""
    file = tmp_path / "webhooks.yaml"
    file.write_text(FILE)
    monkeypatch.setenv("TIDEGATE_WEBHOOKS", str(file))
    monkeypatch.setenv("ORDERS_TOKEN", TOKEN)
    return Settings.from_env()


def http(request: Request) -> dict[str, Any]:
    """A request in payload format 2.0."""
    return {
        "version": "2.0",
        "rawPath": request.path,
        "rawQueryString": urlencode(request.query),
        "headers": dict(request.headers),
        "requestContext": {"stage": "$default", "http": {"method": request.method}},
        "body": base64.b64encode(request.body).decode(),
        "isBase64Encoded": True,
    }


def posted(body: object, *, hook: str = "orders", token: str = TOKEN) -> dict[str, Any]:
    return http(
        Request(
            method="POST",
            path=f"/hooks/{hook}",
            headers={"content-type": "application/json", "authorization": f"Bearer {token}"},
            body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        )
    )


def cloudevent() -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": uuid4().hex,
        "source": "/orders",
        "type": "com.example.order",
        "data": {"order": 4711},
    }


def trigger() -> dict[str, Any]:
    """An alert as posted to PagerDuty's Events API."""
    payload = {
        "summary": "Disk is full",
        "source": "db-1",
        "severity": "critical",
        "timestamp": "2026-03-01T12:00:00Z",
    }
    return {"event_action": "trigger", "dedup_key": uuid4().hex, "payload": payload}


def key(event: dict[str, Any]) -> str:
    return f"webhook:orders/ce:{event['source']}#{event['id']}"


def receipts(answer: Any) -> list[Any]:
    result: list[Any] = json.loads(answer["body"])["receipts"]
    return result


async def test_a_verified_request_starts_one_workflow_however_often_it_comes(
    webhooks: Settings, temporal_client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    event = cloudevent()
    for verdict in ("started", "duplicate"):
        answer = await invoke(handler, posted(event))
        assert answer["statusCode"] == 202
        assert [receipt["verdict"] for receipt in receipts(answer)] == [verdict]
    wire = await started(temporal_client, key(event))
    assert wire == as_started(event, key(event), "webhook:orders")
    logged = logged_receipts(capsys.readouterr().out)
    assert [receipt["verdict"] for receipt in logged] == ["started", "duplicate"]


async def test_an_unverified_request_is_only_counted(
    webhooks: Settings, temporal_client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    event = cloudevent()
    answer = await invoke(handler, posted(event, token="wrong"))
    assert answer["statusCode"] == 401
    assert await started(temporal_client, key(event)) is None
    assert await kept(webhooks) == []
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["Refused"] for line in lines if "Refused" in line] == [[1.0]]


async def test_while_temporal_is_unavailable_the_sender_is_answered_503(
    webhooks: Settings,
    monkeypatch: pytest.MonkeyPatch,
    closed_port: int,
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{closed_port}")
    monkeypatch.setenv("TIDEGATE_START_TIMEOUT", "0.5")
    with fresh_process():
        answer = await invoke(handler, posted(cloudevent()))
    assert (answer["statusCode"], answer["headers"]["retry-after"]) == (503, "5")


@pytest.mark.parametrize("file", [None, "version: 2", "no: {yaml"])
async def test_with_an_invalid_file_senders_are_answered_503(
    webhooks: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: str | None
) -> None:
    if file is None:
        monkeypatch.delenv("TIDEGATE_WEBHOOKS")
    else:
        (tmp_path / "webhooks.yaml").write_text(file)
    with fresh_process():
        answer = await invoke(handler, posted(cloudevent()))
    assert (answer["statusCode"], answer["headers"]["retry-after"]) == (503, "60")


async def test_a_body_that_is_not_base64_is_answered_400(webhooks: Settings) -> None:
    answer = await invoke(handler, posted({}) | {"body": "not base64"})
    assert answer["statusCode"] == 400


REST_API = {
    "resource": "/hooks/{hook}",
    "path": "/hooks/orders",
    "httpMethod": "POST",
    "headers": {"Authorization": f"Bearer {TOKEN}"},
    "requestContext": {"stage": "prod", "httpMethod": "POST"},
    "body": "{}",
    "isBase64Encoded": False,
}
LOAD_BALANCER = REST_API | {
    "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:..."}}
}


@pytest.mark.parametrize(
    "event", [REST_API, REST_API | {"version": "1.0"}, LOAD_BALANCER, {}, [], {"version": "1.0"}]
)
async def test_behind_another_gateway_no_sender_is_made_to_give_up(
    webhooks: Settings, event: Any, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await invoke(handler, event)
    assert (answer["statusCode"], answer["headers"]["retry-after"]) == (503, "60")
    assert "put the function behind one of these, with PayloadFormatVersion 2.0" in caplog.text


async def test_a_stage_in_the_path_is_not_part_of_the_webhooks_name(webhooks: Settings) -> None:
    event = posted(cloudevent())
    event["rawPath"] = "/prod/hooks/orders"
    event["requestContext"]["stage"] = "prod"
    assert (await invoke(handler, event))["statusCode"] == 202


# ------------------------------------------------------------------------------- every verifier


@pytest.fixture
def every_verifier(
    webhooks: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Example]]:
    """A listener with a webhook for each example, under its name."""
    hooks = {}
    for number, example in enumerate((*EXAMPLES, OPEN)):
        names = (f"HOOK_SECRET_{number}", f"HOOK_SECRET_{number}_NEXT")[: len(example.secrets)]
        for name, secret in zip(names, example.secrets, strict=True):
            monkeypatch.setenv(name, secret)
        section = {"secrets": tuple(f"env:{name}" for name in names)} if names else {}
        verifier = example.verifier.model_copy(update=section)
        format = "pagerduty" if example.section["scheme"] == "routing-key" else "message"
        endpoint = Endpoint.model_validate({"format": format, "verify": {"scheme": "none"}})
        hooks[example.name] = endpoint.model_copy(update={"verify": verifier})
    table = WebhookTable.model_construct(version=1, hooks=hooks)
    with fresh_process():

        def build() -> Webhooks:
            return Webhooks(
                table=table,
                secrets=bootstrap.secrets(webhooks),
                intake=bootstrap.intake(webhooks),
            )

        built: list[Webhooks] = []

        def once() -> Webhooks:
            built.extend([] if built else [build()])
            return built[0]

        with mock.patch.object(webhook_listener, "webhooks", once):
            yield {example.name: example for example in EXAMPLES}


async def test_no_attack_on_any_verifier_makes_a_single_call_to_temporal(
    every_verifier: dict[str, Example],
    webhooks: Settings,
    temporal_server: TemporalServer,
    temporal_client: Client,
) -> None:
    before = await calls(temporal_server, temporal_client)
    attacks = 0
    for example in every_verifier.values():
        for name, attack in ATTACKS.items():
            body = json.dumps(cloudevent()).encode()
            forged = attack(example, body, datetime.now(UTC))
            if forged is None or "surrogate" in name:  # no HTTP header can hold one
                continue
            answer = await invoke(handler, http(forged))
            assert answer["statusCode"] == 401, f"{name} on {example.name}: {answer}"
            attacks += 1
    assert attacks > 200
    after = await calls(temporal_server, temporal_client)
    assert after - before == {"CountWorkflowExecutions": 1}
    assert await kept(webhooks) == []


@pytest.mark.parametrize("name", [example.name for example in (*EXAMPLES, OPEN)])
async def test_a_request_replayed_later_or_concurrently_starts_one_workflow(
    every_verifier: dict[str, Example],
    webhooks: Settings,
    temporal_client: Client,
    name: str,
) -> None:
    example = every_verifier.get(name, OPEN)
    event = trigger() if example.section["scheme"] == "routing-key" else cloudevent()
    request = example.authentic(json.dumps(event).encode(), datetime.now(UTC))
    listener = webhook_listener.webhooks()
    outcomes = await asyncio.gather(*(listener.receive(request, time_left=30) for _ in range(5)))
    outcomes.append(await listener.receive(request, time_left=30))
    verdicts = [
        receipt["verdict"] for o in outcomes for receipt in json.loads(o.response.body)["receipts"]
    ]
    # An alert joins the workflow that runs, which recognises it; any other event is a duplicate.
    again = "delivered" if example.section["scheme"] == "routing-key" else "duplicate"
    assert sorted(verdicts) == [again] * 5 + ["started"]
