"""`tidegate webhooks ...` and `tidegate explain --hook`."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from pathlib import Path

import pytest

from infra.local.environment import HOOK_SECRETS, WEBHOOKS
from tests.support.cli import Tidegate
from tests.support.payloads import recorded_json, sns, sqs_batch, sqs_record
from tests.support.webhook_payloads import FOLDER

FIRING = FOLDER / "alertmanager" / "firing.json"
ISSUE = next((FOLDER / "github").glob("issues*.json"))


@pytest.fixture(autouse=True)
def _local_webhooks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_WEBHOOKS", str(WEBHOOKS))
    for name, text in HOOK_SECRETS.items():
        monkeypatch.setenv(name, text)


def test_the_endpoints_are_listed_with_how_each_is_verified(tidegate: Tidegate) -> None:
    result = tidegate("webhooks", "check")
    assert result.code == 0
    assert "alertmanager" in result.out
    assert "all valid" in result.out
    events = next(block for block in result.out.split("\n\n") if "/hooks/events\n" in block)
    assert "\nscope        webhook:events\n" in events
    assert "\ntrusted with tidegate." in events
    hooks = tidegate("webhooks", "check", "--json").json["hooks"]
    assert hooks["github"]["verify"] == {
        "scheme": "github",
        "secrets": ["env:LOCAL_HOOK_SECRET"],
    }


@pytest.mark.parametrize(
    ("hook", "problem"),
    [
        ("{format: pigeon, verify: {scheme: none}}", "hooks.a.format: no format 'pigeon'"),
        (
            "{format: stored_event, verify: {scheme: none}}",
            "hooks.a.format: no format 'stored_event'",
        ),
        ("{format: message}", "hooks.a.verify: Field required"),
        ("{format: message, verify: {scheme: trust}}", "hooks.a.verify"),
        (
            "{format: message, verify: {scheme: github, secrets: [hunter2]}}",
            "not a reference to a secret",
        ),
        ("{format: message, verify: {scheme: github, secrets: []}}", "hooks.a.verify.secrets: "),
        ("{format: message, verify: {scheme: none}, max_byte: 1}", "there is no such field"),
        ("{format: message, verify: {scheme: none}, attributes: {Team: a}}", "attributes"),
        (
            "{format: message, verify: {scheme: none}, attributes: {time: a}}",
            "time: reserved",
        ),
        ("{format: message, verify: {scheme: none}, answer_within: 1ms}", "too short"),
        ("{format: message, verify: {scheme: none}, id_header: Authorization}", "is not an ID"),
    ],
)
def test_invalid_endpoints_are_refused_with_file_line_and_field(
    tidegate: Tidegate, tmp_path: Path, hook: str, problem: str
) -> None:
    file = tmp_path / "webhooks.yaml"
    file.write_text(f"version: 1\nhooks:\n  a: {hook}\n")
    result = tidegate("webhooks", "check", str(file))
    assert result.code == 2
    assert f"{file}:3:" in result.err
    assert problem in result.err
    assert "hunter2" not in result.err


def test_without_a_file_the_variable_is_named(
    tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TIDEGATE_WEBHOOKS")
    result = tidegate("webhooks", "check")
    assert result.code == 2
    assert "TIDEGATE_WEBHOOKS is not set" in result.err


def test_the_schema_is_json(tidegate: Tidegate) -> None:
    assert tidegate("webhooks", "schema").json["title"] == "Tidegate webhooks"


# ------------------------------------------------------------------------------- explain --hook


def test_a_request_is_explained_with_its_events_keys_and_answer(tidegate: Tidegate) -> None:
    result = tidegate("explain", "--hook", "alertmanager", str(FIRING), "--json")
    assert result.code == 0
    explained = result.json
    assert explained["status"] == 202
    assert explained["sender"] == "not checked: the request carries no proof (bearer)"
    assert {event["verdict"] for event in explained["events"]} == {"accepted"}
    assert all(event["target"]["workflow"] == "Incident" for event in explained["events"])


def test_what_a_signal_would_not_carry_is_shown(tidegate: Tidegate) -> None:
    body = json.loads(FIRING.read_text())
    body["alerts"][0]["labels"]["note"] = "x" * 5000
    stdin = json.dumps(body).encode()
    explained = tidegate("explain", "--hook", "alertmanager", "-", "--json", stdin=stdin).json
    assert [event["cut"] for event in explained["events"]] == [["labels"]]
    shown = tidegate("explain", "--hook", "alertmanager", "-", stdin=stdin).out
    assert re.search(r"^cut +labels$", shown, re.M)
    assert re.search(r"^redelivery +left to the workflow", shown, re.M)


@pytest.mark.parametrize(
    ("token", "status", "sender"),
    [("local-token", 202, "verified (bearer)"), ("wrong", 401, "not verified: mismatch")],
)
def test_the_proof_in_a_request_is_checked(
    tidegate: Tidegate, token: str, status: int, sender: str
) -> None:
    header = f"Authorization: Bearer {token}"
    result = tidegate("explain", "--hook", "alertmanager", str(FIRING), "-H", header, "--json")
    assert result.code == (0 if status == 202 else 1)
    assert (result.json["status"], result.json["sender"]) == (status, sender)


def test_header_options_become_the_headers_of_the_request(tidegate: Tidegate) -> None:
    secret = HOOK_SECRETS["LOCAL_HOOK_SECRET"].encode()
    signature = hmac.new(secret, ISSUE.read_bytes(), hashlib.sha256).hexdigest()
    headers = [
        "X-GitHub-Event: issues",
        "X-GitHub-Delivery: 72d3162e-cc78-11e3-81ab-4c9367dc0958",
        f"X-Hub-Signature-256: sha256={signature}",
    ]
    arguments = [part for header in headers for part in ("-H", header)]
    explained = tidegate("explain", "--hook", "github", str(ISSUE), *arguments, "--json").json
    [event] = explained["events"]
    assert explained["sender"] == "verified (github)"
    assert event["event"]["type"].startswith("com.github.issues.")
    assert "72d3162e-cc78-11e3-81ab-4c9367dc0958" in event["key"]


def test_a_handshake_is_explained_as_one(tidegate: Tidegate) -> None:
    body = b'{"type": "url_verification", "challenge": "3eZbrw1aB"}'
    result = tidegate("explain", "--hook", "slack", "-", stdin=body)
    assert result.code == 0
    assert "a handshake" in result.out
    assert "3eZbrw1aB" in result.out


def test_a_request_that_would_be_quarantined_says_why(tidegate: Tidegate) -> None:
    result = tidegate("explain", "--hook", "alertmanager", "-", stdin=b"{not json")
    assert result.code == 1
    assert "400" in result.out
    assert "InvalidEvent" in result.out


def test_an_unknown_webhook_is_an_error_that_lists_the_known_ones(
    tidegate: Tidegate,
) -> None:
    result = tidegate("explain", "--hook", "pigeon", str(FIRING))
    assert result.code == 2
    assert "there is no webhook 'pigeon'" in result.err
    assert "alertmanager" in result.err


def lambda_event(path: str, body: bytes) -> bytes:
    """What an HTTP API gives a function."""
    return json.dumps(
        {
            "version": "2.0",
            "rawPath": path,
            "headers": {"content-type": "application/json"},
            "requestContext": {"stage": "$default", "http": {"method": "POST"}},
            "body": base64.b64encode(body).decode(),
            "isBase64Encoded": True,
        }
    ).encode()


def test_an_event_of_an_http_api_is_opened_by_its_path(tidegate: Tidegate) -> None:
    event = lambda_event("/hooks/alertmanager", FIRING.read_bytes())
    opened = tidegate("explain", "-", "--json", stdin=event).json
    [explained, *_] = opened["events"]
    assert opened["status"] == 202
    assert explained["event"]["source"] == "webhook:alertmanager"
    unknown = tidegate("explain", "-", stdin=lambda_event("/hooks/pigeon", b"{}"))
    assert unknown.code == 2
    assert "there is no webhook 'pigeon'" in unknown.err


def test_an_event_of_a_rest_api_or_a_load_balancer_is_not_taken_for_a_message(
    tidegate: Tidegate,
) -> None:
    event = {
        "version": "1.0",
        "httpMethod": "POST",
        "path": "/hooks/alertmanager",
        "requestContext": {"stage": "prod"},
        "headers": {"content-type": "application/json"},
        "body": "{}",
    }
    failed = tidegate("explain", "-", stdin=json.dumps(event).encode())
    assert failed.code == 2
    assert "is not payload 2.0 of an HTTP API or function URL" in failed.err


@pytest.mark.parametrize(
    ("body", "formats"),
    [
        ("alertmanager/firing", "alertmanager or grafana"),
        ("azure_monitor/metric-fired", "azure_monitor"),
        ("cloudwatch/sns-raw-alarm", "cloudwatch"),
        ("datadog/triggered", "datadog"),
        ("opsgenie/create", "opsgenie"),
        ("pagerduty/trigger", "pagerduty"),
        ("pagerduty_webhook/triggered", "pagerduty_webhook"),
    ],
)
def test_a_body_that_only_a_webhook_understands_says_so(
    tidegate: Tidegate, body: str, formats: str
) -> None:
    [explained, *_] = tidegate("explain", str(FOLDER / f"{body}.json"), "--json").json
    assert explained["note"].startswith(
        f"it looks like the body of a webhook's request ({formats})"
    )
    assert explained["note"].endswith(
        f"; in a queue, or as an invocation: --format {formats.partition(' ')[0]}"
    )


def test_an_alert_in_a_queue_without_its_format_says_what_to_set(tidegate: Tidegate) -> None:
    body = recorded_json("webhooks/cloudwatch/eventbridge-alarm")
    batch = json.dumps(sqs_batch(sns(body), queue="alarms")).encode()
    [explained] = tidegate("explain", "-", "--json", stdin=batch).json
    assert explained["note"] == (
        "it looks like an alert (cloudwatch): give the queue its format in "
        "TIDEGATE_QUEUE_FORMATS, alarms=cloudwatch"
    )


def test_explain_reads_a_queue_in_the_format_that_it_was_given(
    tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_QUEUE_FORMATS", "alarms=cloudwatch,servers=mapped:zabbix")
    alarm = recorded_json("webhooks/cloudwatch/eventbridge-alarm")
    problem = recorded_json("webhooks/presets/zabbix/problem")
    records = [sqs_record(sns(alarm), queue="alarms"), sqs_record(problem, queue="servers")]
    batch = json.dumps({"Records": records}).encode()
    explained = tidegate("explain", "-", "--json", stdin=batch).json
    assert [(each["format"], each["event"]["type"]) for each in explained] == [
        ("cloudwatch", "tidegate.alert"),
        ("mapped", "tidegate.alert"),
    ]


def test_any_other_message_does_not(tidegate: Tidegate) -> None:
    for body in (b'{"alerts": []}', b'{"type": "order", "id": 7, "title": "x"}', b"[1]"):
        [explained] = tidegate("explain", "-", "--json", stdin=body).json
        assert explained["note"] is None


def test_a_header_without_a_colon_is_refused(tidegate: Tidegate) -> None:
    result = tidegate("explain", "--hook", "alertmanager", str(FIRING), "-H", "nonsense")
    assert result.code == 2
    assert "is not a header" in result.err


# ------------------------------------------------------------------------------- doctor


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_doctor_names_missing_secrets_and_webhooks_that_verify_nobody(
    tidegate: Tidegate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "webhooks.yaml"
    file.write_text(
        "version: 1\n"
        "hooks:\n"
        "  open: {format: message, verify: {scheme: none}}\n"
        '  lost: {format: message, verify: {scheme: bearer, secrets: ["env:LOST_TOKEN"]}}\n'
        '  good: {format: message, verify: {scheme: bearer, secrets: ["env:LOCAL_HOOK_TOKEN"]}}\n'
    )
    monkeypatch.setenv("TIDEGATE_WEBHOOKS", str(file))
    checks = {c["name"]: c for c in tidegate("doctor", "--json").json["checks"]}
    assert checks["webhook open"]["outcome"] == "warning"
    assert checks["webhook lost"]["outcome"] == "failed"
    assert "LOST_TOKEN" in checks["webhook lost"]["detail"]
    assert checks["webhook good"]["outcome"] == "ok"


# -------------------------------------------------------------------------------------- mapped

PLANT = """\
version: 1
hooks:
  plant:
    format: mapped
    verify: {scheme: bearer, secrets: ["env:NOT_SET_HERE"]}
    mapping:
      each: events
      key: ref
      status: {from: state, firing: [RAISED], acknowledged: [SEEN]}
      title: length(ref)
"""


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a webhook with a mapping."""
    file = tmp_path / "plant.yaml"
    file.write_text(PLANT)
    monkeypatch.setenv("TIDEGATE_WEBHOOKS", str(file))
    return file


def test_explain_shows_what_each_expression_found(
    tidegate: Tidegate, plant: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOT_SET_HERE", "token")
    body = b'{"events": [{"ref": 7, "state": "RAISED"}, {"ref": 8, "state": "SEEN"}]}'
    explained = tidegate("explain", "--hook", "plant", "-", "--json", stdin=body)
    assert explained.code == 0
    found = {
        (finding["position"], finding["field"]): finding for finding in explained.json["findings"]
    }
    assert found[None, "each"]["found"] == [
        {"ref": 7, "state": "RAISED"},
        {"ref": 8, "state": "SEEN"},
    ]
    assert (found[0, "key"]["expression"], found[0, "key"]["found"]) == ("ref", 7)
    assert found[0, "title"]["found"] is None
    assert "length()" in found[0, "title"]["problem"]
    assert found[1, "status"]["read_as"] == "acknowledged"
    shown = tidegate("explain", "--hook", "plant", "-", stdin=body)
    for word in ("expression", "RAISED", "firing", "acknowledged"):
        assert word in shown.out


def test_the_check_shows_what_is_made_of_payloads_and_needs_no_secret(
    tidegate: Tidegate, plant: Path, tmp_path: Path
) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text('{"events": [{"ref": 7, "state": "RAISED"}]}')
    bad.write_text('{"events": [{"ref": 7, "state": "odd"}]}')
    result = tidegate("webhooks", "check", str(plant), "--payload", f"plant={good}")
    assert result.code == 0
    assert "1 webhook, all valid" in " ".join(result.out.split())
    assert "1 accepted, 0 quarantined" in result.out
    result = tidegate(
        "webhooks", "check", "--payload", f"plant={good}", "--payload", f"plant={bad}", "--json"
    )
    assert result.code == 1
    assert [payload["status"] for payload in result.json["payloads"]] == [202, 400]
    assert "`status` (state) finds 'odd'" in result.json["payloads"][1]["events"][0]["reason"]
    assert result.json["hooks"]["plant"]["mapping"]["status"]["from"] == "state"


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        ("plant", "is not HOOK=FILE"),
        ("plant=/nowhere.json", "cannot be read"),
        ("other=FILE", "there is no webhook 'other'"),
    ],
)
def test_a_payload_that_cannot_be_tried_is_a_mistake_of_the_command(
    tidegate: Tidegate, plant: Path, payload: str, problem: str
) -> None:
    result = tidegate("webhooks", "check", "--payload", payload.replace("FILE", str(plant)))
    assert result.code == 2
    assert problem in " ".join(result.err.replace("\u2502", " ").split())
