"""The webhooks' pipeline: who is let in, what is made of it, and what the sender is answered."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.adapters.documents.files import FileDocumentStore
from core.errors import SecretUnavailable, SettingsError, StoreUnavailable, TemporalUnavailable
from core.formats.registry import read
from core.webhooks.request import Request
from core.webhooks.verifiers.sns import SnsVerifier
from tests.support import signing
from tests.support.webhooks import TOKEN, Door, told, verdicts
from tests.support.workflows_port import HangingWorkflows, MemoryWorkflows

ORDER = {"order": 4711}
CLOUDEVENT = {
    "specversion": "1.0",
    "id": "1",
    "source": "/orders",
    "type": "com.example.order",
    "data": ORDER,
}


@pytest.fixture
def workflows() -> MemoryWorkflows:
    return MemoryWorkflows()


@pytest.fixture
def door(workflows: MemoryWorkflows, tmp_path: Path) -> Door:
    return Door(workflows, tmp_path)


async def kept(door: Door) -> list[Any]:
    return [record async for record in door.quarantine.records()]


# ------------------------------------------------------------------------------- what is let in


async def test_a_verified_event_is_started_and_answered_with_its_receipt(
    door: Door, workflows: MemoryWorkflows
) -> None:
    outcome = await door.post(CLOUDEVENT)
    assert outcome.response.status == 202
    assert outcome.response.headers["content-type"] == "application/json"
    [receipt] = told(outcome)["receipts"]
    assert receipt["verdict"] == "started"
    assert receipt["workflow_id"] == "ce:/orders#1"
    assert list(workflows.started) == ["ce:/orders#1"]


async def test_a_duplicate_is_a_success(door: Door, workflows: MemoryWorkflows) -> None:
    await door.post(CLOUDEVENT)
    outcome = await door.post(CLOUDEVENT)
    assert (outcome.response.status, verdicts(outcome)) == (202, ["duplicate"])
    assert len(workflows.started) == 1


@pytest.mark.parametrize("path", ["/", "/hooks", "/hooks/", "/hooks/other", "/hooks/in/", "/x/in"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "PUT"])
async def test_what_is_not_there_says_nothing_of_what_is(
    door: Door, path: str, method: str
) -> None:
    outcome = await door.send(Request(method=method, path=path, body=b"{}"))
    assert outcome.response.status == 404
    assert told(outcome) == {
        "title": "Not Found",
        "status": 404,
        "detail": "there is nothing here",
        "code": "NotFound",
    }
    assert outcome.response.headers["content-type"] == "application/problem+json"


async def test_health_is_answered_without_a_secret(door: Door) -> None:
    outcome = await door.send(Request(method="GET", path="/healthz"))
    assert (outcome.response.status, told(outcome)) == (200, {"status": "up"})
    assert door.store.reads == 0


async def test_only_posts_are_taken(door: Door) -> None:
    outcome = await door.send(replace(door.sign(door.request(CLOUDEVENT)), method="PUT"))
    assert outcome.response.status == 405
    assert outcome.response.headers["allow"] == "POST, OPTIONS"


@pytest.mark.parametrize("proof", [{}, {"authorization": "Bearer wrong"}])
async def test_a_stranger_learns_nothing_and_leaves_nothing(
    door: Door, workflows: MemoryWorkflows, proof: dict[str, str]
) -> None:
    outcome = await door.post(b"{not json", signed=False, **proof)
    assert outcome.response.status == 401
    assert outcome.response.headers["www-authenticate"] == "Bearer"
    assert outcome.refused == "NotVerified"
    assert told(outcome)["detail"] == (
        "the request was not proven to come from this webhook's sender"
    )
    assert workflows.calls == []
    assert await kept(door) == []


async def test_why_a_stranger_was_refused_is_in_the_log_alone(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        await door.post(CLOUDEVENT, signed=False, authorization="Bearer wrong")
    assert "webhook in: not verified: mismatch" in caplog.text
    assert TOKEN not in caplog.text


async def test_a_body_over_the_limit_is_refused_unread_and_unverified(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    door = Door(workflows, tmp_path, {"in": {"max_bytes": 1024}})
    outcome = await door.post(b"[" * 1025, signed=False)
    assert outcome.response.status == 413
    assert told(outcome)["detail"] == "a body may be at most 1,024 bytes long"
    assert door.store.reads == 0


# ------------------------------------------------------------------------------- secrets


@pytest.mark.parametrize("failure", [SecretUnavailable("away"), SettingsError("there is none")])
async def test_a_secret_that_cannot_be_had_makes_the_sender_come_again(
    door: Door, workflows: MemoryWorkflows, failure: Exception
) -> None:
    door.store.failure = failure
    outcome = await door.post(CLOUDEVENT)
    assert (outcome.response.status, outcome.refused) == (503, "CannotVerify")
    assert outcome.response.headers["retry-after"] == "5"
    assert workflows.calls == []


async def test_a_secret_that_was_exchanged_a_moment_ago_is_known_at_once(door: Door) -> None:
    assert (await door.post(CLOUDEVENT)).response.status == 202
    door.store.values["env:TOKEN"] = "the-next-token"
    door.now += timedelta(seconds=31)
    assert (await door.post(CLOUDEVENT)).response.status == 202


async def test_strangers_cannot_make_us_ask_for_the_secret_over_and_over(door: Door) -> None:
    for _ in range(20):
        await door.post(CLOUDEVENT, signed=False, authorization="Bearer wrong")
    assert door.store.reads == 1


async def test_either_of_two_live_secrets_proves_the_sender(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    verify = {"scheme": "bearer", "secrets": ["env:TOKEN", "env:NEXT"]}
    door = Door(workflows, tmp_path, {"in": {"verify": verify}}, {"env:NEXT": "another-long-token"})
    for token in (TOKEN, "another-long-token"):
        proof = {"authorization": f"Bearer {token}"}
        assert (await door.post(CLOUDEVENT, signed=False, **proof)).response.status == 202


async def test_a_second_secret_that_is_missing_does_not_shut_out_the_first(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    verify = {"scheme": "bearer", "secrets": ["env:GONE", "env:TOKEN"]}
    door = Door(workflows, tmp_path, {"in": {"verify": verify}}, {"env:GONE": ""})
    proof = {"authorization": f"Bearer {TOKEN}"}
    assert (await door.post(CLOUDEVENT, signed=False, **proof)).response.status == 202


# ------------------------------------------------------------------------------- bodies


async def test_what_can_never_work_is_kept_and_refused(
    door: Door, workflows: MemoryWorkflows
) -> None:
    outcome = await door.post(b"{not json")
    assert outcome.response.status == 400
    assert told(outcome)["code"] == "InvalidEvent"
    assert verdicts(outcome) == ["quarantined"]
    [record] = await kept(door)
    assert record.body == b"{not json"
    assert record.headers["tidegate-hook"] == "in"
    assert workflows.calls == []


async def test_no_credential_is_kept_with_the_original(door: Door) -> None:
    await door.post(b"{not json", cookie="session=1", x_harmless="yes")
    [record] = await kept(door)
    assert "authorization" not in record.headers
    assert "cookie" not in record.headers
    assert record.headers["x-harmless"] == "yes"
    assert TOKEN not in json.dumps(record.to_json())


async def test_where_an_original_is_kept_is_not_told_outside(door: Door) -> None:
    outcome = await door.post(b"{not json")
    assert b"quarantine/" not in outcome.response.body


async def test_of_a_batch_the_good_start_and_the_answer_says_which_was_bad(
    door: Door, workflows: MemoryWorkflows
) -> None:
    batch = [CLOUDEVENT, {"specversion": "1.0"}, CLOUDEVENT | {"id": "2"}]
    outcome = await door.post(batch, content_type="application/cloudevents-batch+json")
    assert outcome.response.status == 202
    assert verdicts(outcome) == ["started", "quarantined", "started"]
    assert sorted(workflows.started) == ["ce:/orders#1", "ce:/orders#2"]
    assert len(await kept(door)) == 1


async def test_temporal_away_makes_the_sender_come_again(
    door: Door, workflows: MemoryWorkflows
) -> None:
    def away(_: object) -> None:
        raise TemporalUnavailable("it is away")

    workflows.before = away
    outcome = await door.post(CLOUDEVENT)
    assert (outcome.response.status, outcome.refused) == (503, "NotAccepted")
    assert outcome.response.headers["retry-after"] == "5"
    assert verdicts(outcome) == ["retry"]
    assert await kept(door) == []


async def test_a_batch_that_is_not_done_in_time_is_given_back_and_then_recognised(
    tmp_path: Path,
) -> None:
    door = Door(HangingWorkflows("#2"), tmp_path, {"in": {"answer_within": "1s"}})
    batch = [CLOUDEVENT, CLOUDEVENT | {"id": "2"}]
    for first in ("started", "duplicate"):
        outcome = await door.post(batch, content_type="application/cloudevents-batch+json")
        assert outcome.response.status == 503
        assert verdicts(outcome) == [first, "retry"]


async def test_a_content_type_that_no_sender_of_this_format_uses_is_refused(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    door = Door(workflows, tmp_path, {"in": {"format": "alertmanager"}})
    outcome = await door.post({"alerts": []}, content_type="image/png")
    assert (outcome.response.status, outcome.refused) == (415, "UnsupportedMediaType")


@pytest.mark.parametrize("type", ["application/json; charset=latin-1", "application/vnd.x+json"])
async def test_json_is_taken_whatever_it_is_called(door: Door, type: str) -> None:
    outcome = await door.post(CLOUDEVENT, content_type=type)
    assert outcome.response.status == 202


async def test_a_body_may_be_packed(door: Door, workflows: MemoryWorkflows) -> None:
    packed = gzip.compress(json.dumps(CLOUDEVENT).encode())
    outcome = await door.post(packed, content_encoding="gzip")
    assert outcome.response.status == 202
    assert list(workflows.started) == ["ce:/orders#1"]


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd"])
async def test_other_ways_of_packing_are_refused(door: Door, encoding: str) -> None:
    outcome = await door.post(CLOUDEVENT, content_encoding=encoding)
    assert (outcome.response.status, outcome.refused) == (415, "UnsupportedEncoding")
    assert outcome.response.headers["accept-encoding"] == "gzip"


async def test_a_decompression_bomb_is_refused_at_the_limit(door: Door) -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    outcome = await door.post(bomb, content_encoding="gzip")
    assert (outcome.response.status, outcome.refused) == (413, "TooLarge")


@pytest.mark.parametrize(
    "body",
    [b"not gzip", gzip.compress(b"{}")[:-4], gzip.compress(b"{}") + b"more"],
    ids=["another", "cut short", "followed"],
)
async def test_what_is_not_gzip_though_it_says_so_is_kept_and_refused(
    door: Door, body: bytes
) -> None:
    outcome = await door.post(body, content_encoding="gzip")
    assert outcome.response.status == 400
    [record] = await kept(door)
    assert record.body == body


# ------------------------------------------------------------------------------- who it is


async def test_a_hooks_attributes_go_with_its_events(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    door = Door(workflows, tmp_path, {"in": {"attributes": {"team": "payments"}}})
    await door.post(CLOUDEVENT)
    [event] = workflows.started.values()
    assert event.extensions == {"team": "payments"}


async def test_a_sender_cannot_speak_in_our_own_headers(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    door = Door(workflows, tmp_path)
    await door.post(
        ORDER, tidegate_attribute_team="root", tidegate_hook="other", message_id="chosen"
    )
    [event] = workflows.started.values()
    assert (event.source, event.extensions, event.unidentified) == ("webhook:in", {}, True)


async def test_json_without_an_id_is_started_each_time_and_the_receipt_says_so(
    door: Door, workflows: MemoryWorkflows
) -> None:
    outcomes = [await door.post(ORDER) for _ in range(2)]
    assert [told(outcome)["receipts"][0]["unidentified"] for outcome in outcomes] == [True, True]
    assert len(workflows.started) == 2


async def test_the_header_that_names_a_delivery_makes_it_known_again(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    door = Door(workflows, tmp_path, {"in": {"id_header": "X-Delivery-Id"}})
    for verdict in ("started", "duplicate"):
        assert verdicts(await door.post(ORDER, x_delivery_id="d1")) == [verdict]
    assert list(workflows.started) == ["webhook:in/d1"]


async def test_the_id_of_a_standard_webhook_makes_it_known_again(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    verify = {"scheme": "standard-webhooks", "secrets": ["env:WHSEC"]}
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    door = Door(workflows, tmp_path, {"in": {"verify": verify}}, {"env:WHSEC": secret})
    request = door.sign(door.request(ORDER))
    outcomes = await asyncio.gather(*(door.send(request) for _ in range(5)))
    assert sorted(v for o in outcomes for v in verdicts(o)) == ["duplicate"] * 4 + ["started"]


# ------------------------------------------------------------------------------- handshakes


async def test_the_cloudevents_handshake_is_granted_to_named_origins_alone(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    door = Door(workflows, tmp_path, {"in": {"origins": ["eventgrid.azure.net"]}})

    async def asked_by(origin: str) -> dict[str, str]:
        headers = {"webhook-request-origin": origin, "webhook-request-rate": "120"}
        request = Request(method="OPTIONS", path="/hooks/in", headers=headers)
        outcome = await door.send(request)
        assert outcome.response.status == 200
        return dict(outcome.response.headers)

    assert await asked_by("eventgrid.azure.net") == {
        "allow": "POST, OPTIONS",
        "webhook-allowed-origin": "eventgrid.azure.net",
        "webhook-allowed-rate": "*",
    }
    assert await asked_by("example.com") == {"allow": "POST, OPTIONS"}


async def test_a_subscription_of_sns_waits_for_somebody_to_confirm_it(
    workflows: MemoryWorkflows, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    verify = {"scheme": "sns", "topic_arns": [signing.TOPIC]}
    door = Door(workflows, tmp_path, {"in": {"format": "message", "verify": verify}})
    verifier = door.table.hooks["in"].verify
    assert isinstance(verifier, SnsVerifier)
    endpoint = door.table.hooks["in"].model_copy(
        update={"verify": verifier.fetching(lambda url: signing.certificate())}
    )
    door.table.hooks["in"] = endpoint
    message = signing.sns_message("confirm it", door.now, "SubscriptionConfirmation")
    outcome = await door.post(signing.sns_signed(message), signed=False)
    assert (outcome.response.status, told(outcome)) == (200, {"receipts": []})
    assert f"--topic-arn {signing.TOPIC} --token {message['Token']}" in caplog.text
    assert workflows.calls == []


async def test_pagerdutys_own_senders_find_their_key_in_the_answer(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    door = Door(workflows, tmp_path, {"in": {"format": "pagerduty"}})
    for action in ("trigger", "acknowledge", "resolve"):
        event = {"event_action": action, "dedup_key": "disk-1", "payload": {"summary": "full"}}
        assert told(await door.post(event))["dedup_key"] == "disk-1"


async def test_slack_is_answered_its_challenge_and_told_not_to_repeat_what_is_refused(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    verify = {"scheme": "slack", "secrets": ["env:TOKEN"]}
    door = Door(workflows, tmp_path, {"in": {"format": "slack", "verify": verify}})
    challenge = {"type": "url_verification", "challenge": "3eZbrw1aB"}
    outcome = await door.post(challenge)
    assert (outcome.response.status, told(outcome)) == (200, {"challenge": "3eZbrw1aB"})
    outcome = await door.post(challenge, signed=False)
    assert outcome.response.status == 401
    assert outcome.response.headers["x-slack-no-retry"] == "1"


async def test_a_thousand_alerts_in_one_post_are_a_thousand_events(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    door = Door(workflows, tmp_path, {"in": {"format": "alertmanager"}})
    alerts = [
        {"fingerprint": f"f{n}", "status": "firing", "startsAt": "2026-03-01T12:00:00Z"}
        for n in range(1000)
    ]
    outcome = await door.post({"version": "4", "alerts": [*alerts, {"status": "firing"}]})
    assert outcome.response.status == 202
    assert told(outcome)["counts"] == {"started": 1000, "quarantined": 1}
    assert verdicts(outcome) == ["started"] * 100
    assert len(workflows.started) == 1000


# ------------------------------------------------------------------------------- who may say what


@pytest.mark.parametrize("scheme", ["standard-webhooks", "github"])
async def test_headers_that_no_signature_covers_cannot_make_an_event_of_a_body(
    workflows: MemoryWorkflows, tmp_path: Path, scheme: str
) -> None:
    verify = {"scheme": scheme, "secrets": ["env:WHSEC"]}
    secret = {"env:WHSEC": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
    door = Door(workflows, tmp_path, {"in": {"verify": verify}}, secret)
    signed = door.sign(door.request(ORDER))
    forged = {"ce-specversion": "1.0", "ce-id": "9", "ce-source": "/x", "ce-type": "tidegate.alert"}
    await door.send(replace(signed, headers={**signed.headers, **forged}))
    assert [event.type for event in workflows.started.values()] == ["tidegate.message"]


async def test_who_has_the_token_has_written_the_headers_too(
    door: Door, workflows: MemoryWorkflows
) -> None:
    await door.post(
        ORDER, ce_specversion="1.0", ce_id="9", ce_source="/orders", ce_type="com.example.order"
    )
    assert list(workflows.started) == ["ce:/orders#9"]


@pytest.mark.parametrize("format", ["grafana", "datadog", "opsgenie", "azure_monitor"])
async def test_a_deliverys_own_id_tells_alerts_that_nothing_else_does(
    workflows: MemoryWorkflows, tmp_path: Path, format: str
) -> None:
    door = Door(workflows, tmp_path, {"in": {"format": format, "id_header": "X-Id"}})
    bodies: dict[str, Any] = {
        "grafana": {"alerts": [{"fingerprint": "f", "status": "firing"}]},
        "datadog": {"aggregation_key": "k", "transition": "Triggered"},
        "opsgenie": {"action": "Create", "alert": {"alias": "a"}},
        "azure_monitor": {
            "schemaId": "azureMonitorCommonAlertSchema",
            "data": {"essentials": {"alertId": "/a", "monitorCondition": "Fired"}},
        },
    }
    for verdict in ("started", "duplicate"):
        assert verdicts(await door.post(bodies[format], x_id="d1")) == [verdict]


# ------------------------------------------------------------------------------- what is kept


async def test_what_a_sender_sends_only_once_is_kept_when_temporal_is_away(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    def away(_: object) -> None:
        raise TemporalUnavailable("it is away")

    workflows.before = away
    door = Door(workflows, tmp_path, {"in": {"format": "github"}})
    outcome = await door.post({"zen": "x"}, x_github_event="issues", x_github_delivery="d1")
    assert outcome.response.status == 202
    assert verdicts(outcome) == ["quarantined"]
    [record] = await kept(door)
    assert record.code == "NotStarted"
    assert record.body == b'{"zen": "x"}'


async def test_it_must_come_again_after_all_when_it_cannot_be_kept(
    workflows: MemoryWorkflows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: object) -> None:
        raise TemporalUnavailable("it is away")

    async def full(*_: object, **__: object) -> None:
        raise StoreUnavailable("no answer")

    workflows.before = away
    monkeypatch.setattr(FileDocumentStore, "write", full)
    door = Door(workflows, tmp_path, {"in": {"format": "github"}})
    outcome = await door.post({"zen": "x"}, x_github_event="issues", x_github_delivery="d1")
    assert outcome.response.status == 503


async def test_a_replay_starts_nothing_of_a_batch_a_second_time(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    door = Door(workflows, tmp_path, {"in": {"format": "alertmanager"}})
    alerts = [{"fingerprint": "f", "status": "firing"}, {"status": "firing"}]
    assert verdicts(await door.post({"version": "4", "alerts": alerts})) == [
        "started",
        "quarantined",
    ]
    [record] = await kept(door)
    again = await door.intake.accept(read(record.delivery()))
    assert [receipt.verdict for receipt in again] == ["duplicate", "quarantined"]


async def test_many_invalid_events_of_one_delivery_are_kept_once(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    door = Door(workflows, tmp_path, {"in": {"format": "alertmanager"}})
    large = "x" * 70_000
    alerts = [{"fingerprint": f"f{n}", "labels": {"a": large}} for n in range(20)]
    outcome = await door.post({"version": "4", "alerts": alerts})
    assert outcome.response.status == 400
    assert len(await kept(door)) == 1


async def test_how_the_house_is_built_is_not_told_outside(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    def away(_: object) -> None:
        raise TemporalUnavailable("10.0.0.7:7233 refused the connection")

    workflows.before = away
    outcome = await Door(workflows, tmp_path).post(CLOUDEVENT)
    assert b"10.0.0.7" not in outcome.response.body


async def test_more_events_than_any_platform_could_start_are_refused_as_one(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    door = Door(workflows, tmp_path, {"in": {"format": "alertmanager"}})
    outcome = await door.post({"version": "4", "alerts": [0] * 10_001})
    assert outcome.response.status == 400
    [receipt] = told(outcome)["receipts"]
    assert "10,001 events; one delivery may hold 10,000" in receipt["reason"]


async def test_people_in_slack_see_nothing_of_what_was_accepted(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    verify = {"scheme": "slack", "secrets": ["env:TOKEN"]}
    door = Door(workflows, tmp_path, {"in": {"format": "slack", "verify": verify}})
    command = b"command=%2Fdeploy&text=now&team_id=T1&trigger_id=1.2"
    outcome = await door.post(command, content_type="application/x-www-form-urlencoded")
    assert (outcome.response.status, outcome.response.body) == (200, b"")
    assert len(workflows.started) == 1


async def test_strangers_do_not_hear_of_a_second_secret_that_is_missing(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    verify = {"scheme": "bearer", "secrets": ["env:TOKEN", "env:GONE"]}
    door = Door(workflows, tmp_path, {"in": {"verify": verify}}, {"env:GONE": ""})
    assert (await door.post(CLOUDEVENT, signed=False)).response.status == 401
    wrong = await door.post(CLOUDEVENT, signed=False, authorization="Bearer wrong")
    assert wrong.response.status == 401
