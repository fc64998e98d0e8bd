"""A worker as a process: how it starts, reports its health, and stops."""

from __future__ import annotations

import signal
import urllib.request
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from core.adapters.temporal import admin
from core.contracts import INCIDENT_TASK_QUEUE, INCIDENT_WORKFLOW, SEARCH_ATTRIBUTES
from core.domain.incident import commands
from core.errors import ConfigurationError, TemporalUnavailable
from infra.local.loopback import Ports
from infra.local.processes import wait_until
from infra.local.temporal import TemporalServer
from tests.support.temporal import own_server
from tests.support.web import Site
from tests.support.worker_process import PATIENCE, Start, upload
from workers.runtime import process


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, "no Temporal server is configured (set TEMPORAL_ADDRESS"),
        ({"TIDEGATE_ACK_TIMEOUT": "soon"}, "TIDEGATE_ACK_TIMEOUT: not a number"),
        ({"TIDEGATE_QUARANTINE": None}, "TIDEGATE_QUARANTINE is not set"),
        ({"TIDEGATE_PAGE_URLS": "slak://hunter2"}, "TIDEGATE_PAGE_URLS: on-call: apprise knows no"),
        ({"TIDEGATE_METRICS_ADDRESS": "192.0.2.1:1"}, "TIDEGATE_METRICS_ADDRESS='192.0.2.1:1'"),
        ({"TIDEGATE_HEALTH_ADDRESS": "192.0.2.1:1"}, "TIDEGATE_HEALTH_ADDRESS='192.0.2.1:1'"),
    ],
)
def test_an_invalid_setting_exits_with_2_and_is_named(
    start: Start, settings: dict[str, str | None], reason: str
) -> None:
    worker = start(**settings)
    assert worker.end() == process.MISCONFIGURED
    assert worker.says(f"cannot start: {reason}")()
    assert not worker.says("hunter2")()


def test_a_missing_namespace_exits_with_2(start: Start, temporal_server: TemporalServer) -> None:
    worker = start(TEMPORAL_ADDRESS=temporal_server.address, TEMPORAL_NAMESPACE="nobodys")
    assert worker.end() == process.MISCONFIGURED
    assert worker.says("Temporal has no namespace 'nobodys'")()


def test_it_waits_for_temporal_and_then_takes_work(start: Start, tmp_path: Path) -> None:
    with own_server(tmp_path) as server:
        server.wait()
        server.child.kill()
        worker = start(TEMPORAL_ADDRESS=server.address)
        worker.wait_for("/healthz", 200, "up")
        wait_until(worker.says("waiting for Temporal, next try in 2 s"), PATIENCE, "a second try")
        assert worker.ask("/readyz") == (503, "waiting for Temporal")
        server.restart()
        worker.wait_for("/readyz", 200, "ready")
    worker.wait_for("/readyz", 503, "Temporal does not answer")
    assert worker.ask("/healthz") == (200, "up")
    assert worker.stop() == process.DRAINED


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_can_be_stopped_while_it_waits(
    start: Start, number: signal.Signals, closed_port: int
) -> None:
    worker = start(TEMPORAL_ADDRESS=f"127.0.0.1:{closed_port}")
    wait_until(worker.says("waiting for Temporal"), PATIENCE, "the first try")
    assert worker.stop(number) == process.DRAINED


def test_metrics_are_served_where_configured(start: Start, temporal_server: TemporalServer) -> None:
    with closing(Ports()) as ports:
        metrics = f"127.0.0.1:{ports.reserve('metrics')}"
        worker = start(TEMPORAL_ADDRESS=temporal_server.address, TIDEGATE_METRICS_ADDRESS=metrics)
        worker.wait_for("/readyz", 200)
        with urllib.request.urlopen(f"http://{metrics}/metrics") as answer:
            assert b"temporal_" in answer.read()
        assert worker.ask("/elsewhere")[0] == 404
        assert worker.stop() == process.DRAINED


async def test_sigterm_lets_a_page_in_flight_finish_and_the_next_worker_continues(
    start: Start,
    temporal_server: TemporalServer,
    temporal_client: Client,
    site: Site,
    tmp_path: Path,
) -> None:
    settings = {
        "TEMPORAL_ADDRESS": temporal_server.address,
        "TIDEGATE_PAGE_URLS": f"{site.apprise_url()}?rto=60",
    }
    site.answering.clear()
    first = start(**settings)
    first.wait_for("/readyz", 200)
    id = f"incident:{uuid4()}"
    handle = await temporal_client.start_workflow(
        INCIDENT_WORKFLOW, upload(tmp_path), id=id, task_queue=INCIDENT_TASK_QUEUE
    )
    wait_until(lambda: bool(site.got), PATIENCE, "the page", check=first.must_run)

    first.process.send_signal(signal.SIGTERM)
    first.wait_for("/readyz", 503, "draining")
    site.answering.set()
    assert first.end() == process.DRAINED

    second = start(**settings)
    second.wait_for("/readyz", 200)
    command = {"command_id": "c1", "actor": "ana"}
    await handle.execute_update(commands.Resolve.name, command)
    result = await handle.result()
    report = Path(result["reports"][0].removeprefix("file://"))
    assert "Page delivered" in read(report)
    assert second.stop() == process.DRAINED

    [opened] = [line for line in first.lines if "Opened with severity" in line["message"]]
    assert opened["workflow_id"] == id
    assert opened["run_id"]
    assert opened["level"] == "INFO"


def read(path: Path) -> str:
    return path.read_text()


def answer(status: RPCStatusCode) -> TemporalUnavailable:
    error = TemporalUnavailable(f"Temporal answered {status.name}")
    error.__context__ = RPCError("no", status, b"")
    return error


async def test_missing_search_attributes_are_named_with_the_fix(
    temporal_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def missing(client: Client, names: Sequence[str]) -> list[str]:
        return ["TidegateStatus"]

    monkeypatch.setattr(admin, "missing_search_attributes", missing)
    with pytest.raises(ConfigurationError, match=r"lacks .* TidegateStatus \(run `tidegate setup`"):
        await process.check_search_attributes(temporal_client, SEARCH_ATTRIBUTES)


@pytest.mark.parametrize("status", [RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED])
async def test_a_worker_that_may_not_list_search_attributes_warns_and_continues(
    temporal_client: Client,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    status: RPCStatusCode,
) -> None:
    async def refused(client: Client, names: Sequence[str]) -> list[str]:
        raise answer(status)

    monkeypatch.setattr(admin, "missing_search_attributes", refused)
    await process.check_search_attributes(temporal_client, SEARCH_ATTRIBUTES)
    assert "cannot check the search attributes, continuing" in caplog.text


async def test_a_busy_server_is_retried(
    temporal_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(client: Client, names: Sequence[str]) -> list[str]:
        raise answer(RPCStatusCode.UNAVAILABLE)

    monkeypatch.setattr(admin, "missing_search_attributes", busy)
    with pytest.raises(TemporalUnavailable):
        await process.check_search_attributes(temporal_client, SEARCH_ATTRIBUTES)
