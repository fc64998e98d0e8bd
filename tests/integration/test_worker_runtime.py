"""A worker as a process: what it needs to start, how it says how it is, and how it stops."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from core.adapters import temporal_admin
from core.contracts import INCIDENT_TASK_QUEUE, INCIDENT_WORKFLOW, UPDATE_RESOLVE
from core.domain.event import DOCUMENT_CREATED, DocumentRef, Event
from core.errors import ConfigurationError, TemporalUnavailable
from infra.local.processes import ROOT, Processes, free_port, wait_until
from infra.local.temporal import TemporalServer, start_temporal
from workers import runtime

PATIENCE = 60.0


@dataclass
class WorkerProcess:
    """`python -m workers.incident.run_worker` with settings of its own."""

    process: subprocess.Popen[str]
    health: int
    lines: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout:
            for line in self.process.stdout:
                self.lines.append(json.loads(line))  # a line that is not JSON fails the test

    def ask(self, path: str) -> tuple[int, str]:
        """Status and text of a probe; (0, "") while nobody listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health}{path}") as answer:
                return answer.status, json.load(answer)["status"]
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)["status"]
        except OSError:
            return 0, ""

    def wait_for(self, path: str, status: int, text: str | None = None) -> None:
        def answers() -> bool:
            found = self.ask(path)
            return found[0] == status and text in (None, found[1])

        wait_until(answers, PATIENCE, f"{path} to answer {status} {text}", check=self.must_run)

    def must_run(self) -> None:
        assert self.process.poll() is None, f"the worker has ended: {self.lines}"

    def says(self, text: str) -> Callable[[], list[dict[str, Any]]]:
        return lambda: [line for line in self.lines if text in line["message"]]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.end()

    def end(self) -> int:
        """The exit code, once it has one and everything it said is read."""
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code


Start = Callable[..., WorkerProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[WorkerProcess] = []

    def start_worker(**settings: str | None) -> WorkerProcess:
        health = free_port()
        given: dict[str, str | None] = {
            "TIDEGATE_HEALTH_ADDRESS": f"127.0.0.1:{health}",
            "TIDEGATE_QUARANTINE": f"file://{tmp_path}/quarantine/",
            "TIDEGATE_DOCUMENTS": f"file://{tmp_path}/documents/",
            "TIDEGATE_REPORTS": f"file://{tmp_path}/reports/",
            **settings,
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "workers.incident.run_worker"],
            cwd=ROOT,
            env=os.environ | {name: value for name, value in given.items() if value is not None},
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(WorkerProcess(process, health))
        return started[-1]

    yield start_worker
    for worker in started:
        if worker.process.poll() is None:
            worker.process.kill()
        worker.end()


def nowhere() -> str:
    return f"127.0.0.1:{free_port()}"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, "no Temporal server is configured (set TEMPORAL_ADDRESS"),
        ({"TIDEGATE_ACK_TIMEOUT": "soon"}, "TIDEGATE_ACK_TIMEOUT='soon': not a number"),
        ({"TIDEGATE_QUARANTINE": None}, "TIDEGATE_QUARANTINE is not set"),
        ({"TIDEGATE_METRICS_ADDRESS": "192.0.2.1:1"}, "TIDEGATE_METRICS_ADDRESS='192.0.2.1:1'"),
        ({"TIDEGATE_HEALTH_ADDRESS": "192.0.2.1:1"}, "TIDEGATE_HEALTH_ADDRESS='192.0.2.1:1'"),
    ],
)
def test_a_wrong_setting_ends_the_worker_with_2_and_its_name(
    start: Start, settings: dict[str, str | None], reason: str
) -> None:
    worker = start(**settings)
    assert worker.end() == runtime.MISCONFIGURED
    assert worker.says(f"cannot start: {reason}")()


def test_a_namespace_that_is_not_there_ends_the_worker_with_2(
    start: Start, temporal_server: TemporalServer
) -> None:
    worker = start(TEMPORAL_ADDRESS=temporal_server.address, TEMPORAL_NAMESPACE="nobodys")
    assert worker.end() == runtime.MISCONFIGURED
    assert worker.says("Namespace nobodys is not found")()


def test_it_waits_for_temporal_and_then_takes_work(start: Start, tmp_path: Path) -> None:
    port, processes = free_port(), Processes(tmp_path / "logs")
    worker = start(TEMPORAL_ADDRESS=f"127.0.0.1:{port}")
    worker.wait_for("/healthz", 200, "up")
    wait_until(worker.says("waiting for Temporal, next try in 2 s"), PATIENCE, "a second try")
    assert worker.ask("/readyz") == (503, "waiting for Temporal")
    start_temporal(processes, os.environ, port=port)
    try:
        worker.wait_for("/readyz", 200, "ready")
    finally:
        processes.stop()
    worker.wait_for("/readyz", 503, "Temporal does not answer")
    assert worker.ask("/healthz") == (200, "up")
    assert worker.stop() == runtime.DRAINED


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_can_be_stopped_while_it_waits(start: Start, number: signal.Signals) -> None:
    worker = start(TEMPORAL_ADDRESS=nowhere())
    wait_until(worker.says("waiting for Temporal"), PATIENCE, "the first try")
    assert worker.stop(number) == runtime.DRAINED


def test_metrics_are_served_where_they_are_asked_for(
    start: Start, temporal_server: TemporalServer
) -> None:
    metrics = nowhere()
    worker = start(TEMPORAL_ADDRESS=temporal_server.address, TIDEGATE_METRICS_ADDRESS=metrics)
    worker.wait_for("/readyz", 200)
    with urllib.request.urlopen(f"http://{metrics}/metrics") as answer:
        assert b"temporal_" in answer.read()
    assert worker.ask("/elsewhere")[0] == 404
    assert worker.stop() == runtime.DRAINED


class Hook:
    """A web hook that answers only when allowed to."""

    def __init__(self) -> None:
        self.called, self.answering = threading.Event(), threading.Event()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                hook.called.set()
                hook.answering.wait(PATIENCE)
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.answering.set()
    hook.server.shutdown()
    hook.server.server_close()


async def test_sigterm_lets_a_page_under_way_finish_and_the_next_worker_goes_on(
    start: Start,
    temporal_server: TemporalServer,
    temporal_client: Client,
    hook: Hook,
    tmp_path: Path,
) -> None:
    settings = {
        "TEMPORAL_ADDRESS": temporal_server.address,
        "TIDEGATE_PAGE_URLS": f"json://127.0.0.1:{hook.server.server_port}/?rto=60",
    }
    first = start(**settings)
    first.wait_for("/readyz", 200)
    id = f"incident:{uuid4()}"
    handle = await temporal_client.start_workflow(
        INCIDENT_WORKFLOW, upload(tmp_path), id=id, task_queue=INCIDENT_TASK_QUEUE
    )
    wait_until(hook.called.is_set, PATIENCE, "the page", check=first.must_run)

    first.process.send_signal(signal.SIGTERM)
    first.wait_for("/readyz", 503, "draining")
    hook.answering.set()
    assert first.end() == runtime.DRAINED

    second = start(**settings)
    second.wait_for("/readyz", 200)
    command = {"command_id": "c1", "actor": "ana"}
    await handle.execute_update(UPDATE_RESOLVE, command)
    result = await handle.result()
    report = Path(result["reports"][0].removeprefix("file://"))
    assert "Page delivered" in read(report)
    assert second.stop() == runtime.DRAINED

    [opened] = [line for line in first.lines if "Opened with severity" in line["message"]]
    assert opened["workflow_id"] == id
    assert opened["run_id"]
    assert opened["level"] == "INFO"


async def test_the_log_says_what_scaling_and_alarms_are_made_of(
    start: Start, temporal_server: TemporalServer, temporal_client: Client, tmp_path: Path
) -> None:
    worker = start(
        TEMPORAL_ADDRESS=temporal_server.address, TIDEGATE_PAGE_URLS=f"json://{nowhere()}/"
    )
    wait_until(worker.says("backlog"), PATIENCE, "the backlog", check=worker.must_run)
    [said, *_] = worker.says("backlog")()
    assert said["backlog"] >= 0
    assert said["backlog_age_seconds"] >= 0

    handle = await temporal_client.start_workflow(
        INCIDENT_WORKFLOW,
        upload(tmp_path),
        id=f"incident:{uuid4()}",
        task_queue=INCIDENT_TASK_QUEUE,
    )

    def pages_that_failed() -> list[dict[str, Any]]:
        # As the filter PageFailures in infra/aws/workers.yaml has it.
        return [
            line
            for line in worker.lines
            if line.get("activity_type") == "page" and line["level"] == "WARNING"
        ]

    wait_until(pages_that_failed, PATIENCE, "a page that fails", check=worker.must_run)
    await handle.terminate()
    assert worker.stop() == runtime.DRAINED


def upload(folder: Path) -> dict[str, Any]:
    path = folder / "documents" / "a.md"
    path.parent.mkdir()
    path.write_text("# Disk full\n")
    document = DocumentRef(uri=f"file://{path}")
    data = {"document": document.to_wire()}
    return Event(id="1", source="s", type=DOCUMENT_CREATED, key="file:a", data=data).to_wire()


def read(path: Path) -> str:
    return path.read_text()


def answer(status: RPCStatusCode) -> TemporalUnavailable:
    error = TemporalUnavailable(f"Temporal answered {status.name}")
    error.__cause__ = RPCError("no", status, b"")
    return error


async def test_missing_search_attributes_are_named_with_what_to_do(
    temporal_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def missing(client: Client) -> list[str]:
        return ["TidegateStatus"]

    monkeypatch.setattr(temporal_admin, "missing_search_attributes", missing)
    with pytest.raises(ConfigurationError, match=r"lacks .* TidegateStatus \(run `tidegate setup`"):
        await runtime.check_search_attributes(temporal_client)


@pytest.mark.parametrize("status", [RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED])
async def test_who_may_not_list_search_attributes_is_warned_and_goes_on(
    temporal_client: Client,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    status: RPCStatusCode,
) -> None:
    async def refused(client: Client) -> list[str]:
        raise answer(status)

    monkeypatch.setattr(temporal_admin, "missing_search_attributes", refused)
    await runtime.check_search_attributes(temporal_client)
    assert "cannot check the search attributes, going on" in caplog.text


async def test_a_server_that_is_busy_is_asked_again(
    temporal_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(client: Client) -> list[str]:
        raise answer(RPCStatusCode.UNAVAILABLE)

    monkeypatch.setattr(temporal_admin, "missing_search_attributes", busy)
    with pytest.raises(TemporalUnavailable):
        await runtime.check_search_attributes(temporal_client)
