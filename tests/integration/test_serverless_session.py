"""The workers' function on a real server: when an invocation ends, and that nothing is lost when a
task comes at its end."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle

from core.adapters.temporal.connection import data_converter
from core.errors import SettingsError, TemporalUnavailable
from infra.local.temporal import TemporalServer
from tests.support.eventually import eventually
from tests.support.grpc_proxy import Proxy
from tests.support.lambda_runtime import Context, invoke
from tests.support.once import Once, succeed_at
from tests.support.temporal import own_server
from workers.runtime import process
from workers.serverless import handler as function
from workers.serverless import session
from workers.serverless.slots import Kind, Sizes, Work

TIMED_OUT = EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT
STARTED = EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED


@pytest.fixture
def plan() -> process.Plan:
    return process.Plan(task_queue=f"once-{uuid4()}", workflows=[Once], activities=[succeed_at])


@pytest.fixture(autouse=True)
def unversioned(monkeypatch: pytest.MonkeyPatch) -> None:
    """The workers serve whatever waits: no build of theirs is deployed here."""
    worker = process.worker
    monkeypatch.setattr(
        process, "worker", lambda *args, **options: worker(*args, **{**options, "build_id": None})
    )


@pytest.fixture
def deployed(
    plan: process.Plan, monkeypatch: pytest.MonkeyPatch, temporal_settings: None
) -> Iterator[None]:
    """The function's environment, in a process that has not been invoked yet."""
    variables = {
        "TIDEGATE_BUILD_ID": "b1",
        "TIDEGATE_IDLE_TIMEOUT": "2",
        "TIDEGATE_FIRST_TASK_TIMEOUT": "30",
        "TIDEGATE_DRAIN_TIMEOUT": "10",
        "TIDEGATE_START_TIMEOUT": "1",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(function, "_plans", lambda: [plan])
    function._settings.cache_clear()
    yield
    function._settings.cache_clear()


async def connect(address: str) -> Client:
    return await Client.connect(address, data_converter=data_converter())


async def start(client: Client, plan: process.Plan, attempt: int = 1, **options: Any) -> Any:
    return await client.start_workflow(
        Once.run, attempt, id=f"once-{uuid4()}", task_queue=plan.task_queue, **options
    )


async def events(handle: WorkflowHandle[Any, Any], kind: EventType.ValueType) -> int:
    return len([e async for e in handle.fetch_history_events() if e.event_type == kind])


def metrics(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines() if '"CloudWatchMetrics"' in line]


@pytest.mark.usefixtures("deployed")
async def test_an_invocation_does_what_waits_and_ends(
    plan: process.Plan, temporal_client: Client, capfd: pytest.CaptureFixture[str]
) -> None:
    handle = await start(temporal_client, plan)
    await invoke(function.handler, {}, seconds=60)
    assert await asyncio.wait_for(handle.result(), 5) == 1
    [line] = metrics(capfd.readouterr().out)
    counted = {name: line[name] for name in line if name[0].isupper()}
    seconds, idle = counted.pop("BilledSeconds"), counted.pop("IdleSeconds")
    assert counted.pop("ColdStarts") in (0, 1)
    assert counted == {
        "Wakes": 1,
        "EmptyWakes": 0,
        "WorkflowTasks": 2,
        "Activities": 1,
        "LocalActivities": 0,
        "CutOffTasks": 0,
    }
    assert 2 <= idle < seconds < 50
    assert line["aws_request_id"] == Context.aws_request_id


@pytest.mark.usefixtures("deployed")
async def test_an_invocation_without_a_task_ends_and_is_counted(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIDEGATE_FIRST_TASK_TIMEOUT", "0.5")
    await invoke(function.handler, {}, seconds=60)
    [line] = metrics(capfd.readouterr().out)
    assert (line["EmptyWakes"], line["WorkflowTasks"]) == (1, 0)
    assert 0.5 <= line["BilledSeconds"] < 50


@pytest.mark.usefixtures("deployed")
async def test_the_retry_of_an_activity_that_failed_is_done_by_the_same_invocation(
    plan: process.Plan, temporal_client: Client
) -> None:
    handle = await start(temporal_client, plan, attempt=2)
    await invoke(function.handler, {}, seconds=60)
    assert await asyncio.wait_for(handle.result(), 5) == 2


@pytest.mark.usefixtures("deployed")
async def test_a_process_serves_again_after_a_freeze_in_which_its_connection_died(
    plan: process.Plan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with own_server(tmp_path) as server:
        await asyncio.to_thread(server.wait)
        monkeypatch.setenv("TEMPORAL_ADDRESS", server.address)
        for _ in range(2):
            client = await connect(server.address)
            handle = await start(client, plan)
            await invoke(function.handler, {}, seconds=60)
            assert await asyncio.wait_for(handle.result(), 5) == 1
            await asyncio.to_thread(server.restart)


@pytest.mark.usefixtures("deployed")
async def test_without_temporal_an_invocation_fails_soon(
    monkeypatch: pytest.MonkeyPatch, closed_port: int, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{closed_port}")
    began = time.monotonic()
    with pytest.raises(TemporalUnavailable):
        await invoke(function.handler, {}, seconds=60)
    assert time.monotonic() - began < 30
    out = capfd.readouterr().out
    assert "cannot serve now: " in out
    assert metrics(out)[0]["EmptyWakes"] == 1


@pytest.mark.usefixtures("deployed")
@pytest.mark.parametrize(
    ("variable", "value", "seconds", "cause"),
    [
        ("TIDEGATE_BUILD_ID", "", 60, "TIDEGATE_BUILD_ID is not set"),
        ("TIDEGATE_SERVED_WORKERS", "roots", 60, "TIDEGATE_SERVED_WORKERS: entry 1 is not one of"),
        (
            "TIDEGATE_DRAIN_TIMEOUT",
            "50",
            60,
            "the function has 60 s until its timeout",
        ),
        ("TEMPORAL_NAMESPACE", "nobodys", 60, "Temporal has no namespace 'nobodys'"),
    ],
)
async def test_a_wrong_setting_fails_the_invocation_and_the_log_says_what_to_do(
    variable: str,
    value: str,
    seconds: float,
    cause: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=cause):
        await invoke(function.handler, {}, seconds=seconds)
    [line] = [line for line in capfd.readouterr().out.splitlines() if '"CRITICAL"' in line]
    logged = json.loads(line)
    assert logged["message"].startswith(f"cannot serve: {cause}")
    assert logged["aws_request_id"] == Context.aws_request_id


async def serve(client: Client, plan: process.Plan, work: Work, *, first_task: float = 30) -> None:
    limits = session.Limits(idle=2, first_task=first_task, drain=10, cut_at=time.monotonic() + 60)
    await session.serve(
        client,
        [plan],
        build_id="b1",
        identity=f"session-{uuid4()}",
        limits=limits,
        work=work,
        sizes=Sizes.of(512),
    )


async def test_of_two_invocations_for_one_task_both_end_and_it_is_done_once(
    plan: process.Plan, temporal_server: TemporalServer, temporal_client: Client
) -> None:
    handle = await start(temporal_client, plan)
    works = [Work(), Work()]
    clients = [await connect(temporal_server.address) for _ in works]
    await asyncio.gather(
        *(
            serve(client, plan, work, first_task=6)
            for client, work in zip(clients, works, strict=True)
        )
    )
    assert await asyncio.wait_for(handle.result(), 5) == 1
    assert sum(sum(work.done.values()) for work in works) == 3
    assert await events(handle, TIMED_OUT) == 0


async def test_a_task_that_is_given_to_an_ending_invocation_waits_for_its_timeout_and_is_not_lost(
    plan: process.Plan, temporal_server: TemporalServer, temporal_client: Client
) -> None:
    """The worst that an end can do to a task: the server has given it to a poll, and the answer is
    on its way when the invocation stops polling."""
    with Proxy(temporal_server.address) as proxy:
        behind = await connect(proxy.address)
        first = await start(temporal_client, plan)
        work = Work()
        ending = asyncio.create_task(serve(behind, plan, work))
        await first.result()

        async def idle() -> bool:
            return work.idle_for() > 0

        # Or the answer to the completion of its last task would be held, too.
        await eventually(idle, "the first workflow's last task to end")
        with proxy.answers_held():
            late = await start(temporal_client, plan, task_timeout=timedelta(seconds=2))

            async def given() -> bool:
                return bool(await events(late, STARTED))

            async def ended() -> bool:
                return work.idle_for() > 3

            await eventually(given, "the server to give the task to the poll")
            await eventually(ended, "the end of the idle timeout")
        await ending
        await serve(temporal_client, plan, Work())
        assert await asyncio.wait_for(late.result(), 5) == 1
        assert await events(late, TIMED_OUT) == 1


async def test_an_activity_that_is_begun_just_before_polling_stops_still_ends(
    plan: process.Plan, temporal_client: Client
) -> None:
    """Its workflow goes on in the next invocation."""
    begun, ending = asyncio.Event(), asyncio.Event()

    @activity.defn(name="succeed_at")
    async def held(attempt: int) -> int:
        begun.set()
        await ending.wait()
        return attempt

    handle = await start(temporal_client, plan)
    work = Work()
    stops_at = time.monotonic() + 3
    serving = asyncio.create_task(
        session.serve(
            temporal_client,
            [replace(plan, activities=[held])],
            build_id="b1",
            identity=f"session-{uuid4()}",
            limits=session.Limits(idle=1, first_task=30, drain=30, cut_at=stops_at + 30),
            work=work,
            sizes=Sizes.of(512),
        )
    )
    await begun.wait()

    async def stopped() -> bool:
        return time.monotonic() > stops_at + 0.5

    await eventually(stopped, "the end of polling")
    assert not serving.done()
    ending.set()
    await serving
    assert (work.done[Kind.ACTIVITY], work.cut_off) == (1, 0)
    await serve(temporal_client, plan, Work())
    assert await asyncio.wait_for(handle.result(), 5) == 1


async def test_when_temporal_goes_away_in_mid_session_the_session_ends(
    plan: process.Plan, tmp_path: Path
) -> None:
    """What an activity has done is not known to Temporal then, which will have it tried again."""
    begun, ending = asyncio.Event(), asyncio.Event()

    @activity.defn(name="succeed_at")
    async def held(attempt: int) -> int:
        begun.set()
        await ending.wait()
        return attempt

    with own_server(tmp_path) as server:
        await asyncio.to_thread(server.wait)
        client = await connect(server.address)
        await start(client, plan)
        serving = asyncio.create_task(serve(client, replace(plan, activities=[held]), Work()))
        await begun.wait()
        await asyncio.to_thread(server.child.kill)
        ending.set()
        await asyncio.wait_for(serving, 40)
