"""A session whose workers fail, or whose tasks do not end: what the invocation says then."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio.worker import SlotPermit

from core import bootstrap
from core.adapters.temporal import admin
from core.contracts import SERVERLESS_DEPLOYMENT, SERVERLESS_RESERVE, WORKERS
from core.errors import ConfigurationError, TemporalUnavailable
from tests.support.lambda_runtime import Context
from workers.runtime import process
from workers.serverless import handler as function
from workers.serverless import session
from workers.serverless.session import Limits, Stuck
from workers.serverless.slots import Kind, Sizes, Work


class Polling:
    """A worker that polls until it is shut down."""

    def __init__(self) -> None:
        self.stopping = asyncio.Event()

    async def run(self) -> None:
        await self.stopping.wait()

    async def shutdown(self) -> None:
        self.stopping.set()


class Failing(Polling):
    """A worker that the SDK gives up."""

    async def run(self) -> None:
        raise RuntimeError("the worker has a fatal error")


class Endless(Polling):
    """A worker whose activity runs on, whatever it is asked to do."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        self._work = work

    async def run(self) -> None:
        self._work.begin(SlotPermit(), Kind.ACTIVITY)
        await asyncio.Event().wait()

    async def shutdown(self) -> None:
        await asyncio.Event().wait()


async def nothing(*_: object, **__: object) -> None:
    """In place of what asks Temporal."""


@pytest.fixture(autouse=True)
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_check", nothing)


def plan(queue: str = "queue", **options: Any) -> process.Plan:
    return process.Plan(task_queue=queue, workflows=[], activities=[], **options)


async def serve(
    monkeypatch: pytest.MonkeyPatch, workers: list[Any], work: Work, *, seconds: float = 600
) -> None:
    """Serve by these workers, one for each plan."""
    made = iter(workers)
    monkeypatch.setattr(process, "worker", lambda *_, **__: next(made))
    async with asyncio.timeout(30):
        await session.serve(
            SimpleNamespace(),  # type: ignore[arg-type]
            [plan() for _ in workers],
            build_id="b1",
            identity="",
            limits=Limits(idle=0.1, first_task=seconds, drain=0, cut_at=time.monotonic() + seconds),
            work=work,
            sizes=Sizes(1, 1, 1),
        )


@pytest.mark.parametrize("first", [True, False])
async def test_a_worker_that_fails_ends_the_others_and_its_error_is_the_invocations(
    first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Polling()
    workers = [Failing(), other] if first else [other, Failing()]
    with pytest.raises(RuntimeError, match="the worker has a fatal error"):
        await serve(monkeypatch, workers, Work())
    assert other.stopping.is_set()


async def test_a_wrong_namespace_is_named_before_what_the_workers_say_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refused(*_: object) -> None:
        raise ConfigurationError("no such namespace", fix="make it")

    monkeypatch.setattr(session, "_check", refused)
    with pytest.raises(ConfigurationError, match="no such namespace"):
        await serve(monkeypatch, [Failing()], Work())


async def test_what_an_activity_needs_and_can_never_work_is_logged_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def impossible() -> None:
        raise ConfigurationError("no such channel", fix="name another")

    monkeypatch.setattr(process, "worker", lambda *_, **__: Polling())
    async with asyncio.timeout(30):
        await session.serve(
            SimpleNamespace(),  # type: ignore[arg-type]
            [plan(prepare=impossible)],
            build_id="b1",
            identity="",
            limits=Limits(idle=0.1, first_task=0.1, drain=0, cut_at=time.monotonic() + 600),
            work=Work(),
            sizes=Sizes(1, 1, 1),
        )
    assert "some activities cannot succeed: no such channel" in caplog.text


async def test_what_runs_on_although_it_is_cut_off_is_left_before_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work, other = Work(), Polling()
    begun = time.monotonic()
    with pytest.raises(Stuck, match="1 tasks run on although they were cut off"):
        await serve(monkeypatch, [Endless(work), other], work, seconds=0.2)
    assert time.monotonic() - begun < 0.2 + SERVERLESS_RESERVE
    assert other.stopping.is_set()


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The function's process, which would connect to nothing."""
    monkeypatch.setenv("TIDEGATE_BUILD_ID", "b1")
    monkeypatch.setenv("TEMPORAL_API_KEY", "a-secret-of-temporal")
    monkeypatch.setattr(function, "_plans", lambda: [plan()])
    monkeypatch.setattr(function, "_runtime", lambda: None)
    monkeypatch.setattr(bootstrap, "connect", nothing)
    function._settings.cache_clear()
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.basicConfig(handlers=handlers, level=level, force=True)
    function._settings.cache_clear()


def metrics(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines() if '"CloudWatchMetrics"' in line]


@pytest.mark.usefixtures("deployed")
@pytest.mark.parametrize(
    ("error", "exits", "logged"),
    [
        (None, None, None),
        (Stuck("1 tasks run on"), SystemExit, "the function is near its deadline: 1 tasks run on"),
        (ConfigurationError("no", fix="yes"), ConfigurationError, "cannot serve: no"),
        (RuntimeError("the worker"), RuntimeError, None),
    ],
)
def test_an_invocation_writes_its_metrics_once_however_it_ends(
    error: Exception | None,
    exits: type[BaseException] | None,
    logged: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def served(*_: object, work: Work, **__: object) -> None:
        page, task = SlotPermit(), SlotPermit()
        work.begin(page, Kind.ACTIVITY)
        work.begin(task, Kind.WORKFLOW)
        work.end(task)
        if error is None:
            work.end(page)
        else:
            raise error

    monkeypatch.setattr(session, "serve", served)
    if exits is None:
        function.handler({}, Context())  # type: ignore[arg-type]
    else:
        with pytest.raises(exits):
            function.handler({}, Context())  # type: ignore[arg-type]
    output = capsys.readouterr().out
    [line] = metrics(output)
    [directive] = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Tidegate"
    assert directive["Dimensions"] == [["service"]]
    assert {each["Name"]: each["Unit"] for each in directive["Metrics"]} == {
        "Wakes": "Count",
        "EmptyWakes": "Count",
        "ColdStarts": "Count",
        "WorkflowTasks": "Count",
        "Activities": "Count",
        "LocalActivities": "Count",
        "CutOffTasks": "Count",
        "BilledSeconds": "Seconds",
        "IdleSeconds": "Seconds",
    }
    assert all(isinstance(line[each["Name"]], int | float) for each in directive["Metrics"])
    assert abs(line["_aws"]["Timestamp"] / 1000 - time.time()) < 60
    assert (line["WorkflowTasks"], line["Wakes"], line["EmptyWakes"]) == (1, 1, 0)
    assert (line["Activities"], line["CutOffTasks"]) == ((1, 0) if error is None else (0, 1))
    assert 0 <= line["IdleSeconds"] <= line["BilledSeconds"] < 50
    assert line["aws_request_id"] == Context.aws_request_id
    assert logged is None or logged in output
    assert "a-secret-of-temporal" not in output


@pytest.mark.parametrize("served", ["", "incident-worker", "root-worker,incident-worker"])
def test_the_workers_that_are_named_are_served_and_without_a_name_all(
    served: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("DOCUMENTS", "REPORTS", "QUARANTINE"):
        monkeypatch.setenv(f"TIDEGATE_{name}", f"{tmp_path.as_uri()}/")
    monkeypatch.setenv("TIDEGATE_SERVED_WORKERS", served)
    function._settings.cache_clear()
    function._plans.cache_clear()
    try:
        queues = {each.task_queue for each in function._plans()}
    finally:
        function._settings.cache_clear()
        function._plans.cache_clear()
    named = served.split(",") if served else [spec.name for spec in WORKERS]
    assert queues == {spec.task_queue for spec in WORKERS if spec.name in named}


async def test_a_worker_is_the_deployments_and_is_bounded_by_the_function(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[dict[str, Any]] = []

    def worker(*_: object, **options: Any) -> Polling:
        made.append(options)
        return Polling()

    monkeypatch.setattr(process, "worker", worker)
    now, work = time.monotonic(), Work()
    limits = Limits(idle=0.1, first_task=0.1, drain=155, cut_at=now + 600)
    async with asyncio.timeout(30):
        await session.serve(
            SimpleNamespace(),  # type: ignore[arg-type]
            [plan("one"), plan("two")],
            build_id="b1",
            identity="invocation@function",
            limits=limits,
            work=work,
            sizes=Sizes(3, 5, 77),
        )
    assert len(made) == 2
    for options in made:
        assert (options["deployment"], options["build_id"]) == (SERVERLESS_DEPLOYMENT, "b1")
        assert options["identity"] == "invocation@function"
        assert options["max_cached_workflows"] == 77
        assert 570 < options["drain_timeout"] <= 600, "the SDK cuts nothing off"
        [time_left] = options["interceptors"]
        assert (time_left._ends_at, time_left._drain) == (limits.cut_at, 155)
        assert time_left._longest_wait == 2 * limits.idle


async def test_the_namespace_is_checked_until_temporal_has_answered_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.undo()
    client, asked = SimpleNamespace(namespace=f"checked-{time.monotonic()}"), []

    async def retention(_: object) -> None:
        asked.append(1)
        if len(asked) == 1:
            raise TemporalUnavailable("not now")

    monkeypatch.setattr(admin, "retention", retention)
    for times in (1, 2, 2):
        await session._check(client, [plan()])  # type: ignore[arg-type]
        assert len(asked) == times
    assert "cannot check the namespace, continuing" in caplog.text
