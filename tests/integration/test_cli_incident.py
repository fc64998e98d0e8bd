"""`tidegate incident` against a real server and the real incident worker."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from standardwebhooks import Webhook
from temporalio.client import Client

from core.adapters.temporal.connection import data_converter
from core.contracts import INCIDENT_TASK_QUEUE, INCIDENT_WORKFLOW, SIGNAL_EVENT
from core.domain.event import ALERT, MESSAGE, Event
from core.domain.handles import handle_of
from core.domain.incident.model import folder_name
from infra.local.processes import ROOT, Processes, program, python, wait_until
from infra.local.temporal import start_temporal
from tests.support.cli import Result, Tidegate
from tests.support.completion import completed
from tests.support.web import Site, serving

PATIENCE = 60.0
SECRET = "whsec_dGhpcyBpcyBhIHNlY3JldCBvZiB0aGUgdGVzdHM="
POLICIES = """
version: 1
targets:
  on-call: {url_env: TIDEGATE_PAGE_URLS}
  tool: {kind: webhook, url_env: TOOL_URL, secret_env: TOOL_SECRET}
  duty: {kind: pagerduty, routing_key_env: DUTY_KEY, url_env: DUTY_URL}
policies:
  - name: with-tools
    match: {service: tools}
    levels: [{after: 0s, targets: [tool, duty]}]
  - name: in-two-levels
    match: {service: tools-in-two-levels}
    levels: [{after: 0s, targets: [tool]}, {after: 1h, targets: [duty]}]
  - name: default
    levels: [{after: 0s, targets: [on-call]}]
    reopen_window: 1h
"""


@dataclass(frozen=True)
class Desk:
    """A server with an incident worker: starts incidents as the root orchestrator does."""

    address: str
    env: dict[str, str]
    site: Site

    def report(self, title: str = "It burns", **fields: Any) -> str:
        """A new incident by a report; returns its workflow ID."""
        return self.send(MESSAGE, {"title": title, **fields})

    def alert(
        self, key: str, status: str = "firing", *, id: str | None = None, **fields: Any
    ) -> str:
        """An alert for the incident with that workflow ID, or for a new one."""
        data = {"key": key, "status": status, "title": f"{key} is slow", "severity": "high"}
        return self.send(ALERT, {**data, **fields}, id=id)

    def send(self, type: str, data: dict[str, Any], *, id: str | None = None) -> str:
        unique = str(uuid4())
        event = Event(id=unique, source="tests", type=type, key=f"ce:tests#{unique}", data=data)
        id = id or f"incident:tests:{unique}"

        async def send() -> None:
            client = await Client.connect(self.address, data_converter=data_converter())
            signalled = type == ALERT
            await client.start_workflow(
                INCIDENT_WORKFLOW,
                args=[] if signalled else [event.to_wire()],
                id=id,
                task_queue=INCIDENT_TASK_QUEUE,
                start_signal=SIGNAL_EVENT if signalled else None,
                start_signal_args=[[event.to_wire()]] if signalled else [],
            )

        asyncio.run(send())
        return id


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    processes = Processes(folder / "logs")
    policies = folder / "policies.yaml"
    policies.write_text(POLICIES)
    sites = ExitStack()
    try:
        site = sites.enter_context(serving())
        server = start_temporal(processes, os.environ)
        server.wait()
        env = {
            "TEMPORAL_ADDRESS": server.address,
            "TIDEGATE_POLICIES": str(policies),
            "TIDEGATE_REPORTS": f"file://{folder}/reports/",
            "TIDEGATE_QUARANTINE": f"file://{folder}/quarantine/",
        }
        worker_env = {
            **os.environ,
            **env,
            "TIDEGATE_HEALTH_ADDRESS": "127.0.0.1:0",
            "TOOL_URL": site.url("/tool"),
            "TOOL_SECRET": SECRET,
            "DUTY_URL": site.url("/duty"),
            "DUTY_KEY": "a-routing-key",
        }
        for name in ("root_orchestrator", "incident"):
            processes.start(f"{name}-worker", python(f"workers.{name}.run_worker"), worker_env)
        yield Desk(server.address, env, site)
    finally:
        processes.stop()
        sites.close()


@pytest.fixture(autouse=True)
def settings(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in desk.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("USER", "ana")


def status_of(tidegate: Tidegate, id: str) -> str:
    result = tidegate("incident", "show", id, "--json")
    return str(result.json["incident"]["status"]) if result.code == 0 else ""


def opened(tidegate: Tidegate, id: str) -> dict[str, Any]:
    """The incident once it is open."""
    wait_until(lambda: status_of(tidegate, id) == "open", PATIENCE, "the incident to open")
    incident: dict[str, Any] = tidegate("incident", "show", id, "--json").json["incident"]
    return incident


def listed(tidegate: Tidegate, wanted: str, *filters: str) -> list[str]:
    """The workflow IDs in the list, once it contains `wanted`."""

    def look() -> list[str] | None:
        ids = [i["workflow_id"] for i in tidegate("incident", "list", *filters, "--json").json]
        return ids if wanted in ids else None

    ids: list[str] = wait_until(look, PATIENCE, f"{wanted} to be listed")
    return ids


def test_every_command_from_acknowledge_to_close(tidegate: Tidegate, desk: Desk) -> None:
    id = desk.report(severity="high", service="checkout")
    handle = handle_of(opened(tidegate, id)["id"])

    def done(*arguments: str) -> Result:
        command, *rest = arguments
        result = tidegate("incident", command, id, *rest)
        assert result.code == 0, result.err
        return result

    def said(*arguments: str) -> str:
        """The answer, after the handle."""
        return done(*arguments).out.removeprefix(f"{handle} ").removesuffix("\n")

    assert said("ack", "--note", "looking") == "acknowledged by ana: nobody else is paged"
    assert said("acknowledge") == "unchanged: ana has acknowledged it already"
    assert said("unack", "--note", "asleep") == "open again: its policy pages nobody else"
    assert said("assign", "--to", "bob", "--commander", "ana") == (
        "assigned to bob, commanded by ana"
    )
    assert said("comment", "action: buy a [bold]bigger[/bold] one") == "comment added"
    assert said("severity", "critical") == "severity critical, was high"
    sent = done("comment", "the database, too", "--no-wait", "--json").json
    assert sent == {"sent": True, "incident_id": None, "handle": None}
    wait_until(
        lambda: "Comment: the database, too" in tidegate("incident", "show", id).out,
        PATIENCE,
        "the comment to be on the timeline",
    )
    assert re.fullmatch(r"snoozed until .* \(2 h\)", said("snooze", "2h"))
    assert tidegate("incident", "show", id, "--json").json["incident"]["snoozed_until"]
    assert said("snooze", "0s").startswith("not snoozed any more")
    assert tidegate("incident", "show", id, "--json").json["incident"]["snoozed_until"] is None
    assert done("mitigate", "--json").json["status"] == "mitigated"
    assert said("reopen").startswith("reopened by ana: ")
    assert said("resolve", "--note", "rolled back") == "resolved by ana: nobody is paged"
    done("reopen", "--by", "bob")
    done("resolve")

    shown = done("show").out
    for line in [
        "It burns",
        "severity     critical",
        "assignee     bob",
        "commander    ana",
        "Acknowledged: looking",
        "Comment: action: buy a [bold]bigger[/bold] one",
        "Severity raised from high to critical",
        "Resolved: rolled back",
        "bob (CLI)       Reopened: bob says that it is not over",
    ]:
        assert line in shown
    wait_until(
        lambda: tidegate("incident", "report", id).code == 0, PATIENCE, "the report to be written"
    )
    report = done("report").out
    assert "It burns" in report
    assert "bigger" in report
    assert done("report", "--json").json["incident_id"].startswith(f"{id}@")
    assert said("close") == "closed as resolved by ana"


def test_a_closed_incident_refuses_commands_and_says_what_is_possible(
    tidegate: Tidegate, desk: Desk
) -> None:
    id = desk.report()
    own = opened(tidegate, id)["id"]
    assert tidegate("incident", "close", own, "--reason", "false_alarm").code == 0
    wait_until(lambda: ended(tidegate, id), PATIENCE, "the workflow to end")

    refused = tidegate("incident", "ack", own)
    assert refused.code == 1
    reason = "cannot acknowledge: the incident is closed"
    assert f"CommandRefused: incident {handle_of(own)}: {reason}" in refused.err
    assert "possible now: `tidegate incident show` and `report`" in refused.err
    assert f"`tidegate incident open --follows {own}`" in refused.err
    for command in ("resolve", "close"):
        idle = tidegate("incident", command, own)
        assert (idle.code, idle.out) == (0, f"{handle_of(own)} unchanged: it is closed already\n")
    assert "closed (false_alarm)" in tidegate("incident", "show", own).out


def ended(tidegate: Tidegate, id: str) -> bool:
    closed = tidegate("incident", "list", "--status", "closed", "--json").json
    return any(incident["workflow_id"] == id for incident in closed)


def test_a_closed_incident_is_followed_by_the_command_that_its_refusal_names(
    tidegate: Tidegate, desk: Desk
) -> None:
    links = {"runbook": "https://runbooks.example/p99"}
    id = desk.alert(f"p99-{uuid4()}", labels={"cluster": "eu-1"}, links=links)
    own = opened(tidegate, id)["id"]
    early = tidegate("incident", "open", "--follows", own)
    assert early.code == 1
    assert f"incident {own} is open, not closed" in early.err
    assert tidegate("incident", "close", own, "--reason", "false_alarm").code == 0
    wait_until(lambda: ended(tidegate, id), PATIENCE, "the workflow to end")

    refused = tidegate("incident", "reopen", id)
    assert refused.code == 1
    [named] = re.findall(r"`tidegate (incident open --follows \S+)`", refused.err)
    follow = tidegate(*named.split(), "--by", "ana")
    assert follow.code == 0, follow.err

    new = opened(tidegate, id)
    assert follow.out == (
        f"{handle_of(new['id'])} opened: {new['title']}; it follows {handle_of(own)}\n"
    )
    assert new["id"] != own
    assert (new["previous"], new["reporter"]) == (own, "ana")
    copied = ("title", "severity", "service", "labels", "named_links")
    before = tidegate("incident", "show", own, "--json").json["incident"]
    assert [new[name] for name in copied] == [before[name] for name in copied]
    assert (new["named_links"], new["links"]) == (links, [])
    assert f"follows {handle_of(own)}, which was closed as false_alarm" in new["summary"]
    shown = tidegate("incident", "show", id).out
    assert f"Opened with severity high: {new['title']}; it follows {own}" in shown
    again = tidegate("incident", "open", "--follows", own, "--json").json
    assert (again["action"], again["child_id"]) == ("signalled", id)
    assert (again["incident_id"], again["opened"]) == (new["id"], False)
    joined = tidegate("incident", "open", "--follows", own)
    assert joined.out.startswith(f"{handle_of(new['id'])} is open already and takes it: ")


def test_an_incident_past_its_retention_is_followed_by_its_report(
    tidegate: Tidegate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = f"incident:forgotten-{uuid4()}@20260102T030405.678Z"
    missing = tidegate("incident", "open", "--follows", gone)
    assert missing.code == 1
    assert "IncidentNotFound" in missing.err
    monkeypatch.setenv("TIDEGATE_REPORTS", f"file://{tmp_path}/")
    folder = tmp_path / folder_name(gone)
    folder.mkdir()
    report = {"incident_id": gone, "title": "It burnt", "severity": "critical", "service": "shop"}
    (folder / "report.json").write_text(json.dumps({**report, "close_reason": "resolved"}))

    done = tidegate("incident", "open", "--follows", gone, "--severity", "low", "--json").json
    assert done["child_id"] == gone.partition("@")[0]
    new = opened(tidegate, done["child_id"])
    assert (new["title"], new["severity"], new["service"]) == ("It burnt", "low", "shop")
    assert new["previous"] == gone


def test_an_incident_is_opened_by_hand(tidegate: Tidegate) -> None:
    done = tidegate("incident", "open", "Nobody can pay", "--service", "shop", "--json").json
    new = opened(tidegate, done["child_id"])
    assert (done["incident_id"], done["handle"]) == (new["id"], handle_of(new["id"]))
    assert (new["title"], new["severity"], new["service"]) == ("Nobody can pay", "medium", "shop")
    assert (new["reporter"], new["previous"]) == ("ana", None)
    wrong = tidegate("incident", "open", "x" * 300)
    assert wrong.code == 1
    assert "what is to be opened is not an incident report: title" in wrong.err


def test_the_list_is_filtered(tidegate: Tidegate, desk: Desk) -> None:
    burning = desk.report(severity="critical", service="o'brien's \\\"shop\"")
    dim = desk.report("It flickers", severity="low", service="search")
    for id in (burning, dim):
        opened(tidegate, id)
    assert tidegate("incident", "assign", burning, "--to", "zoe").code == 0
    assert tidegate("incident", "ack", burning).code == 0

    both = listed(tidegate, dim)
    assert burning in both
    for filters, other in [
        (("--severity", "critical"), dim),
        (("--status", "acknowledged", "--status", "mitigated"), dim),
        (("--service", "o'brien's \\\"shop\""), dim),
        (("--assignee", "zoe"), dim),
        (("--severity", "critical", "--younger-than", "1h"), dim),
        (("--severity", "critical", "--older-than", "0s"), dim),
    ]:
        assert other not in listed(tidegate, burning, *filters)
    assert tidegate("incident", "list", "--older-than", "1h", "--json").json == []
    assert tidegate("incident", "list", "--service", "nobody's").out == "No incident matches.\n"
    assert len(tidegate("incident", "list", "--limit", "1", "--json").json) == 1

    handles = {i["workflow_id"]: i["handle"] for i in tidegate("incident", "list", "--json").json}
    assert re.search(
        rf"^{handles[dim]}\tlow\topen\t\d+ s\tnobody\tIt flickers \(search\)$",
        tidegate("incident", "list").out,
        re.M,
    )
    assert f"{handles[burning]}\tcritical\tacknowledged\t" in tidegate("incident", "list").out
    quiet = tidegate("incident", "list", "--quiet").out
    assert set(quiet.splitlines()) >= set(handles.values())
    assert tidegate("incident", "list", "--quiet", "--service", "nobody's").out == ""


def test_the_list_says_who_has_an_incident(tidegate: Tidegate, desk: Desk) -> None:
    id = desk.report(service="who")
    own = opened(tidegate, id)["id"]

    def listed_with(who: str) -> None:
        def look() -> bool:
            return f"\t{who}\tIt burns (who)\n" in (
                tidegate("incident", "list", "--service", "who", "--all").out
            )

        wait_until(look, PATIENCE, f"{who} to be listed")

    listed_with("nobody")
    for arguments, who in [
        (("ack", own, "--by", "ana"), "ana"),
        (("ack", own, "--by", "cy"), "cy"),
        (("assign", own, "--to", "ben"), "ben"),
        (("assign", own, "--nobody"), "cy"),
        (("unack", own), "nobody"),
        (("resolve", own), ""),
    ]:
        assert tidegate("incident", *arguments).code == 0
        listed_with(who)


def test_every_command_takes_a_handle_and_the_beginning_of_an_id(
    tidegate: Tidegate, desk: Desk
) -> None:
    id = desk.report()
    own = opened(tidegate, id)["id"]
    handle, beginning = handle_of(own), own[:-15]
    assert status_of(tidegate, handle) == status_of(tidegate, beginning) == "open"
    assert tidegate("incident", "ack", handle).code == 0
    assert tidegate("incident", "close", beginning, "--reason", "false_alarm").code == 0
    wait_until(lambda: ended(tidegate, id), PATIENCE, "the workflow to end")
    shown = tidegate("incident", "show", handle).out
    assert f"incident     {handle}\n" in shown
    assert f"ID           {own}\n" in shown
    assert f"incident {handle}: cannot acknowledge" in tidegate("incident", "ack", handle).err
    assert tidegate("incident", "report", handle).code == 0
    follow = tidegate("incident", "open", "--follows", handle, "--json")
    assert follow.json["follows"] == own


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_shell_completes_the_handles_of_incidents_that_a_command_may_be_for(
    tidegate: Tidegate, desk: Desk, shell: str
) -> None:
    closed, running = (desk.report(title, service="shell") for title in ("Over", "It's $HOME"))
    handles = [handle_of(opened(tidegate, id)["id"]) for id in (closed, running)]
    assert tidegate("incident", "close", handles[0], "--reason", "duplicate").code == 0
    wait_until(lambda: ended(tidegate, closed), PATIENCE, "the workflow to end")

    def completes(arguments: str, handle: str) -> str:
        def look() -> str | None:  # a slow machine completes nothing in time
            answer = completed(shell, f"tidegate incident {arguments}", desk.env)
            return answer if handle in answer else None

        answer: str = wait_until(look, PATIENCE, f"{handle} to complete")
        return answer

    answer = completes("ack ", handles[1])
    assert handles[0] not in answer
    if shell == "zsh":
        assert f'"{handles[1]}":"It s  HOME"' in answer
    assert completes(f"show {handles[0][:5]}", handles[0])


def test_a_phone_shows_lists_and_incidents_in_its_width(tidegate: Tidegate, desk: Desk) -> None:
    own = opened(tidegate, desk.report("The checkout is slow " * 5, service="phone"))["id"]
    phone = {**os.environ, **desk.env, "TTY_COMPATIBLE": "1", "COLUMNS": "45", "NO_COLOR": "1"}

    def printed(*arguments: str) -> list[str]:
        done = subprocess.run(
            [program("tidegate"), "incident", *arguments],
            env=phone,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return re.sub(r"\x1b\[[0-9;]*m", "", done.stdout).splitlines()

    first, second = printed("list", "--service", "phone")
    assert re.fullmatch(rf"{handle_of(own)}  The checkout .*…", first)
    assert re.fullmatch(r" {8}medium  open  \d+ s  nobody", second)
    shown = printed("show", handle_of(own))
    assert {line for line in (first, *shown) if len(line) > 45} == {f"    {own}"}


def test_what_fits_several_incidents_is_wrong_usage_and_names_them(
    tidegate: Tidegate, desk: Desk
) -> None:
    owns = [opened(tidegate, desk.report(f"Fire {n}"))["id"] for n in (1, 2)]
    refused = tidegate("incident", "ack", "incident:tests:")
    assert refused.code == 2
    first, second, *rest = refused.err.splitlines()
    assert first.startswith("AmbiguousId: 'incident:tests:' fits several: ")
    assert second.startswith("  next: type the handle")
    assert rest == []
    assert f"{handle_of(owns[1])} 'Fire 2'" in first
    assert [status_of(tidegate, own) for own in owns] == ["open", "open"]


def test_an_incident_with_firing_alerts_is_resolved_by_force_only(
    tidegate: Tidegate, desk: Desk
) -> None:
    id = desk.alert("p99", links={"runbook": "https://runbooks.example/p99"})
    opened(tidegate, id)
    shown = tidegate("incident", "show", id).out
    assert "runbook" in shown
    assert "https://runbooks.example/p99" in shown
    refused = tidegate("incident", "resolve", id)
    assert refused.code == 1
    assert "1 of its alerts fires" in refused.err
    assert "--force" in refused.err
    assert tidegate("incident", "resolve", id, "--force").code == 0
    assert "1 firing of 1" in tidegate("incident", "show", id).out


def test_a_command_for_an_incident_never_reaches_the_one_that_followed_it(
    tidegate: Tidegate, desk: Desk
) -> None:
    id = desk.alert("p99")
    first = opened(tidegate, id)["id"]
    assert tidegate("incident", "close", id, "--reason", "duplicate").code == 0
    wait_until(lambda: ended(tidegate, id), PATIENCE, "the first one to end")
    desk.alert("p99", id=id)
    second = opened(tidegate, id)["id"]
    assert second != first

    for page in (first, handle_of(first)):
        refused = tidegate("incident", "ack", page)
        assert refused.code == 1
        assert f"{handle_of(first)}, which is over; {handle_of(second)} follows it" in refused.err
    assert status_of(tidegate, second) == "open"
    assert tidegate("incident", "ack", second).code == 0
    assert status_of(tidegate, first) == "closed"
    assert status_of(tidegate, id) == "acknowledged"


def test_tools_receive_the_page_and_its_follow_ups(tidegate: Tidegate, desk: Desk) -> None:
    id = desk.report(service="tools", severity="critical")
    own = opened(tidegate, id)["id"]

    def received(path: str, *kinds: str) -> None:
        field = "kind" if path == "/tool" else "event_action"

        def look() -> bool:
            bodies = [json.loads(body) for where, _, body in desk.site.got if where == path]
            return [body[field] for body in bodies] == list(kinds)

        wait_until(look, PATIENCE, f"{kinds} at {path}")

    received("/tool", "page")
    received("/duty", "trigger")
    assert tidegate("incident", "ack", id).code == 0
    received("/tool", "page", "acknowledged")
    received("/duty", "trigger", "acknowledge")
    assert tidegate("incident", "resolve", id).code == 0
    received("/tool", "page", "acknowledged", "resolved")
    received("/duty", "trigger", "acknowledge", "resolve")

    ids = set()
    for path, headers, body in desk.site.got:
        assert json.loads(body)["dedup_key"] == own
        if path == "/tool":
            Webhook(SECRET).verify(body, headers)
            ids.add(headers["webhook-id"])
    assert len(ids) == 3
    assert f"{own}/level-1/repeat-1/tool" in ids
    shown = tidegate("incident", "show", id).out
    assert "Page delivered to tool" in shown
    assert "a-routing-key" not in shown


@pytest.fixture
def watcher(desk: Desk, tmp_path: Path) -> Iterator[Any]:
    """Starts `show --watch` or `list --watch`, which print to a file."""
    running: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> tuple[subprocess.Popen[bytes], Path]:
        printed = tmp_path / "printed"
        command = ["incident", *arguments, "--watch", "--every", "0.2"]
        with printed.open("wb") as file:
            running.append(
                subprocess.Popen(
                    [
                        sys.executable,
                        "-c",
                        "from core.cli.program import program; program()",
                        *command,
                    ],
                    env={**os.environ, **desk.env, "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
                    stdout=file,
                    stderr=subprocess.STDOUT,
                )
            )
        return running[-1], printed

    yield start
    for process in running:
        process.kill()
        process.wait()


def test_escalate_pages_the_next_level_of_an_acknowledged_incident_and_unack_ends_a_snooze(
    tidegate: Tidegate, desk: Desk
) -> None:
    id = desk.report(service="tools-in-two-levels")
    own = opened(tidegate, id)["id"]
    assert tidegate("incident", "ack", id).code == 0
    assert tidegate("incident", "escalate", id, "--note", "the database, too").out == (
        f"{handle_of(own)} escalated to level 2: duty; ana still has it\n"
    )
    wait_until(
        lambda: "Page delivered to duty" in tidegate("incident", "show", id).out,
        PATIENCE,
        "the page to level 2",
    )
    assert tidegate("incident", "snooze", id, "--for", "2h").code == 0
    assert tidegate("incident", "unack", id).out == (
        f"{handle_of(own)} open again: level 1 is paged: tool\n"
    )
    shown = tidegate("incident", "show", id, "--json").json
    assert shown["incident"]["snoozed_until"] is None
    texts = [entry["text"] for entry in shown["timeline"]]
    assert "Escalated to level 2: duty: the database, too" in texts
    assert "Snooze ended: ana gave the incident back" in texts


def test_show_watch_ends_when_the_incident_closes(
    tidegate: Tidegate, desk: Desk, watcher: Any
) -> None:
    id = desk.report()
    opened(tidegate, id)
    process, printed = watcher("show", id)
    wait_until(lambda: "Opened with severity" in printed.read_text(), PATIENCE, "the timeline")
    assert tidegate("incident", "ack", id).code == 0
    wait_until(lambda: "now acknowledged" in printed.read_text(), PATIENCE, "the change")
    assert tidegate("incident", "close", id, "--reason", "cancelled").code == 0
    assert process.wait(PATIENCE) == 0
    text = printed.read_text()
    assert text.count("Opened with severity") == 1
    assert text.count("Acknowledged") == 1
    assert "now closed (cancelled)" in text
    assert "ana (CLI)       Closed (cancelled)" in text


def test_list_watch_prints_every_change(tidegate: Tidegate, desk: Desk, watcher: Any) -> None:
    service = f"shop-{uuid4()}"
    process, printed = watcher("list", "--service", service, "--json")
    wait_until(lambda: printed.read_text() == "[]\n", PATIENCE, "an empty list")
    id = desk.report(service=service)
    wait_until(lambda: '"open"' in printed.read_text(), PATIENCE, "the incident")
    assert tidegate("incident", "ack", id).code == 0
    wait_until(lambda: '"acknowledged"' in printed.read_text(), PATIENCE, "the change")
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 0
    lists = [json.loads(line) for line in printed.read_text().splitlines()]
    assert [i["status"] for incidents in lists for i in incidents][-1] == "acknowledged"


def test_watch_ends_with_ctrl_c(tidegate: Tidegate, desk: Desk, watcher: Any) -> None:
    id = desk.report()
    opened(tidegate, id)
    process, printed = watcher("show", id, "--json")
    wait_until(lambda: printed.read_text().endswith("}\n"), PATIENCE, "the first line")
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 0
    assert "Traceback" not in printed.read_text()


def test_the_report_of_an_open_incident_does_not_exist_yet(tidegate: Tidegate, desk: Desk) -> None:
    id = desk.report()
    opened(tidegate, id)
    early = tidegate("incident", "report", id)
    assert early.code == 1
    assert "is open and has no report yet" in early.err


def test_a_report_outlives_the_retention_of_its_incident(
    tidegate: Tidegate, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_REPORTS", f"file://{tmp_path}/")
    gone = "incident-forgotten@20260102T030405.678Z"
    missing = tidegate("incident", "report", gone)
    assert missing.code == 1
    assert "DocumentNotFound" in missing.err
    folder = tmp_path / folder_name(gone)
    folder.mkdir()
    (folder / "report.md").write_text("# What happened\n")
    assert tidegate("incident", "report", gone).out == "# What happened\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("snooze", "incident:1"),
        ("snooze", "incident:1", "soon"),
        ("snooze", "incident:1", "1h", "--until", "2026-01-02T03:04:05Z"),
        ("snooze", "incident:1", "--until", "tomorrow"),
        ("open",),
        ("open", "It burns", "--severity", "dreadful"),
        ("assign", "incident:1"),
        ("assign", "incident:1", "--to", "ana", "--nobody"),
        ("severity", "incident:1", "dreadful"),
        ("close", "incident:1", "--reason", "bored"),
        ("list", "--older-than", "ages"),
        ("list", "--status", "strange"),
    ],
    ids=" ".join,
)
def test_contradictory_or_invalid_arguments_are_wrong_usage(
    tidegate: Tidegate, arguments: tuple[str, ...]
) -> None:
    assert tidegate("incident", *arguments).code == 2


def test_an_unknown_incident_is_reported_with_the_next_step(tidegate: Tidegate) -> None:
    missing = tidegate("incident", "ack", "incident:nowhere")
    assert missing.code == 1
    assert "IncidentNotFound" in missing.err
    assert "tidegate incident list" in missing.err
