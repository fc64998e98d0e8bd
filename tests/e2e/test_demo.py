"""`tidegate demo`, `tidegate dev` and `tidegate send` as a person runs them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from core.domain.handles import handle_of
from infra.local.cloud import CLOUDS
from infra.local.endpoints import Endpoints
from infra.local.processes import ROOT, wait_until
from tests import demo_picture
from tests.support.cli import Result, Tidegate
from tests.support.leftovers import marked, new_mark

pytestmark = pytest.mark.slow

PATIENCE = 300.0
UP = "Ctrl-C stops everything"
SAMPLE = ROOT / "infra" / "local" / "sample" / "checkout-latency.md"
FIRING = ROOT / "tests" / "events" / "webhooks" / "alertmanager" / "firing.json"


def tidegate(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from core.cli.program import program; program()", *arguments]


@contextmanager
def started(
    command: list[str], env: dict[str, str], folder: Path
) -> Iterator[subprocess.Popen[str]]:
    """The command with this working folder, its output in `folder/output`; killed at the end."""
    env = {**env, "PYTHONPATH": str(ROOT), "COLUMNS": "120", "PYTHONUNBUFFERED": "1"}
    with (
        (folder / "output").open("w") as output,
        subprocess.Popen(
            command, env=env, cwd=folder, stdout=output, stderr=subprocess.STDOUT, text=True
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def output(folder: Path) -> str:
    return (folder / "output").read_text()


STORES = {"aws": "s3://tidegate-documents", "azure": "azure://tidegatelocal/documents"}
SOURCES = {"aws": "s3:tidegate-documents", "azure": "blob:tidegatelocal/documents"}
"""Where each cloud keeps documents, in their URIs and in the keys of events."""
WAYS = {"aws": "queue:tidegate-messages", "azure": "queue:messages"}
"""Which way messages come in each cloud."""


@pytest.fixture(scope="module")
def printed_demos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the demo of each cloud prints. They run at the same time, because each waits for a
    heartbeat that is expected once a minute."""
    env = new_mark()
    folders: dict[str, Path] = {cloud: tmp_path_factory.mktemp(cloud) for cloud in CLOUDS}
    with ExitStack() as running:
        demos = {
            cloud: running.enter_context(started(tidegate("demo", "--cloud", cloud), env, folder))
            for cloud, folder in folders.items()
        }
        codes = {cloud: process.wait(PATIENCE) for cloud, process in demos.items()}
    printed = {cloud: output(folder) for cloud, folder in folders.items()}
    assert set(codes.values()) == {0}, printed
    assert marked(env) == []
    return printed


@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_demo_tells_the_whole_story(printed_demos: dict[str, str], cloud: str) -> None:
    printed, store, source = printed_demos[cloud], STORES[cloud], SOURCES[cloud]
    hops = [
        "Expected      backup, at * * * * * (UTC); nobody runs it",
        "On call       for shop: ana, by layer weeks, until ",
        "Posted        Alertmanager's alert to http://",
        "Receipt       started incident:webhook:alertmanager:checkout-p99",
        "Opened        Checkout p99 above 8 s",
        "Paged         ana",
        "Repeated      the same by its peer",
        "Receipt       delivered incident:webhook:alertmanager:checkout-p99",
        "Counted       told twice",
        "Escalated     escalation",
        "Acknowledge: tidegate incident ack ",
        "Runbook: https://runbooks.example/checkout-p99",
        "Paged before: level 1: ana/push, not acknowledged for ",
        "Tapped        ana: the link http://127.0.0.1:",
        "Acknowledged  ana (link)",
        "Heard         escalation and ana: Acknowledged by ana: Checkout p99 above 8 s",
        "Recovered     the alert is resolved",
        "Heard         escalation and ana: Resolved by alertmanager: Checkout p99 above 8 s",
        f"Reported      {store}/reports/",
        "The post-incident report",
        "Post-incident report: Checkout p99 above 8 s",
        "Overtaken     a late word of its peer",
        "Held          it may be late",
        "Settled       its peer",
        "Quiet         the incident stays closed",
        "Overridden    ana: ben takes over for an hour",
        "On call       for shop: ben, by an override by ana, until ",
        f"Uploaded      {store}/incidents/checkout-latency.md",
        f"Receipt       started {source}/incidents/checkout-latency.md@",
        "Receipt       duplicate",
        f"Routed        by incident-report: started Incident incident:{source}",
        "Opened        Checkout answers slowly",
        "Paged         ben",
        "Paged as: on call for schedule shop (an override by ana)",
        "Slack         [HIGH] Checkout answers slowly (Open: nobody has it)",
        "Pressed       ben: the button Acknowledge in Slack: 200 OK",
        "Acknowledged  ben (Slack)",
        "Slack         [HIGH] Checkout answers slowly (Acknowledged by ben)",
        "the incident is closed",
        "Slack         [HIGH] Checkout answers slowly (Closed as duplicate)",
        "Waiting       until ",
        "Opened        Heartbeat backup was never heard",
        "Paged         ben",
        "Heard         backup runs again, http://",
        "Receipt       delivered heartbeat:backup",
        "Recovered     Heartbeat backup was never heard: resolved by the beat",
        "Done",
    ]
    place = 0
    for hop in hops:
        place = printed.find(hop, place)
        assert place >= 0, f"{hop!r} did not come, or came too early:\n{printed}"
    if cloud == "aws":
        drawn = demo_picture.drawn_steps(demo_picture.PICTURE.read_text(encoding="utf-8"))
        assert demo_picture.steps(printed) == drawn, "run `make demo-picture`"


def test_the_demo_says_when_serverless_workers_sleep_what_wakes_them_and_what_is_billed(
    tmp_path: Path,
) -> None:
    env = new_mark()
    with started(tidegate("demo", "--workers", "serverless"), env, tmp_path) as process:
        code = process.wait(PATIENCE)
    printed = output(tmp_path)
    assert code == 0, printed
    hops = [
        "Asleep        no worker runs",
        "Posted        Alertmanager's alert to http://",
        "Woken         a worker, by the webhook",
        "Paged         ana",
        "Escalated     escalation",
        "Acknowledged  ana (link)",
        "Heard         escalation and ana: Resolved by alertmanager",
        "Reported      s3://tidegate-documents/reports/",
        "Quiet         the incident stays closed",
        "Routed        by incident-report: started Incident incident:s3:",
        "Acknowledged  ben (Slack)",
        "the incident is closed",
        "Expected      backup",
        "by the heartbeat's timer",
        "Opened        Heartbeat backup was never heard",
        "Recovered     Heartbeat backup was never heard",
        "Asleep        no worker runs",
        "Billed        ",
        "Done",
    ]
    place = 0
    for hop in hops:
        place = printed.find(hop, place)
        assert place >= 0, f"{hop!r} did not come, or came too early:\n{printed}"
    [(invocations, seconds)] = re.findall(r"Billed +(\d+) invocations?, (\d+\.\d) s", printed)
    assert int(invocations) == len(re.findall(r" s  Woken  ", printed))
    assert float(seconds) > 0
    assert marked(env) == []


def test_dev_with_serverless_workers_takes_what_is_sent_and_leaves_no_invocation(
    tmp_path: Path,
) -> None:
    env = new_mark()
    with started(tidegate("dev", "--workers", "serverless"), env, tmp_path) as process:
        wait_until_up(process, tmp_path)
        printed = output(tmp_path)
        assert re.search(r"^ +Workers +asleep until there is a task", printed, re.M)
        shell = ". .tidegate/env && tidegate doctor && tidegate workers status --json"
        done = run(["sh", "-c", shell], env, tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert '"current": "local"' in done.stdout
        sent = run_json(tidegate("send", str(SAMPLE), "--json"), env, tmp_path)
        assert sent["child_id"] == f"incident:{sent['workflow_id']}"
        assert [line for line in marked(env) if "lambda_invocation" in line]
        ends_cleanly(process, signal.SIGTERM, env, tmp_path)


def test_a_demo_that_cannot_work_says_why(tmp_path: Path) -> None:
    env = {**new_mark(), "TIDEGATE_ROUTES": "none.yaml", "TMPDIR": str(tmp_path)}
    with started(tidegate("demo"), env, tmp_path) as process:
        victim = wait_until(
            lambda: next((line for line in marked(env) if "aws.server_main" in line), None),
            PATIENCE,
            "the server of AWS",
        )
        os.kill(int(victim.split()[0]), signal.SIGKILL)
        code = process.wait(PATIENCE)
    printed = output(tmp_path)
    assert code == 1, printed
    assert "The demo uses no settings: not TIDEGATE_ROUTES" in printed
    assert "The demo failed: aws ended with signal SIGKILL" in printed
    assert "\n  next: see its log: " in printed
    assert "Traceback" not in printed
    [logs] = tmp_path.glob("tidegate-demo-*/logs")
    assert str(logs) in printed
    assert marked(env) == []


@pytest.fixture
def dev(tmp_path: Path, cloud: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """A running `tidegate dev` with its marked environment; its folder is `tmp_path`."""
    env = new_mark()
    with started(tidegate("dev", "--cloud", cloud), env, tmp_path) as process:
        wait_until_up(process, tmp_path)
        yield process, env


def wait_until_up(process: subprocess.Popen[str], folder: Path) -> None:
    def is_up() -> bool:
        return UP in output(folder) or process.poll() is not None

    wait_until(is_up, PATIENCE, "the stack to be up")
    assert process.poll() is None, output(folder)


def test_dev_without_the_incident_worker_is_the_front_door_alone_from_its_port_base(
    tmp_path: Path,
) -> None:
    base = 23_400 + os.getpid() % 50 * 10
    env = {**new_mark(), "TEMPORAL_ADDRESS": "cloud.example.com:7233", "AWS_PROFILE": "none"}
    (tmp_path / "routes.yaml").write_text(
        "version: 1\nroutes:\n"
        "  - {name: orders, match: {exact: {type: order}}, workflow: Order, task_queue: orders}\n"
    )
    env["TIDEGATE_ROUTES"] = "routes.yaml"
    command = tidegate("dev", "--without", "incident-worker", "--port-base", str(base))
    with started(command, env, tmp_path) as process:
        wait_until_up(process, tmp_path)
        ends = Endpoints.read(tmp_path / ".tidegate")
        assert ends, output(tmp_path)
        assert ends.temporal == f"127.0.0.1:{base}"
        urls = [f"http://127.0.0.1:{base + number}" for number in range(1, 5)]
        assert [ends.temporal_ui, ends.gateway, ends.pager, ends.cloud["endpoint"]] == urls
        printed = output(tmp_path)
        [unused] = re.findall("does not use these variables of yours: (.*)$", printed, re.M)
        assert {"AWS_PROFILE", "TEMPORAL_ADDRESS"} <= set(unused.split(", "))
        assert "TIDEGATE_ROUTES" not in unused
        for step in ("Temporal", "root-worker", "webhook-listener"):
            assert re.search(rf"^ +\d+\.\d s  {step}$", printed, re.M)
        assert not re.search("incident (list|ack)|Pages|Reports", printed)
        assert not [line for line in marked(env) if "workers.incident" in line]
        script = (tmp_path / ".tidegate" / "env").read_text()
        assert f"TIDEGATE_ROUTES={tmp_path}/routes.yaml\n" in script
        assert not re.search("TIDEGATE_REPORTS|TIDEGATE_PAGE_URLS|TEMPORAL_ADDRESS=cloud", script)
        shell = (
            ". .tidegate/env && tidegate routes check && temporal operator search-attribute list"
        )
        done = run(["sh", "-c", shell], env, tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "route        orders\n" in done.stdout
        assert "TidegateIncidentId" not in done.stdout
        assert len(marked(env)) == 8  # itself, and seven children
        ends_cleanly(process, signal.SIGTERM, env, tmp_path)


def ends_cleanly(
    process: subprocess.Popen[str], number: signal.Signals, env: dict[str, str], folder: Path
) -> None:
    process.send_signal(number)
    assert process.wait(PATIENCE) == 0
    assert "Stopped; no process is left." in output(folder)
    assert "Traceback" not in output(folder)
    assert marked(env) == []
    assert Endpoints.read(folder / ".tidegate") is None


@pytest.mark.parametrize("cloud", ["azure"])  # tests/e2e/test_readme.py has it on AWS
def test_dev_ends_cleanly_by_ctrl_c(
    dev: tuple[subprocess.Popen[str], dict[str, str]], tmp_path: Path
) -> None:
    process, env = dev
    ends_cleanly(process, signal.SIGINT, env, tmp_path)


def test_two_stacks_that_start_at_the_same_moment_both_come_up(tmp_path: Path) -> None:
    env, folders = new_mark(), [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    with (
        started(tidegate("dev"), env, folders[0]) as one,
        started(tidegate("dev"), env, folders[1]) as two,
    ):
        for process, folder in zip((one, two), folders, strict=True):
            wait_until_up(process, folder)
        first, second = (Endpoints.read(folder / ".tidegate") for folder in folders)
        assert first, output(folders[0])
        assert second, output(folders[1])
        for field in ("temporal", "temporal_ui", "gateway", "pager"):
            assert getattr(first, field) != getattr(second, field)
        assert first.cloud["endpoint"] != second.cloud["endpoint"]
        assert "is used for Temporal\n" in "".join(output(folder) for folder in folders)
        sent = [run_json(tidegate("send", str(SAMPLE), "--json"), env, f) for f in folders]
        assert sent[0]["child_id"] != sent[1]["child_id"]


@pytest.fixture
def send_here(
    dev: object,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Tidegate:
    """The command in this process and the stack's folder, with the variables of a shell that uses
    the stack: a process for each would take longer than all that they do."""
    monkeypatch.chdir(tmp_path)
    ends = Endpoints.read(tmp_path / ".tidegate")
    assert ends
    for name, text in ends.env.items():
        monkeypatch.setenv(name, text)
    here: Tidegate = request.getfixturevalue("tidegate")
    return here


@pytest.mark.parametrize("cloud", CLOUDS)
def test_dev_takes_what_is_sent_even_after_a_crash_and_leaves_nothing_when_it_is_killed(
    dev: tuple[subprocess.Popen[str], dict[str, str]],
    tmp_path: Path,
    cloud: str,
    send_here: Tidegate,
) -> None:
    process, env = dev
    store, source = STORES[cloud], SOURCES[cloud]
    assert len(marked(env)) == 10  # itself, and nine children
    _the_smoke_command_that_is_printed_works(env, tmp_path)
    victim = next(line for line in marked(env) if "workers.root_orchestrator" in line)
    os.kill(int(victim.split()[0]), signal.SIGKILL)
    wait_until(lambda: "Starting it again." in output(tmp_path), PATIENCE, "the restart")
    assert "root-worker ended with signal SIGKILL" in output(tmp_path)

    sent = run_json(tidegate("send", str(SAMPLE), "--json"), env, tmp_path)
    assert sent["uri"] == f"{store}/incidents/{SAMPLE.name}"
    assert sent["workflow_id"].startswith(f"{source}/incidents/{SAMPLE.name}@")
    assert sent["child_id"] == f"incident:{sent['workflow_id']}"
    assert f"/namespaces/default/workflows/{quote(source, safe='')}%2F" in sent["link"]

    message = tmp_path / "message.json"
    message.write_text(
        json.dumps(
            {
                "specversion": "1.0",
                "id": "7",
                "source": "/shop",
                "type": "com.example.incident.reported",
                "subject": "checkout",
                "data": {"title": "Checkout is down"},
            }
        )
    )
    sent = run_json(tidegate("send", "--message", str(message), "--json"), env, tmp_path)
    assert sent["workflow_id"] == f"{WAYS[cloud]}/ce:/shop#7"
    assert sent["child_id"] == f"incident:event:{WAYS[cloud]}:/shop#checkout"

    message.write_text("[1, 2")
    sent = run_json(tidegate("send", "--message", str(message), "--json"), env, tmp_path, code=1)
    assert sent["refused"].startswith("InvalidEvent: the body is not JSON")
    assert sent["next"].startswith(". .tidegate/env; tidegate quarantine show ")

    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG")
    sent = run_json(tidegate("send", str(picture), "--json"), env, tmp_path, code=1)
    assert sent["refused"].startswith(f"NoRoute: event {source}/incidents/picture.png@")
    printed = run(tidegate("send", "--message", str(picture)), env, tmp_path).stderr
    assert "picture.png is not UTF-8 text" in printed
    assert "Traceback" not in printed
    _a_webhook_says_what_became_of_it(send_here, tmp_path)
    if cloud == "aws":  # what follows is the same in every cloud
        _every_way_in_says_what_became_of_it(send_here, tmp_path)

    if sys.platform == "linux":  # nothing else kills a child with its parent
        process.kill()
        process.wait(PATIENCE)
        wait_until(lambda: not marked(env), PATIENCE, "every child to end")


def _the_smoke_command_that_is_printed_works(env: dict[str, str], folder: Path) -> None:
    printed = output(folder)
    [command] = [line.strip() for line in printed.splitlines() if "tidegate smoke" in line]
    shell = f". .tidegate/env && echo $MESSAGES_QUEUE_URL && {command}"
    done = run(["sh", "-c", shell], env, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    queue = done.stdout.splitlines()[0]
    assert queue.startswith("http://127.0.0.1:")
    assert re.search(rf"Messages go to +{re.escape(queue)} *$", printed, re.MULTILINE)


def _a_webhook_says_what_became_of_it(send: Tidegate, folder: Path) -> None:
    """What is kept, opens an incident, was sent before, or is not signed."""
    (folder / "empty.md").touch()
    _is_kept(send, send("send", "--hook", "events", "empty.md", "--json"), "InvalidEvent")
    shutil.copy(FIRING, folder / "firing.json")
    opened = send("send", "--hook", "alertmanager", "firing.json")
    assert (opened.code, " opened: Checkout p99 above 8 s\n" in opened.out) == (0, True), opened
    repeated = send("send", "--hook", "alertmanager", "firing.json")
    assert repeated.code == 0
    assert "duplicate: it fires already in incident " in repeated.out
    forged = send("send", "--hook", "alertmanager", "firing.json", "-H", "Authorization: Bearer x")
    assert forged.code == 1
    assert "answer       401 Unauthorized\nrefused: NotVerified: " in forged.out


def _every_way_in_says_what_became_of_it(send: Tidegate, folder: Path) -> None:
    """What is refused, accepted, and sent before. A handle that is printed is one that commands
    take."""
    files = {"broken-report.md": "no title", "half.json": '{"title": "x', "empty.md": ""}
    for name, content in files.items():
        (folder / name).write_text(content)
        _is_kept(send, send("send", name, "--json"), "InvalidReport")
    _is_kept(send, send("send", "--message", "half.json", "--json"), "InvalidEvent")

    event = {"specversion": "1.0", "source": "/shop", "type": "com.example.incident.reported"}
    down = {**event, "id": "9", "subject": "cart", "data": {"title": "The cart is down"}}
    (folder / "down.json").write_text(json.dumps(down))
    for way in (("--message",), ("--hook", "events")):
        first = send("send", *way, "down.json", "--json")
        assert (first.code, first.json["outcomes"][0]["result"]) == (0, "accepted"), first
        again = send("send", *way, "down.json")
        handle = first.json["outcomes"][0]["incident"]["handle"]
        assert again.code == 0
        assert f"duplicate: incident {handle} has it: The cart is down\n" in again.out
        assert send("incident", "show", handle, "--json").json["incident"]["title"] in again.out

    unwaited = send("send", "--no-wait", "--hook", "alertmanager", "firing.json")
    assert (unwaited.code, "accepted: workflow incident:" in unwaited.out) == (0, True), unwaited

    batch = [down, {**event, "id": "10", "type": "nowhere"}, {"specversion": "1.0"}]
    (folder / "batch.json").write_text(json.dumps(batch))
    mixed = send("send", "--message", "batch.json")
    assert mixed.code == 1
    assert "3 events: 1 duplicate, 2 refused\n" in mixed.out
    nobody = send("send", "--hook", "nowhere", "down.json")
    assert (nobody.code, "there is no webhook 'nowhere'" in nobody.err) == (2, True)


def _is_kept(send: Tidegate, refused: Result, code: str) -> None:
    assert refused.code == 1, refused
    [outcome] = refused.json["outcomes"]
    assert (outcome["result"], outcome["code"]) == ("refused", code)
    assert refused.json["next"] == f"tidegate quarantine show {handle_of(outcome['record'])}"
    kept = send("quarantine", "show", outcome["record_handle"], "--json").json
    assert (kept["id"], kept["code"]) == (outcome["record"], code)


def run_json(
    command: list[str], env: dict[str, str], folder: Path, *, code: int = 0
) -> dict[str, str]:
    done = run(command, env, folder)
    assert done.returncode == code, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def run(command: list[str], env: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env={**env, "PYTHONPATH": str(ROOT), "COLUMNS": "500"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
