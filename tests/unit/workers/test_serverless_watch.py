"""The scheduled look at serverless workers: what it writes, and that it fails aloud."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio.client import Client

from core import bootstrap, emf
from core.adapters.temporal import admin
from core.contracts import INCIDENT_TASK_QUEUE, ROOT_TASK_QUEUE
from core.errors import SettingsError, TemporalUnavailable
from core.ports.worker_deployment import Build, Deployment, State
from workers.serverless import watch

CONTEXT: Any = SimpleNamespace(aws_request_id="request-1", function_name="tidegate-workers-watch")


@pytest.fixture
def temporal(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What Temporal says: the backlog of each task queue, and the builds; None without any."""
    says: dict[str, Any] = {
        ROOT_TASK_QUEUE: admin.Backlog(0, timedelta()),
        INCIDENT_TASK_QUEUE: admin.Backlog(0, timedelta()),
        "builds": None,
    }

    async def connect(*_: Any) -> Any:
        return object()

    async def backlog(_: Client, task_queue: str) -> admin.Backlog:
        said: admin.Backlog = says[task_queue]
        return said

    class Workers:
        def __init__(self, _: Client, name: str) -> None:
            assert name == "tidegate"

        async def describe(self) -> Deployment | None:
            builds = says["builds"]
            return None if builds is None else Deployment(token=b"", builds=builds)

    monkeypatch.setattr(bootstrap, "connect", connect)
    monkeypatch.setattr(admin, "backlog", backlog)
    monkeypatch.setattr(watch, "TemporalWorkerDeployment", Workers)
    monkeypatch.setattr(emf, "SERVICE", "ours")
    return says


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_it_writes_the_age_of_the_oldest_task_of_all_queues(
    temporal: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    temporal[ROOT_TASK_QUEUE] = admin.Backlog(3, timedelta(seconds=1))
    temporal[INCIDENT_TASK_QUEUE] = admin.Backlog(1, timedelta(seconds=61.25))
    watch.handler({}, CONTEXT)
    [line] = written(capsys)
    [directive] = line["_aws"]["CloudWatchMetrics"]
    assert directive == {
        "Namespace": "Tidegate",
        "Dimensions": [["service"]],
        "Metrics": [
            {"Name": "BacklogAge", "Unit": "Seconds"},
            {"Name": "UnreachableBuilds", "Unit": "Count"},
        ],
    }
    assert (line["service"], line["BacklogAge"], line["UnreachableBuilds"]) == ("ours", 61.2, 0)
    assert line["backlog"] == {ROOT_TASK_QUEUE: 3, INCIDENT_TASK_QUEUE: 1}


def test_without_work_it_writes_zeros_so_that_silence_means_something(
    temporal: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    watch.handler({}, CONTEXT)
    [line] = written(capsys)
    assert (line["BacklogAge"], line["UnreachableBuilds"]) == (0, 0)


def test_only_queues_that_are_served_here_count(
    temporal: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TIDEGATE_SERVED_WORKERS", "incident-worker")
    temporal[ROOT_TASK_QUEUE] = admin.Backlog(9, timedelta(hours=1))
    watch.handler({}, CONTEXT)
    [line] = written(capsys)
    assert (line["BacklogAge"], line["backlog"]) == (0, {INCIDENT_TASK_QUEUE: 0})


def build(id: str, state: State, problem: str = "AccessDenied") -> Build:
    return Build(id=id, state=state, created=datetime.now(UTC), has_function=True, problem=problem)


def test_a_build_that_temporal_cannot_invoke_is_counted_and_named(
    temporal: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    temporal["builds"] = [build("2", State.CURRENT, "AssumeRole: AccessDenied")]
    watch.handler({}, CONTEXT)
    error, line = written(capsys)
    assert error["level"] == "ERROR"
    assert error["message"] == "Temporal cannot invoke build 2: AssumeRole: AccessDenied"
    assert line["UnreachableBuilds"] == 1


@pytest.mark.parametrize(
    ("state", "counts"),
    [
        (State.CREATED, 0),
        (State.INACTIVE, 0),
        (State.CURRENT, 1),
        (State.RAMPING, 1),
        (State.DRAINING, 1),
        (State.DRAINED, 0),
    ],
)
def test_only_builds_that_have_work_count(
    temporal: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    state: State,
    counts: int,
) -> None:
    temporal["builds"] = [build("1", state), build("2", State.CURRENT, problem="")]
    watch.handler({}, CONTEXT)
    assert written(capsys)[-1]["UnreachableBuilds"] == counts


def test_when_it_cannot_ask_the_invocation_fails_and_no_value_is_written(
    temporal: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refuse(*_: Any) -> admin.Backlog:
        raise TemporalUnavailable("temporal.example:7233: no answer in time")

    monkeypatch.setattr(admin, "backlog", refuse)
    with pytest.raises(TemporalUnavailable):
        watch.handler({}, CONTEXT)
    [line] = written(capsys)
    assert line["level"] == "CRITICAL"
    assert "cannot look at the task queues: temporal.example:7233" in line["message"]


def test_a_setting_that_is_wrong_fails_the_invocation(
    temporal: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TIDEGATE_SERVED_WORKERS", "nobody")
    with pytest.raises(SettingsError):
        watch.handler({}, CONTEXT)
    [line] = written(capsys)
    assert "TIDEGATE_SERVED_WORKERS" in line["message"]
