"""`tidegate webhooks ...` and `tidegate explain --hook`."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from pathlib import Path

import pytest

from infra.local.environment import HOOK_SECRETS, WEBHOOKS
from tests.support.cli import Tidegate
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
