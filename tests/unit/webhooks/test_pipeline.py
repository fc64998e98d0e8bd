"""The webhook pipeline: which requests are verified, what they start, and their answers."""

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
from core.domain.event import Event
from core.errors import (
    InvalidEvent,
    SecretUnavailable,
    SettingsError,
    StoreUnavailable,
    TemporalUnavailable,
)
from core.formats.registry import read
from core.webhooks.request import Request
from core.webhooks.verifiers.sns import SnsVerifier
from tests.support import signing
from tests.support.payloads import recorded
from tests.support.quarantines import originals
from tests.support.webhooks import TOKEN, Harness, answer_of, verdicts
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
def harness(workflows: MemoryWorkflows, tmp_path: Path) -> Harness:
    return Harness(workflows, tmp_path)


async def kept(harness: Harness) -> list[Any]:
    return await originals(harness.quarantine)


# ------------------------------------------------------------------------------- what is let in


async def test_a_verified_event_is_started_and_answered_with_its_receipt(
    harness: Harness, workflows: MemoryWorkflows
) -> None:
    outcome = await harness.post(CLOUDEVENT)
    assert outcome.response.status == 202
    assert outcome.response.headers["content-type"] == "application/json"
    [receipt] = answer_of(outcome)["receipts"]
    assert receipt["verdict"] == "started"
    assert receipt["workflow_id"] == "webhook:in/ce:/orders#1"
    assert list(workflows.started) == ["webhook:in/ce:/orders#1"]


async def test_a_duplicate_is_a_success(harness: Harness, workflows: MemoryWorkflows) -> None:
    await harness.post(CLOUDEVENT)
    outcome = await harness.post(CLOUDEVENT)
    assert (outcome.response.status, verdicts(outcome)) == (202, ["duplicate"])
    assert len(workflows.started) == 1


@pytest.mark.parametrize(
    "path",
    ["/", "/hooks", "/hooks/", "/hooks/other", "/hooks/in/", "/hooks/in/api/v2/alerts", "/x/in"],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "PUT"])
async def test_an_unknown_path_reveals_nothing_about_the_others(
    harness: Harness, path: str, method: str
) -> None:
    outcome = await harness.send(Request(method=method, path=path, body=b"{}"))
    assert outcome.response.status == 404
    assert answer_of(outcome) == {
        "title": "Not Found",
        "status": 404,
        "detail": "there is nothing here",
        "code": "NotFound",
    }
    assert outcome.response.headers["content-type"] == "application/problem+json"


async def test_health_is_answered_without_a_secret(harness: Harness) -> None:
    outcome = await harness.send(Request(method="GET", path="/healthz"))
    assert (outcome.response.status, answer_of(outcome)) == (200, {"status": "up"})
    assert harness.store.reads == 0


async def test_only_posts_are_accepted(harness: Harness) -> None:
    outcome = await harness.send(replace(harness.sign(harness.request(CLOUDEVENT)), method="PUT"))
    assert outcome.response.status == 405
    assert outcome.response.headers["allow"] == "POST, OPTIONS"


async def test_grafana_may_put(workflows: MemoryWorkflows, tmp_path: Path) -> None:
    harness = Harness(workflows, tmp_path, hooks={"in": {"format": "grafana"}})
    body = recorded("webhooks/grafana/firing")
    for method, status in (("POST", 202), ("PUT", 202), ("PATCH", 405), ("GET", 405)):
        outcome = await harness.send(replace(harness.sign(harness.request(body)), method=method))
        assert outcome.response.status == status
        if status == 405:
            assert outcome.response.headers["allow"] == "POST, PUT, OPTIONS"


@pytest.mark.parametrize("proof", [{}, {"authorization": "Bearer wrong"}])
async def test_an_unverified_request_learns_nothing_and_leaves_nothing(
    harness: Harness, workflows: MemoryWorkflows, proof: dict[str, str]
) -> None:
    outcome = await harness.post(b"{not json", signed=False, **proof)
    assert outcome.response.status == 401
    assert outcome.response.headers["www-authenticate"] == "Bearer"
    assert outcome.refused == "NotVerified"
    assert answer_of(outcome)["detail"] == (
        "the request was not proven to come from this webhook's sender"
    )
    assert workflows.calls == []
    assert await kept(harness) == []


async def test_why_a_request_was_not_verified_is_only_in_the_log(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        await harness.post(CLOUDEVENT, signed=False, authorization="Bearer wrong")
    assert "webhook in: not verified: mismatch" in caplog.text
    assert TOKEN not in caplog.text


async def test_a_body_over_the_limit_is_refused_unread_and_unverified(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    harness = Harness(workflows, tmp_path, {"in": {"max_bytes": 1024}})
    outcome = await harness.post(b"[" * 1025, signed=False)
    assert outcome.response.status == 413
    assert answer_of(outcome)["detail"] == "a body may be at most 1,024 bytes long"
    assert harness.store.reads == 0


# ------------------------------------------------------------------------------- secrets


@pytest.mark.parametrize("failure", [SecretUnavailable("away"), SettingsError("there is none")])
async def test_an_unavailable_secret_makes_the_sender_retry(
    harness: Harness, workflows: MemoryWorkflows, failure: Exception
) -> None:
    harness.store.failure = failure
    outcome = await harness.post(CLOUDEVENT)
    assert (outcome.response.status, outcome.refused) == (503, "CannotVerify")
    assert outcome.response.headers["retry-after"] == "5"
    assert workflows.calls == []


async def test_a_secret_that_was_rotated_a_moment_ago_verifies_immediately(
    harness: Harness,
) -> None:
    assert (await harness.post(CLOUDEVENT)).response.status == 202
    harness.store.values["env:TOKEN"] = "the-next-token"
    harness.now += timedelta(seconds=31)
    assert (await harness.post(CLOUDEVENT)).response.status == 202


async def test_unverified_requests_cannot_make_us_fetch_the_secret_repeatedly(
    harness: Harness,
) -> None:
    for _ in range(20):
        await harness.post(CLOUDEVENT, signed=False, authorization="Bearer wrong")
    assert harness.store.reads == 1


async def test_either_of_two_live_secrets_proves_the_sender(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    verify = {"scheme": "bearer", "secrets": ["env:TOKEN", "env:NEXT"]}
    harness = Harness(
        workflows, tmp_path, {"in": {"verify": verify}}, {"env:NEXT": "another-long-token"}
    )
    for token in (TOKEN, "another-long-token"):
        proof = {"authorization": f"Bearer {token}"}
        assert (await harness.post(CLOUDEVENT, signed=False, **proof)).response.status == 202


async def test_a_missing_second_secret_does_not_disable_the_first(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    verify = {"scheme": "bearer", "secrets": ["env:GONE", "env:TOKEN"]}
    harness = Harness(workflows, tmp_path, {"in": {"verify": verify}}, {"env:GONE": ""})
    proof = {"authorization": f"Bearer {TOKEN}"}
    assert (await harness.post(CLOUDEVENT, signed=False, **proof)).response.status == 202


# ------------------------------------------------------------------------------- bodies


async def test_what_can_never_work_is_kept_and_refused(
    harness: Harness, workflows: MemoryWorkflows
) -> None:
    outcome = await harness.post(b"{not json")
    assert outcome.response.status == 400
    assert answer_of(outcome)["code"] == "InvalidEvent"
    assert verdicts(outcome) == ["quarantined"]
    [record] = await kept(harness)
    assert record.body == b"{not json"
    assert record.headers["tidegate-way"] == "webhook:in"
    assert workflows.calls == []


async def test_no_credential_is_kept_with_the_original(harness: Harness) -> None:
    await harness.post(b"{not json", cookie="session=1", user_agent="me", x_api_key="key")
    [record] = await kept(harness)
    assert "authorization" not in record.headers
    assert "cookie" not in record.headers
    assert "x-api-key" not in record.headers
    assert record.headers["user-agent"] == "me"
    assert TOKEN not in json.dumps(record.to_json())


async def test_the_answer_does_not_say_where_an_original_is_kept(harness: Harness) -> None:
    outcome = await harness.post(b"{not json")
    assert b"quarantine/" not in outcome.response.body


async def test_of_a_batch_the_good_start_and_the_answer_says_which_was_bad(
    harness: Harness, workflows: MemoryWorkflows
) -> None:
    batch = [CLOUDEVENT, {"specversion": "1.0"}, CLOUDEVENT | {"id": "2"}]
    outcome = await harness.post(batch, content_type="application/cloudevents-batch+json")
    assert outcome.response.status == 202
    assert verdicts(outcome) == ["started", "quarantined", "started"]
    assert sorted(workflows.started) == ["webhook:in/ce:/orders#1", "webhook:in/ce:/orders#2"]
    assert len(await kept(harness)) == 1


async def test_while_temporal_is_unavailable_the_sender_retries(
    harness: Harness, workflows: MemoryWorkflows
) -> None:
    def away(_: object) -> None:
        raise TemporalUnavailable("it is unavailable")

    workflows.before = away
    outcome = await harness.post(CLOUDEVENT)
    assert (outcome.response.status, outcome.refused) == (503, "NotAccepted")
    assert outcome.response.headers["retry-after"] == "5"
    assert verdicts(outcome) == ["retry"]
    assert await kept(harness) == []


async def test_a_batch_that_times_out_is_sent_again_and_then_recognised(
    tmp_path: Path,
) -> None:
    harness = Harness(HangingWorkflows("#2"), tmp_path, {"in": {"answer_within": "1s"}})
    batch = [CLOUDEVENT, CLOUDEVENT | {"id": "2"}]
    for first in ("started", "duplicate"):
        outcome = await harness.post(batch, content_type="application/cloudevents-batch+json")
        assert outcome.response.status == 503
        assert verdicts(outcome) == [first, "retry"]


async def test_a_content_type_that_no_sender_of_this_format_uses_is_refused(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    harness = Harness(workflows, tmp_path, {"in": {"format": "alertmanager"}})
    outcome = await harness.post({"alerts": []}, content_type="image/png")
    assert (outcome.response.status, outcome.refused) == (415, "UnsupportedMediaType")


@pytest.mark.parametrize("type", ["application/json; charset=latin-1", "application/vnd.x+json"])
async def test_json_is_accepted_under_every_media_type_for_it(harness: Harness, type: str) -> None:
    outcome = await harness.post(CLOUDEVENT, content_type=type)
    assert outcome.response.status == 202


async def test_a_body_may_be_compressed(harness: Harness, workflows: MemoryWorkflows) -> None:
    packed = gzip.compress(json.dumps(CLOUDEVENT).encode())
    outcome = await harness.post(packed, content_encoding="gzip")
    assert outcome.response.status == 202
    assert list(workflows.started) == ["webhook:in/ce:/orders#1"]


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd"])
async def test_other_content_encodings_are_refused(harness: Harness, encoding: str) -> None:
    outcome = await harness.post(CLOUDEVENT, content_encoding=encoding)
    assert (outcome.response.status, outcome.refused) == (415, "UnsupportedEncoding")
    assert outcome.response.headers["accept-encoding"] == "gzip"


async def test_a_decompression_bomb_is_refused_at_the_limit(harness: Harness) -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    outcome = await harness.post(bomb, content_encoding="gzip")
    assert (outcome.response.status, outcome.refused) == (413, "TooLarge")


@pytest.mark.parametrize(
    "body",
    [b"not gzip", gzip.compress(b"{}")[:-4], gzip.compress(b"{}") + b"more"],
    ids=["another", "cut short", "followed"],
)
async def test_a_body_that_is_labelled_gzip_and_is_not_is_kept_and_refused(
    harness: Harness, body: bytes
) -> None:
    outcome = await harness.post(body, content_encoding="gzip")
    assert outcome.response.status == 400
    [record] = await kept(harness)
    assert record.body == body


# ------------------------------------------------------------------------------- who it is


async def test_a_hooks_attributes_go_with_its_events(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    harness = Harness(workflows, tmp_path, {"in": {"attributes": {"team": "payments"}}})
    await harness.post(CLOUDEVENT)
    [event] = workflows.started.values()
    assert event.extensions == {"team": "payments"}


async def test_a_sender_cannot_set_our_own_headers(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    harness = Harness(workflows, tmp_path)
    await harness.post(
        ORDER,
        tidegate_attribute_team="root",
        tidegate_way="webhook:other",
        tidegate_scope="shared:other",
        tidegate_trusted_types="tidegate.alert",
        message_id="chosen",
    )
    [event] = workflows.started.values()
    assert (event.source, event.extensions, event.unidentified) == ("webhook:in", {}, True)
    assert (event.way, event.scope) == ("webhook:in", "webhook:in")


async def test_a_sender_cannot_trust_itself_with_our_own_types(
    harness: Harness, workflows: MemoryWorkflows
) -> None:
    forged = CLOUDEVENT | {"type": "tidegate.alert", "data": {"key": "5f2e", "status": "resolved"}}
    outcome = await harness.post(
        forged, tidegate_trusted_types="tidegate.alert", tidegatetrustedtypes="tidegate.alert"
    )
    assert (outcome.response.status, answer_of(outcome)["code"]) == (400, "InvalidEvent")
    assert workflows.calls == []


async def test_a_trusted_sender_may_use_the_types_that_its_endpoint_names(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    hooks = {"in": {"trusted_types": ["tidegate.alert"]}}
    harness = Harness(workflows, tmp_path, hooks)
    alert = CLOUDEVENT | {"type": "tidegate.alert", "data": {"key": "5f2e"}}
    successor = CLOUDEVENT | {"type": "tidegate.incident.successor", "subject": "webhook:prod:5f2e"}
    assert verdicts(await harness.post(alert)) == ["started"]
    assert verdicts(await harness.post(successor)) == ["quarantined"]
    assert list(workflows.started) == ["incident:webhook:in:5f2e"]


async def test_webhooks_are_scopes_of_their_own_unless_they_share_one(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    alertmanager = {"format": "alertmanager"}
    hooks = {
        "eu": alertmanager,
        "us": alertmanager,
        "one": {**alertmanager, "scope": "pair"},
        "two": {**alertmanager, "scope": "pair"},
    }
    harness = Harness(workflows, tmp_path, hooks)
    firing = {"alerts": [{"status": "firing", "fingerprint": "5f2e"}]}
    answers = [verdicts(await harness.post(firing, hook=hook)) for hook in hooks]
    assert answers == [["started"], ["started"], ["started"], ["delivered"]]
    assert list(workflows.started) == [
        "incident:webhook:eu:5f2e",
        "incident:webhook:us:5f2e",
        "incident:shared:pair:5f2e",
    ]


async def test_json_without_an_id_is_started_each_time_and_the_receipt_says_so(
    harness: Harness, workflows: MemoryWorkflows
) -> None:
    outcomes = [await harness.post(ORDER) for _ in range(2)]
    assert [answer_of(outcome)["receipts"][0]["unidentified"] for outcome in outcomes] == [
        True,
        True,
    ]
    assert len(workflows.started) == 2


async def test_the_header_with_a_deliverys_id_makes_it_recognisable(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    harness = Harness(workflows, tmp_path, {"in": {"id_header": "X-Delivery-Id"}})
    for verdict in ("started", "duplicate"):
        assert verdicts(await harness.post(ORDER, x_delivery_id="d1")) == [verdict]
    assert list(workflows.started) == ["webhook:in#d1"]


async def test_the_id_of_a_standard_webhook_makes_it_recognisable(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    verify = {"scheme": "standard-webhooks", "secrets": ["env:WHSEC"]}
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    harness = Harness(workflows, tmp_path, {"in": {"verify": verify}}, {"env:WHSEC": secret})
    request = harness.sign(harness.request(ORDER))
    outcomes = await asyncio.gather(*(harness.send(request) for _ in range(5)))
    assert sorted(v for o in outcomes for v in verdicts(o)) == ["duplicate"] * 4 + ["started"]


# ------------------------------------------------------------------------------- handshakes


async def test_the_cloudevents_handshake_is_granted_only_to_configured_origins(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    harness = Harness(workflows, tmp_path, {"in": {"origins": ["eventgrid.azure.net"]}})

    async def asked_by(origin: str) -> dict[str, str]:
        headers = {"webhook-request-origin": origin, "webhook-request-rate": "120"}
        request = Request(method="OPTIONS", path="/hooks/in", headers=headers)
        outcome = await harness.send(request)
        assert outcome.response.status == 200
        return dict(outcome.response.headers)

    assert await asked_by("eventgrid.azure.net") == {
        "allow": "POST, OPTIONS",
        "webhook-allowed-origin": "eventgrid.azure.net",
        "webhook-allowed-rate": "*",
    }
    assert await asked_by("example.com") == {"allow": "POST, OPTIONS"}


async def test_a_subscription_of_sns_waits_for_a_person_to_confirm_it(
    workflows: MemoryWorkflows, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    verify = {"scheme": "sns", "topic_arns": [signing.TOPIC]}
    harness = Harness(workflows, tmp_path, {"in": {"format": "message", "verify": verify}})
    verifier = harness.table.hooks["in"].verify
    assert isinstance(verifier, SnsVerifier)
    endpoint = harness.table.hooks["in"].model_copy(
        update={"verify": verifier.fetching(lambda url: signing.certificate())}
    )
    harness.table.hooks["in"] = endpoint
    message = signing.sns_message("confirm it", harness.now, "SubscriptionConfirmation")
    outcome = await harness.post(signing.sns_signed(message), signed=False)
    assert (outcome.response.status, answer_of(outcome)) == (200, {"receipts": []})
    assert f"--topic-arn {signing.TOPIC} --token {message['Token']}" in caplog.text
    assert workflows.calls == []


async def test_pagerdutys_own_senders_find_their_key_in_the_answer(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    harness = Harness(workflows, tmp_path, {"in": {"format": "pagerduty"}})
    for action in ("trigger", "acknowledge", "resolve"):
        event = {"event_action": action, "dedup_key": "disk-1", "payload": {"summary": "full"}}
        assert answer_of(await harness.post(event))["dedup_key"] == "disk-1"


async def test_slack_gets_its_challenge_back_and_does_not_retry_what_is_refused(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    verify = {"scheme": "slack", "secrets": ["env:TOKEN"]}
    harness = Harness(workflows, tmp_path, {"in": {"format": "slack", "verify": verify}})
    challenge = {"type": "url_verification", "challenge": "3eZbrw1aB"}
    outcome = await harness.post(challenge)
    assert (outcome.response.status, answer_of(outcome)) == (200, {"challenge": "3eZbrw1aB"})
    outcome = await harness.post(challenge, signed=False)
    assert outcome.response.status == 401
    assert outcome.response.headers["x-slack-no-retry"] == "1"


async def test_a_thousand_alerts_in_one_post_are_a_thousand_events(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    harness = Harness(workflows, tmp_path, {"in": {"format": "alertmanager"}})
    alerts = [
        {"fingerprint": f"f{n}", "status": "firing", "startsAt": "2026-03-01T12:00:00Z"}
        for n in range(1000)
    ]
    outcome = await harness.post({"version": "4", "alerts": [*alerts, {"status": "firing"}]})
    assert outcome.response.status == 202
    assert answer_of(outcome)["counts"] == {"started": 1000, "quarantined": 1}
    assert verdicts(outcome) == ["started"] * 100
    assert len(workflows.started) == 1000


# ------------------------------------------------------------------------------- who may say what


@pytest.mark.parametrize("scheme", ["standard-webhooks", "github"])
async def test_headers_that_no_signature_covers_cannot_make_an_event_of_a_body(
    workflows: MemoryWorkflows, tmp_path: Path, scheme: str
) -> None:
    verify = {"scheme": scheme, "secrets": ["env:WHSEC"]}
    secret = {"env:WHSEC": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
    harness = Harness(workflows, tmp_path, {"in": {"verify": verify}}, secret)
    signed = harness.sign(harness.request(ORDER))
    forged = {"ce-specversion": "1.0", "ce-id": "9", "ce-source": "/x", "ce-type": "tidegate.alert"}
    await harness.send(replace(signed, headers={**signed.headers, **forged}))
    assert [event.type for event in workflows.started.values()] == ["tidegate.message"]


async def test_a_token_proves_the_headers_too(harness: Harness, workflows: MemoryWorkflows) -> None:
    await harness.post(
        ORDER, ce_specversion="1.0", ce_id="9", ce_source="/orders", ce_type="com.example.order"
    )
    assert list(workflows.started) == ["webhook:in/ce:/orders#9"]


@pytest.mark.parametrize("format", ["grafana", "datadog", "opsgenie", "azure_monitor"])
async def test_a_deliverys_own_id_identifies_its_alerts(
    workflows: MemoryWorkflows, tmp_path: Path, format: str
) -> None:
    harness = Harness(workflows, tmp_path, {"in": {"format": format, "id_header": "X-Id"}})
    bodies: dict[str, Any] = {
        "grafana": {"alerts": [{"fingerprint": "f", "status": "firing"}]},
        "datadog": {"aggregation_key": "k", "transition": "Triggered"},
        "opsgenie": {"action": "Create", "alert": {"alias": "a"}},
        "azure_monitor": {
            "schemaId": "azureMonitorCommonAlertSchema",
            "data": {"essentials": {"alertId": "/a", "monitorCondition": "Fired"}},
        },
    }
    for verdict in ("started", "delivered"):
        assert verdicts(await harness.post(bodies[format], x_id="d1")) == [verdict]
    [first, again] = workflows.signals
    assert first == again  # the same request ID, by which Temporal recognises it
    await harness.post(bodies[format], x_id="d2")
    assert workflows.signals[2] != first


# ------------------------------------------------------------------------------- what is kept


async def test_what_its_route_has_no_id_for_is_kept_and_its_sender_is_not_to_give_up(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    harness = Harness(
        workflows, tmp_path, {"in": {"trusted_types": ["tidegate.incident.successor"]}}
    )
    outcome = await harness.post(CLOUDEVENT | {"type": "tidegate.incident.successor"})
    assert (outcome.response.status, verdicts(outcome)) == (202, ["quarantined"])
    [record] = await kept(harness)
    assert record.code == "InvalidChildId"
    assert record.headers["tidegate-way"] == "webhook:in"


ROUTE: dict[str, Any] = {
    "name": "orders",
    "match": {"exact": {"type": CLOUDEVENT["type"]}},
    "workflow": "Order",
    "task_queue": "orders",
}


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"schema": {"type": "string"}}, 400, "InvalidData"),
        ({"input": "data.nowhere"}, 202, "InvalidInput"),
        ({"search_attributes": {"A": {"int": "id"}}}, 202, "InvalidOption"),
    ],
)
async def test_what_its_route_refuses_is_the_senders_fault_where_its_data_is(
    workflows: MemoryWorkflows, tmp_path: Path, fields: Any, status: int, code: str
) -> None:
    routes = tmp_path / "routes.yaml"
    routes.write_text(json.dumps({"version": 1, "routes": [{**ROUTE, **fields}]}))
    harness = Harness(workflows, tmp_path, {"in": {}}, routes=routes)
    outcome = await harness.post(CLOUDEVENT)
    assert (outcome.response.status, verdicts(outcome)) == (status, ["quarantined"])
    [record] = await kept(harness)
    assert record.code == code
    said = b"at $: " in outcome.response.body
    assert said is (code == "InvalidData")


async def test_what_the_routing_table_drops_is_accepted(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    routes = tmp_path / "routes.yaml"
    other = {**ROUTE, "match": {"exact": {"type": "other"}}}
    routes.write_text(json.dumps({"version": 1, "otherwise": "drop", "routes": [other]}))
    harness = Harness(workflows, tmp_path, {"in": {}}, routes=routes)
    outcome = await harness.post(CLOUDEVENT)
    assert (outcome.response.status, verdicts(outcome)) == (202, ["dropped"])
    assert (workflows.calls, await kept(harness)) == ([], [])


async def test_a_command_to_what_is_over_is_kept_and_its_sender_is_not_to_give_up(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    """PagerDuty disables a webhook that is answered 4xx, and with it the commands that matter."""
    harness = Harness(workflows, tmp_path, {"in": {"format": "opsgenie"}})
    page = {"alias": "incident:webhook:in:a@20260102T030405.678Z", "username": "maeve"}
    outcome = await harness.post({"action": "Acknowledge", "alert": page})
    assert (outcome.response.status, verdicts(outcome)) == (202, ["quarantined"])
    [record] = await kept(harness)
    assert record.code == "ChildMissing"
    assert not workflows.started
    await harness.post({"action": "Create", "alert": {"alias": "a"}})
    outcome = await harness.post({"action": "Acknowledge", "alert": page})
    assert (outcome.response.status, verdicts(outcome)) == (202, ["delivered"])


async def test_a_replay_keeps_the_way_the_scope_and_the_trust_of_its_delivery(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    hooks = {"in": {"scope": "billing", "trusted_types": ["tidegate.message", "tidegate.alert"]}}
    alert = CLOUDEVENT | {"type": "tidegate.alert", "data": {"key": "5f2e"}}

    def refuse(_: object) -> None:
        raise InvalidEvent("not now")

    workflows.before = refuse
    await Harness(workflows, tmp_path, hooks).post(alert)
    harness = Harness(MemoryWorkflows(), tmp_path)
    [record] = await kept(harness)
    [arrival] = read(record.delivery())
    assert isinstance(arrival.item, Event)
    assert (arrival.item.way, arrival.item.scope) == ("webhook:in", "shared:billing")
    assert (arrival.item.type, arrival.item.data) == ("tidegate.alert", {"key": "5f2e"})


async def test_what_a_sender_never_retries_is_quarantined_while_temporal_is_unavailable(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    def away(_: object) -> None:
        raise TemporalUnavailable("it is unavailable")

    workflows.before = away
    harness = Harness(workflows, tmp_path, {"in": {"format": "github"}})
    outcome = await harness.post({"zen": "x"}, x_github_event="issues", x_github_delivery="d1")
    assert outcome.response.status == 202
    assert verdicts(outcome) == ["quarantined"]
    [record] = await kept(harness)
    assert record.code == "NotStarted"
    assert record.body == b'{"zen": "x"}'


async def test_what_cannot_even_be_quarantined_is_answered_503(
    workflows: MemoryWorkflows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: object) -> None:
        raise TemporalUnavailable("it is unavailable")

    async def full(*_: object, **__: object) -> None:
        raise StoreUnavailable("no answer")

    workflows.before = away
    monkeypatch.setattr(FileDocumentStore, "write", full)
    harness = Harness(workflows, tmp_path, {"in": {"format": "github"}})
    outcome = await harness.post({"zen": "x"}, x_github_event="issues", x_github_delivery="d1")
    assert outcome.response.status == 503


async def test_a_replay_of_a_batch_starts_nothing_twice(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    harness = Harness(workflows, tmp_path, {"in": {"format": "alertmanager"}})
    alerts = [{"fingerprint": "f", "status": "firing"}, {"status": "firing"}]
    assert verdicts(await harness.post({"version": "4", "alerts": alerts})) == [
        "started",
        "quarantined",
    ]
    [record] = await kept(harness)
    again = await harness.intake.accept(read(record.delivery()))
    assert [receipt.verdict for receipt in again] == ["delivered", "quarantined"]
    [first, second] = workflows.signals
    assert first == second  # the same request ID, by which Temporal recognises it


async def test_many_invalid_events_of_one_delivery_are_kept_once(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    harness = Harness(workflows, tmp_path)
    batch = [CLOUDEVENT | {"id": str(n), "data": "x" * 70_000} for n in range(20)]
    outcome = await harness.post(batch, content_type="application/cloudevents-batch+json")
    assert outcome.response.status == 400
    assert len(answer_of(outcome)["receipts"]) == 20
    [record] = await kept(harness)
    assert "20 of its records cannot be accepted" in record.reason


async def test_the_answer_does_not_say_how_tidegate_is_deployed(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    def away(_: object) -> None:
        raise TemporalUnavailable("10.0.0.7:7233 refused the connection")

    workflows.before = away
    outcome = await Harness(workflows, tmp_path).post(CLOUDEVENT)
    assert b"10.0.0.7" not in outcome.response.body


async def test_more_events_than_any_platform_could_start_are_refused_as_one(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    harness = Harness(workflows, tmp_path, {"in": {"format": "alertmanager"}})
    outcome = await harness.post({"version": "4", "alerts": [0] * 10_001})
    assert outcome.response.status == 400
    [receipt] = answer_of(outcome)["receipts"]
    assert "10,001 events; one delivery may hold 10,000" in receipt["reason"]


async def test_people_in_slack_do_not_see_receipts(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    verify = {"scheme": "slack", "secrets": ["env:TOKEN"]}
    harness = Harness(workflows, tmp_path, {"in": {"format": "slack", "verify": verify}})
    command = b"command=%2Fdeploy&text=now&team_id=T1&trigger_id=1.2"
    outcome = await harness.post(command, content_type="application/x-www-form-urlencoded")
    assert (outcome.response.status, outcome.response.body) == (200, b"")
    assert len(workflows.started) == 1


async def test_the_answer_does_not_reveal_that_a_second_secret_is_missing(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    verify = {"scheme": "bearer", "secrets": ["env:TOKEN", "env:GONE"]}
    harness = Harness(workflows, tmp_path, {"in": {"verify": verify}}, {"env:GONE": ""})
    assert (await harness.post(CLOUDEVENT, signed=False)).response.status == 401
    wrong = await harness.post(CLOUDEVENT, signed=False, authorization="Bearer wrong")
    assert wrong.response.status == 401
