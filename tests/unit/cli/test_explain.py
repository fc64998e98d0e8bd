"""`tidegate explain` says what it explains: an upload, a request, or a message."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from core.cli import payload_file
from infra.local.environment import HOOK_SECRETS, WEBHOOKS
from tests.support.cli import Tidegate
from tests.support.webhook_payloads import FOLDER

FIRING = FOLDER / "alertmanager" / "firing.json"
REPORT = "# Checkout is down\n\nEvery payment fails.\n"
SAMPLE = {
    "alertmanager/firing": ("alertmanager", "grafana"),
    "grafana/firing": ("alertmanager", "grafana"),
    "azure_monitor/metric-fired": ("azure-monitor",),
    "datadog/triggered": ("datadog",),
    "event_grid/blob-created": ("event-grid",),
    "github/issues-opened": ("github",),
    "github/push": ("github",),
    "github/ping": ("github",),
    "opsgenie/create": ("opsgenie",),
    "opsgenie/acknowledge": ("opsgenie",),
    "pagerduty/trigger": ("pagerduty-events",),
    "pagerduty_webhook/triggered": ("pagerduty",),
    "pagerduty_webhook/acknowledged": ("pagerduty",),
    "sentry/issue-created": ("sentry",),
    "sentry/metric_alert-critical": ("sentry",),
    "slack/event_callback-app_mention": ("slack",),
}
"""Bodies of requests, and the webhooks of the local stack that take them."""


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_WEBHOOKS", str(WEBHOOKS))
    for name, text in HOOK_SECRETS.items():
        monkeypatch.setenv(name, text)


# ---------------------------------------------------------------------------------- uploads


@pytest.mark.parametrize(
    ("root", "uri", "format"),
    [
        ("s3://acme/", "s3://acme/incidents/down.md", "s3"),
        ("s3://acme/incidents/", "s3://acme/incidents/down.md", "s3"),
        ("s3://acme", "s3://acme/incidents/down.md", "s3"),
        ("azure://acme/docs/", "azure://acme/docs/incidents/down.md", "event_grid"),
        ("file:///srv/docs/", "s3://documents/incidents/down.md", "s3"),
        ("", "s3://documents/incidents/down.md", "s3"),
    ],
)
def test_what_is_not_json_is_explained_as_an_upload_to_the_configured_documents(
    tidegate: Tidegate,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    root: str,
    uri: str,
    format: str,
) -> None:
    monkeypatch.setenv("TIDEGATE_DOCUMENTS", root)
    file = tmp_path / "down.md"
    file.write_text(REPORT)
    shown = tidegate("explain", str(file))
    assert (shown.code, shown.out.splitlines()[0]) == (
        0,
        f"not JSON: explained as an upload to {uri}",
    )
    [explained] = tidegate("explain", str(file), "--json").json
    assert (explained["verdict"], explained["format"]) == ("accepted", format)
    assert explained["upload"] == explained["event"]["data"]["document"]["uri"] == uri
    assert explained["target"]["route"] == "incident-report"


def test_an_upload_says_what_its_incident_would_be(tidegate: Tidegate, tmp_path: Path) -> None:
    file = tmp_path / "down.md"
    file.write_text("---\ntitle: Checkout is down\nseverity: P1\nservice: shop\n---\nSince noon.")
    shown = tidegate("explain", str(file))
    assert "incident     Checkout is down (shop)\nseverity     P1\n" in shown.out
    [explained] = tidegate("explain", str(file), "--json").json
    assert explained["report"] == {
        "title": "Checkout is down",
        "severity": "P1",
        "service": "shop",
    }


@pytest.mark.parametrize(
    ("name", "content", "code", "reason"),
    [
        ("broken-report.md", "no title", "InvalidReport", "title: is missing"),
        ("empty.md", "", "InvalidReport", "the whole: is empty"),
        ("half.json", '{"title": "x"', "InvalidReport", "is not JSON"),
        ("long.md", f"# x\n{'x' * 1100}", "DocumentTooLarge", "over the limit of 1,024"),
        ("picture.png", "x", "NoRoute", "no route matches"),
    ],
)
def test_an_upload_that_would_be_refused_says_so(
    tidegate: Tidegate,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    content: str,
    code: str,
    reason: str,
) -> None:
    monkeypatch.setenv("TIDEGATE_MAX_REPORT_BYTES", "1024")
    (tmp_path / name).write_text(content)
    shown = tidegate("explain", str(tmp_path / name))
    assert shown.code == 1
    assert f"reason       {code}: " in shown.out
    assert reason in shown.out
    [explained] = tidegate("explain", str(tmp_path / name), "--json").json
    assert (explained["verdict"], explained["code"]) == ("quarantined", code)
    assert (explained["target"] is None) == (code == "NoRoute")


def test_json_is_an_upload_when_asked(tidegate: Tidegate, tmp_path: Path) -> None:
    file = tmp_path / "down.json"
    file.write_text('{"title": "Down"}')
    sent = tidegate("explain", str(file))
    assert sent.code == 1
    assert f"next: tidegate explain --upload {file}  # if it is uploaded" in sent.out
    uploaded = tidegate("explain", "--upload", str(file))
    assert uploaded.code == 0
    assert uploaded.out.startswith("explained as an upload to s3://documents/incidents/down.json\n")


@pytest.mark.parametrize("name", ["it's  down.json", "$HOME `x`.json", "-d.json", "a\nb.json"])
def test_the_next_step_is_a_command_for_a_shell(
    tidegate: Tidegate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_text('{"title": "Down"}')
    sent = tidegate("explain", "--", name)
    step = sent.out.partition("  next: tidegate ")[2]
    assert tidegate(*shlex.split(step, comments=True)).code == 0


def test_what_a_platform_has_delivered_is_no_upload(tidegate: Tidegate) -> None:
    sent = tidegate("explain", str(FOLDER.parent / "lambda-sqs-plain-json.json"))
    assert (sent.code, "next:" in sent.out) == (1, False)


def test_what_a_sender_wrote_begins_no_line(tidegate: Tidegate, tmp_path: Path) -> None:
    file = tmp_path / "a\nverdict      forged.md"
    file.write_text("# Down")
    shown = tidegate("explain", str(file))
    assert [line for line in shown.out.splitlines() if line.startswith("verdict")] == [
        "verdict      accepted"
    ]


def test_what_no_event_comes_of_says_so(tidegate: Tidegate, tmp_path: Path) -> None:
    file = tmp_path / ".DS_Store"
    file.write_bytes(b"\x00")
    ignored = tidegate("explain", str(file))
    assert (ignored.code, "It holds no events" in ignored.out) == (0, True)


def test_a_message_that_opens_an_incident_must_bring_a_report(tidegate: Tidegate) -> None:
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "com.acme.incident.reported"}
    [explained] = tidegate("explain", "-", "--json", stdin=json.dumps(event).encode()).json
    assert (explained["code"], explained["note"]) == (
        "InvalidReport",
        "refused by its workflow, unless that runs already",
    )
    event |= {"data": {"title": "Down"}}  # type: ignore[dict-item]
    [explained] = tidegate("explain", "-", "--json", stdin=json.dumps(event).encode()).json
    assert explained["verdict"] == "accepted"


# ------------------------------------------------------------------------ bodies of requests


@pytest.mark.usefixtures("hooks")
def test_a_command_from_pagerduty_is_for_an_incident_that_runs(
    tidegate: Tidegate, tmp_path: Path
) -> None:
    body = json.loads((FOLDER / "pagerduty_webhook" / "our-own-page.json").read_text())
    body["event"] |= {
        "event_type": "incident.acknowledged",
        "agent": {"type": "user_reference", "summary": "Maeve"},
    }
    (tmp_path / "ack.json").write_text(json.dumps(body))
    shown = tidegate("explain", "--hook", "pagerduty", str(tmp_path / "ack.json"))
    assert shown.code == 0
    assert "route        incident-command\n" in shown.out
    assert "if running   signal event; else it is quarantined\n" in shown.out
    assert "not an incident report" not in shown.out + shown.err


@pytest.mark.usefixtures("hooks")
@pytest.mark.parametrize("body", SAMPLE)
def test_the_body_of_a_request_names_the_webhooks_that_take_it(
    tidegate: Tidegate, body: str
) -> None:
    file = FOLDER / f"{body}.json"
    shown = tidegate("explain", str(file))
    assert f"  next: tidegate explain --hook {SAMPLE[body][0]} {file}\n" in shown.out
    explained, *_ = tidegate("explain", str(file), "--json").json
    assert tuple(explained["hooks"]) == SAMPLE[body]
    assert "looks like the body of a webhook's request" in explained["note"]


def test_a_mapped_webhook_is_named_for_what_it_maps(
    tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    table = tmp_path / "webhooks.yaml"
    table.write_text(
        "version: 1\n"
        "hooks:\n"
        "  ours: {format: mapped, preset: uptime-kuma, verify: {scheme: none}}\n"
        "  any: {format: message, verify: {scheme: none}}\n"
    )
    monkeypatch.setenv("TIDEGATE_WEBHOOKS", str(table))
    down = next((FOLDER / "presets" / "uptime-kuma").glob("down*.json"))
    [explained] = tidegate("explain", str(down), "--json").json
    assert explained["hooks"] == ["ours"]


def test_without_a_webhook_for_it_that_is_said(tidegate: Tidegate) -> None:
    explained, *_ = tidegate("explain", str(FIRING), "--json").json
    assert explained["hooks"] == []
    assert (
        "(alertmanager or grafana), which is taken by no webhook in TIDEGATE_WEBHOOKS"
        in (explained["note"])
    )


# ------------------------------------------------------------------- requests of platforms


def api_request(**changes: Any) -> dict[str, Any]:
    return {
        "version": "2.0",
        "routeKey": "POST /hooks/{name}",
        "rawPath": "/hooks/alertmanager",
        "rawQueryString": "",
        "headers": {"content-type": "application/json"},
        "requestContext": {"http": {"method": "POST"}, "stage": "$default"},
        "body": FIRING.read_text(),
        "isBase64Encoded": False,
        **changes,
    }


def trigger(**changes: Any) -> dict[str, Any]:
    request = {
        "Url": "https://acme.azurewebsites.net/hooks/alertmanager?code=1",
        "Method": "POST",
        "Query": "{}",
        "Headers": {"Content-Type": ["application/json"]},
        "Params": {"name": "alertmanager"},
        "Body": FIRING.read_text(),
        **changes,
    }
    return {"Data": {"req": request}, "Metadata": {}}


@pytest.mark.usefixtures("hooks")
@pytest.mark.parametrize(
    "event",
    [
        api_request(),
        api_request(
            rawPath="/prod/hooks/alertmanager",
            requestContext={"http": {"method": "POST"}, "stage": "prod"},
        ),
        api_request(routeKey="$default", requestContext={"http": {"method": "POST"}}),
        trigger(),
    ],
    ids=["HTTP API", "HTTP API with a stage", "function URL", "Azure's HTTP trigger"],
)
def test_a_platforms_request_is_opened_by_its_path(
    tidegate: Tidegate, event: dict[str, Any]
) -> None:
    opened = tidegate("explain", "-", "--json", stdin=json.dumps(event).encode())
    assert (opened.code, opened.json["status"]) == (0, 202)
    assert {each["event"]["source"] for each in opened.json["events"]} == {"webhook:alertmanager"}


REST = {
    "version": "1.0",
    "httpMethod": "POST",
    "path": "/hooks/alertmanager",
    "requestContext": {"stage": "prod"},
    "headers": {},
    "body": "{}",
}
BALANCER = {
    "httpMethod": "POST",
    "path": "/hooks/alertmanager",
    "requestContext": {"elb": {"targetGroupArn": "arn"}},
    "multiValueHeaders": {},
    "body": "{}",
}


@pytest.mark.usefixtures("hooks")
@pytest.mark.parametrize("event", [REST, BALANCER], ids=["REST API", "load balancer"])
def test_what_the_listener_does_not_take_is_refused_as_it_does(
    tidegate: Tidegate, event: dict[str, Any]
) -> None:
    refused = tidegate("explain", "-", stdin=json.dumps(event).encode())
    assert refused.code == 2
    assert "is not payload 2.0 of an HTTP API or function URL" in refused.err


@pytest.mark.usefixtures("hooks")
@pytest.mark.parametrize(
    "event", [api_request(rawPath="/healthz"), trigger(Url="https://acme.example/hooks/")]
)
def test_a_request_to_no_webhook_says_so(tidegate: Tidegate, event: dict[str, Any]) -> None:
    refused = tidegate("explain", "-", stdin=json.dumps(event).encode())
    assert refused.code == 2
    assert "which is no webhook's path" in refused.err
    assert "next: webhooks have /hooks/NAME" in refused.err


# ------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    "body",
    [b"{}", b"[]", b'{"specversion": "1.0"}', b'{"alerts": []}', b"not json"],
)
def test_nothing_was_kept_so_nothing_is_to_be_replayed(tidegate: Tidegate, body: bytes) -> None:
    for arguments in ((), ("--format", "message"), ("--format", "alertmanager"), ("--upload",)):
        shown = tidegate("explain", "-", *arguments, stdin=body)
        assert "replay" not in shown.out + shown.err
        assert "subject None" not in shown.out
        as_json = tidegate("explain", "-", "--json", *arguments, stdin=body)
        assert "replay" not in as_json.out


@pytest.mark.parametrize(
    ("name", "why"),
    [("nowhere.md", "no such file or directory"), ("folder", "is a directory")],
)
def test_a_file_that_cannot_be_read_is_one_line(
    tidegate: Tidegate, tmp_path: Path, name: str, why: str
) -> None:
    (tmp_path / "folder").mkdir()
    file = tmp_path / name
    refused = tidegate("explain", str(file))
    assert (refused.code, refused.err) == (
        2,
        f"ConfigurationError: cannot read {file}: {why}\n  next: name a file that you may read\n",
    )


def test_a_file_that_is_too_large_is_not_read_whole(
    tidegate: Tidegate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payload_file, "MOST_BYTES", 2 * 1024 * 1024)
    file = tmp_path / "large.md"
    with file.open("wb") as large:
        large.truncate(2 * 1024 * 1024 + 1)
    refused = tidegate("explain", str(file))
    assert refused.code == 2
    assert f"{file} is larger than 2 MiB" in refused.err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--upload", "--hook", "alertmanager"), "use one of --format, --upload and --hook"),
        (("--upload", "--format", "s3"), "use one of --format, --upload and --hook"),
        (("-H", "a: b"), "--header describes a request"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    tidegate: Tidegate, arguments: tuple[str, ...], why: str
) -> None:
    refused = tidegate("explain", "-", *arguments, stdin=b"{}")
    assert refused.code == 2
    assert why in refused.err
