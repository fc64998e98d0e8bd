"""The `tidegate` command, as people and programs use it."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import bootstrap
from core.config.routing_table import main as compile_table
from core.config.settings import Settings
from core.contracts import SEARCH_ATTRIBUTES, WORKERS
from core.domain.event import ALERT, Event
from core.formats.registry import read
from core.formats.shared.delivery import Delivery, way_headers
from core.intake.receipts import Receipt
from infra.local.processes import Processes, python, wait_until
from infra.local.temporal import TemporalServer, start_temporal
from tests.support.cli import Result, Tidegate
from tests.support.payloads import sqs_record
from tests.support.workflows_port import MemoryWorkflows

EVENTS = sorted((Path(__file__).parents[1] / "events").glob("*.json"))
IMGHDR = "ignore:'imghdr' is deprecated:DeprecationWarning"
"""Up to Python 3.12, apprise imports a module that is deprecated there."""
INCIDENT = {
    "specversion": "1.0",
    "id": "7",
    "source": "tests",
    "type": "com.example.incident.reported",
    "data": {"title": "It burns"},
}
ORDERS = """\
version: 1
routes:
  - {name: orders, match: {exact: {type: order}}, workflow: Order, task_queue: orders}
"""


@pytest.fixture
def quarantine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty quarantine, in a folder."""
    folder = tmp_path / "quarantine"
    monkeypatch.setenv("TIDEGATE_QUARANTINE", f"file://{folder}/")
    return folder


def never(event: Event) -> None:
    """For deliveries without any event to start."""
    raise AssertionError(f"{event.key} was started")


def refuse(body: bytes) -> str:
    """Have the intake refuse a message; returns the ID of its quarantine record."""

    async def accept() -> list[Receipt]:
        headers = way_headers("queue:orders") | {"message-id": "m-1"}
        delivery = Delivery(format="message", body=body, headers=headers, unique="u")
        intake = bootstrap.intake(Settings.from_env(), workflows=MemoryWorkflows(never))
        return await intake.accept(read(delivery))

    [receipt] = asyncio.run(accept())
    assert receipt.quarantine_uri
    return Path(receipt.quarantine_uri).stem


# ------------------------------------------------------------------------------- explain


@pytest.mark.parametrize("payload", EVENTS, ids=lambda path: path.stem)
def test_explain_reads_every_recorded_payload(tidegate: Tidegate, payload: Path) -> None:
    result = tidegate("explain", str(payload), "--json")
    refused = [event for event in result.json if event["verdict"] != "accepted"]
    assert result.code == (1 if refused else 0)
    assert {event["code"] for event in refused} <= {"NoRoute"}
    assert all(event["workflow_id"] for event in result.json)


def test_explain_shows_the_route_and_the_child_of_an_upload(tidegate: Tidegate) -> None:
    [payload] = [path for path in EVENTS if path.stem == "lambda-sqs-s3-put"]
    result = tidegate("explain", str(payload))
    assert result.code == 0
    key = "s3:example-documents/incidents/db-outage.json@0062E99A88DC407460"
    assert f"workflow ID  {key}\n" in result.out
    assert "route        incident-report\n" in result.out
    assert "delivery     orchestrate\n" in result.out
    assert f"its ID       incident:{key}\n" in result.out
    assert "TIDEGATE_DOCUMENTS is not set here" in result.out


def test_explain_shows_how_an_alert_is_delivered(
    tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_TRUSTED_TYPES", ALERT)
    data = {"key": "5f2e", "status": "firing", "title": "Down"}
    event = {"specversion": "1.0", "id": "1", "source": "/m", "type": ALERT, "data": data}
    batch = {"Records": [sqs_record(event, queue="alerts")]}
    payload = json.dumps(batch).encode()
    result = tidegate("explain", "-", stdin=payload)
    assert result.code == 0
    for line in (
        "workflow ID  incident:queue:alerts:5f2e\n",
        "delivery     signal\n",
        "if running   signal event\n",
    ):
        assert line in result.out
    [explained] = tidegate("explain", "-", "--json", stdin=payload).json
    assert (explained["verdict"], explained["workflow_id"]) == (
        "accepted",
        "incident:queue:alerts:5f2e",
    )
    target = explained["target"]
    assert (target["deliver"], target["signal"], target["task_queue"]) == (
        "signal",
        "event",
        "tidegate-incident",
    )


def test_explain_reads_standard_input_and_recognises_a_test_event(tidegate: Tidegate) -> None:
    [payload] = [path for path in EVENTS if path.stem == "s3-test-event"]
    result = tidegate("explain", "-", stdin=payload.read_bytes())
    assert result.code == 0
    assert "It holds no events" in result.out


def test_explain_says_why_a_payload_would_be_quarantined(tidegate: Tidegate) -> None:
    result = tidegate("explain", "-", "--json", "--format", "message", stdin=b"{not json")
    assert result.code == 1
    [event] = result.json
    assert event["code"] == "InvalidEvent"
    assert "not JSON" in event["reason"]


def test_explain_applies_the_configured_document_roots(
    tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_DOCUMENTS", "s3://another-bucket/")
    [payload] = [path for path in EVENTS if path.stem == "s3-put"]
    [event] = tidegate("explain", str(payload), "--json").json
    assert event["code"] == "DocumentRefused"


def test_explain_refuses_an_unknown_format(tidegate: Tidegate) -> None:
    result = tidegate("explain", "-", "--format", "carrier-pigeon")
    assert result.code == 2
    assert "carrier-pigeon" in result.err


# -------------------------------------------------------------------------------- routes


def test_routes_check_lists_the_shipped_table(tidegate: Tidegate) -> None:
    result = tidegate("routes", "check", "--json")
    assert result.code == 0
    assert [route["name"] for route in result.json["routes"]] == [
        "incident-report",
        "incident-successor",
        "incident-event",
        "alert",
        "incident-command",
        "heartbeat",
    ]


def test_routes_check_shows_each_routes_delivery_and_the_tables_digest(
    tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    result = tidegate("routes", "check")
    assert result.code == 0
    routes = [block.splitlines() for block in result.out.split("\n\n")]
    assert routes[3] == [
        "route        alert",
        "delivery     signal",
        "workflow     Incident on tidegate-incident",
        "its ID       incident:{tidegatescope}:{data.key}",
        "if running   signal event",
    ]
    assert routes[4] == [
        "route        incident-command",
        "delivery     signal",
        "workflow     Incident on tidegate-incident",
        "its ID       incident:{subject}",
        "if running   signal event; else it is quarantined",
    ]
    assert routes[0][:2] == ["route        incident-report", "delivery     orchestrate"]
    assert "its ID       incident:event:{tidegatescope}:{source}#{subject || id}" in routes[2]
    digest = bootstrap.router(Settings()).digest
    assert f"digest {digest}\n" in result.out


def test_routes_check_names_line_and_field_and_exits_with_2(
    tidegate: Tidegate, tmp_path: Path
) -> None:
    table = tmp_path / "routes.yaml"
    table.write_text("version: 1\nroutes:\n  - name: a\n    when: now\n")
    result = tidegate("routes", "check", str(table))
    assert result.code == 2
    assert f"{table}:4:5: routes[0].when: there is no such field" in result.err


def test_routes_check_says_that_a_compiled_table_is_not_a_source(
    tidegate: Tidegate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = tmp_path / "routes.json"
    assert compile_table(["--output", str(compiled)]) == 0
    monkeypatch.setenv("TIDEGATE_ROUTES", str(compiled))
    result = tidegate("routes", "check")
    assert result.code == 2
    assert f"{compiled}: a compiled table, digest " in result.err
    assert "next: check its source" in result.err
    compiled.write_text("{}")
    result = tidegate("routes", "check")
    assert result.code == 2
    assert "not a compiled routing table of this version" in result.err


def test_an_invalid_setting_is_named_and_exits_with_2(
    tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_ROUTES", "/nowhere/routes.yaml")
    result = tidegate("routes", "check")
    assert result.code == 2
    assert "TIDEGATE_ROUTES: there is no such file" in result.err
    assert "next: correct TIDEGATE_ROUTES: The routing table, in YAML or compiled." in result.err


# ---------------------------------------------------------------------------- quarantine


def test_a_refused_original_is_listed_and_shown(tidegate: Tidegate, quarantine: Path) -> None:
    id = refuse(b"\xff not text")
    [listed] = tidegate("quarantine", "list", "--json").json
    assert listed["id"] == id
    assert listed["code"] == "InvalidEvent"
    assert "body" not in listed
    shown = tidegate("quarantine", "show", id, "--json").json
    assert shown["body_base64"] == "/yBub3QgdGV4dA=="
    assert shown["headers"]["message-id"] == "m-1"
    assert "not UTF-8" in tidegate("quarantine", "show", id).out


def test_a_replay_that_is_refused_again_exits_with_1(
    tidegate: Tidegate, quarantine: Path, temporal_settings: None
) -> None:
    id = refuse(b"still not json")
    result = tidegate("quarantine", "replay", id, "--json")
    assert result.code == 1
    [receipt] = result.json[id]
    assert receipt.pop("outcome")["result"] == "refused"
    assert receipt["verdict"] == "quarantined"
    [noted] = tidegate("quarantine", "list", "--json").json  # still not settled
    assert noted["replayed"]["receipts"] == [receipt]


def test_a_replay_starts_the_event_once(
    tidegate: Tidegate, quarantine: Path, temporal_settings: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = json.dumps({**INCIDENT, "id": os.urandom(8).hex(), "data": "x" * 2000}).encode()
    monkeypatch.setenv("TIDEGATE_MAX_EVENT_BYTES", "1024")
    id = refuse(event)
    monkeypatch.delenv("TIDEGATE_MAX_EVENT_BYTES")
    first = tidegate("quarantine", "replay", "--all", "--no-wait", "--json")
    assert (first.code, first.json[id][0]["verdict"]) == (0, "started")
    second = tidegate("quarantine", "replay", id, "--no-wait", "--json")
    assert (second.code, second.json[id][0]["verdict"]) == (0, "duplicate")
    unserved = tidegate("quarantine", "replay", id, "--timeout", "0.2")
    assert unserved.code == 3
    assert "no worker has taken it from the task queue" in unserved.out


def test_a_replay_while_temporal_is_unavailable_exits_with_3(
    tidegate: Tidegate,
    quarantine: Path,
    monkeypatch: pytest.MonkeyPatch,
    closed_port: int,
) -> None:
    monkeypatch.setenv("TIDEGATE_MAX_EVENT_BYTES", "1024")
    id = refuse(json.dumps({**INCIDENT, "data": "x" * 2000}).encode())
    monkeypatch.delenv("TIDEGATE_MAX_EVENT_BYTES")
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{closed_port}")
    monkeypatch.setenv("TIDEGATE_START_TIMEOUT", "0.5")
    result = tidegate("quarantine", "replay", id, "--json")
    assert result.code == 3
    assert result.json[id][0]["code"] == "TemporalUnavailable"


# -------------------------------------------------------------------------------- doctor


def findings(result: Result) -> dict[str, tuple[str, str]]:
    return {c["name"]: (c["outcome"], c["detail"]) for c in result.json["checks"]}


def test_doctor_names_what_is_missing_and_exits_with_1(tidegate: Tidegate) -> None:
    result = tidegate("doctor", "--json")
    checks = findings(result)
    assert result.code == 1
    assert checks["TIDEGATE_QUARANTINE"] == ("failed", "not set")
    assert checks["TIDEGATE_DOCUMENTS"][0] == "warning"
    assert checks["pages"][0] == "warning"
    assert checks["temporal"] == ("failed", "no Temporal server is configured")


def test_doctor_says_how_to_fix_an_invalid_setting(
    tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_ACK_TIMEOUT", "soon")
    result = tidegate("doctor")
    assert result.code == 1
    assert "TIDEGATE_ACK_TIMEOUT: not a number" in result.out
    assert "next: correct TIDEGATE_ACK_TIMEOUT: Seconds a page may stay" in result.out


def test_doctor_lists_the_formats_of_queues_and_refuses_unknown_ones(
    tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_QUEUE_FORMATS", "alarms=cloudwatch,servers=mapped:zabbix")
    assert findings(tidegate("doctor", "--json"))["queues"] == (
        "ok",
        "alarms as cloudwatch, servers as mapped:zabbix; whether there are such queues is not "
        "checked",
    )
    monkeypatch.setenv("TIDEGATE_QUEUE_FORMATS", "servers=mapped:zabix")
    outcome, detail = findings(tidegate("doctor", "--json"))["settings"]
    assert (outcome, "did you mean zabbix?" in detail) == ("failed", True)


def test_doctor_reports_a_bucket_that_does_not_exist(
    tidegate: Tidegate, aws_settings: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_DOCUMENTS", "s3://nobody-made-this-bucket/")
    checks = findings(tidegate("doctor", "--json"))
    outcome, detail = checks["TIDEGATE_DOCUMENTS s3://nobody-made-this-bucket/"]
    assert outcome == "failed"
    assert "NoSuchBucket" in detail


def test_no_fix_of_the_doctor_is_to_run_the_doctor(
    tidegate: Tidegate,
    aws_settings: None,
    monkeypatch: pytest.MonkeyPatch,
    closed_port: int,
) -> None:
    monkeypatch.setenv("TIDEGATE_QUARANTINE", "s3://nobody-made-this-bucket/")
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{closed_port}")
    monkeypatch.setenv("TIDEGATE_START_TIMEOUT", "0.5")
    checks = tidegate("doctor", "--json").json["checks"]
    fixes = [check["fix"] for check in checks if check["outcome"] == "failed"]
    assert len(fixes) == 2
    assert all(fix and "tidegate doctor" not in fix for fix in fixes)


@pytest.mark.filterwarnings(IMGHDR)
def test_doctor_reports_an_invalid_page_url_without_showing_it(
    tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_PAGE_URLS", "json://127.0.0.1:9/ slak://hunter2/")
    result = tidegate("doctor", "--json")
    outcome, detail = findings(result)["pages"]
    assert outcome == "failed"
    assert re.fullmatch(
        r"TIDEGATE_PAGE_URLS: on-call:slak#\w{8}: apprise knows no such URL", detail
    )
    assert "hunter2" not in result.out + result.err


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[tuple[Processes, TemporalServer]]:
    """A server whose namespace lacks our search attributes, and processes to add to."""
    processes = Processes(tmp_path / "logs")
    try:
        server = start_temporal(processes, os.environ, search_attributes=())
        server.wait()
        yield processes, server
    finally:
        processes.stop()


@pytest.mark.filterwarnings(IMGHDR)
def test_doctor_and_setup_bring_a_bare_namespace_to_health(
    tidegate: Tidegate,
    quarantine: Path,
    bare: tuple[Processes, TemporalServer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    processes, server = bare
    monkeypatch.setenv("TEMPORAL_ADDRESS", server.address)
    monkeypatch.setenv("TIDEGATE_HEALTH_ADDRESS", "127.0.0.1:0")
    monkeypatch.setenv("TIDEGATE_DOCUMENTS", f"file://{tmp_path}/")
    monkeypatch.setenv("TIDEGATE_PAGE_URLS", "json://127.0.0.1:9/")
    monkeypatch.setenv("TIDEGATE_ESCALATION_URLS", "json://127.0.0.1:9/ json://127.0.0.1:10/")
    monkeypatch.setenv("TIDEGATE_REPORTS", f"file://{tmp_path}/reports/")

    before = findings(tidegate("doctor", "--json"))
    missing = ", ".join(SEARCH_ATTRIBUTES)
    assert before["search attributes"] == ("failed", f"missing: {missing}")
    for worker in WORKERS:
        outcome, detail = before[f"task queue {worker.task_queue}"]
        assert outcome == "failed"
        assert "no worker polls it" in detail

    assert tidegate("setup").out == f"Registered: {missing}\n"
    assert tidegate("setup").out == "Everything is registered.\n"

    for worker in WORKERS:
        processes.start(worker.name, python(worker.module), os.environ)
    after: Result = wait_until(lambda: healthy(tidegate), 60, "the doctor to find no fault")
    others = {name: found[0] for name, found in findings(after).items() if found[0] != "ok"}
    assert others == {"webhooks": "skipped", "links in pages": "skipped"}
    digest = bootstrap.router(Settings()).digest
    assert findings(after)["routing tables"] == ("ok", f"the workers have the same, {digest}")

    other = tmp_path / "other.yaml"
    other.write_text(ORDERS)
    monkeypatch.setenv("TIDEGATE_ROUTES", str(other))
    own = bootstrap.router(Settings.from_env()).digest
    assert findings(tidegate("doctor", "--json"))["routing tables"] == (
        "warning",
        f"here {own}; a worker of the last minutes has {digest}",
    )


def test_doctor_checks_nothing_of_a_worker_that_no_route_leads_to(
    tidegate: Tidegate,
    bare: tuple[Processes, TemporalServer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, server = bare
    routes = tmp_path / "routes.yaml"
    routes.write_text(ORDERS)
    monkeypatch.setenv("TIDEGATE_ROUTES", str(routes))
    monkeypatch.setenv("TEMPORAL_ADDRESS", server.address)
    checks = {c["name"]: c for c in tidegate("doctor", "--json").json["checks"]}
    assert checks["incident-worker"]["outcome"] == "skipped"
    assert {c["code"] for c in checks.values()}.isdisjoint(
        {"reports", "policies", "pages", "search-attributes"}
    )
    queues = {name: (c["outcome"], c["fix"]) for name, c in checks.items() if "queue" in name}
    assert queues == {
        "task queue tidegate-root": ("failed", "start the root-worker"),
        "task queue orders": ("failed", "start its worker, or fix the route's task_queue"),
    }
    assert "route orders sends there" in checks["task queue orders"]["detail"]


def healthy(tidegate: Tidegate) -> Result | None:
    result = tidegate("doctor", "--json")
    return result if result.code == 0 else None


@pytest.mark.filterwarnings(IMGHDR)
def test_doctor_names_targets_without_an_address(
    tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_PAGE_URLS", "json://127.0.0.1:9/ json://127.0.0.1:10/")
    assert findings(tidegate("doctor", "--json"))["pages"] == (
        "ok",
        "2 addresses; second-line has no address (TIDEGATE_ESCALATION_URLS not set)",
    )
    monkeypatch.setenv("TIDEGATE_TARGET_VARIABLES", '{"TIDEGATE_ESCALATION_URLS": "json://a/"}')
    assert findings(tidegate("doctor", "--json"))["pages"] == ("ok", "3 addresses")


# ------------------------------------------------------------------------------ policies


def test_the_shipped_policies_are_valid_and_unset_targets_are_named(tidegate: Tidegate) -> None:
    result = tidegate("policies", "check")
    assert result.code == 0
    assert "after TIDEGATE_ACK_TIMEOUT: second-line" in result.out
    assert "target on-call: TIDEGATE_PAGE_URLS not set here" in result.out
    assert result.out.count("acknowledged and resolved") == 2
    assert "1 policy, all valid" in result.out
    assert tidegate("policies", "check", "--json").json["unset_here"] == {
        "on-call": ["TIDEGATE_PAGE_URLS"],
        "second-line": ["TIDEGATE_ESCALATION_URLS"],
    }


def test_policies_without_targets_are_checked_without_an_empty_table(
    tidegate: Tidegate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people, file = tmp_path / "oncall.yaml", tmp_path / "policies.yaml"
    people.write_text("version: 1\npeople: {ana: {name: Ana, time_zone: UTC}}\n")
    file.write_text("version: 1\npolicies: [{name: all, levels: [{after: 0s, person: ana}]}]\n")
    monkeypatch.setenv("TIDEGATE_ONCALL", str(people))
    result = tidegate("policies", "check", str(file))
    assert result.code == 0
    assert "person ana" in result.out
    assert "hears after a page" not in result.out


@pytest.mark.parametrize(
    ("level", "problem"),
    [
        ("{after: 0s, targets: [nobody]}", "there is no target 'nobody'; there are on-call"),
        ("{targets: [on-call]}", "policies[0].levels[0].after: Field required"),
        ("{after: soon, targets: [on-call]}", "not a duration like 0s, 30s or 5m"),
    ],
)
def test_invalid_policies_are_refused_with_file_line_and_field(
    tidegate: Tidegate, tmp_path: Path, level: str, problem: str
) -> None:
    file = tmp_path / "policies.yaml"
    file.write_text(
        "version: 1\n"
        "targets: {on-call: {url_env: A}}\n"
        "policies:\n"
        f"  - {{name: everything-else, levels: [{level}]}}\n"
    )
    result = tidegate("policies", "check", str(file))
    assert result.code == 2
    assert f"{file}:4:" in result.err.replace("\n", "")
    assert problem in result.err


def test_the_policies_schema_is_json(tidegate: Tidegate) -> None:
    assert tidegate("policies", "schema").json["title"] == "Tidegate incident policies"


# ------------------------------------------------------------------------------ incident


def test_a_command_for_an_unknown_incident_exits_with_1(
    tidegate: Tidegate, temporal_settings: None
) -> None:
    for command in ("show", "acknowledge", "resolve"):
        result = tidegate("incident", command, "incident:nowhere")
        assert result.code == 1
        assert "IncidentNotFound" in result.err


def test_a_command_without_a_server_exits_with_3(
    tidegate: Tidegate,
    monkeypatch: pytest.MonkeyPatch,
    closed_port: int,
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{closed_port}")
    result = tidegate("incident", "show", "incident:1")
    assert result.code == 3
    assert "TemporalUnavailable" in result.err
