"""Heartbeats on the development server: runs that continue, workers that are killed, a server that
is stopped, and the whole way from a beat to an incident."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from core.adapters.temporal.admin import register_search_attributes
from core.adapters.temporal.connection import data_converter
from core.contracts import INCIDENT_TASK_QUEUE, SEARCH_ATTRIBUTES
from core.domain.heartbeat.model import Status
from core.domain.heartbeat.names import workflow_id
from infra.local.temporal import TemporalServer
from tests.support.cli import Tidegate
from tests.support.eventually import eventually
from tests.support.heartbeats import Harness, rules
from tests.support.incidents import failed_tasks
from tests.support.soak import SOAKING
from tests.support.temporal import own_server
from tests.support.worker_process import Start

MANY = 600
"""Beats of one heartbeat, more than a run takes."""


@pytest.fixture
async def hearts(temporal_client: Client) -> AsyncIterator[Harness]:
    """Heartbeats of the incident worker's own task queue, with names that no other test has."""
    harness = Harness(temporal_client, {}, queue=INCIDENT_TASK_QUEUE)
    yield harness
    await harness.end()


def declare(harness: Harness, folder: Path, count: int, **rule: Any) -> tuple[list[str], str]:
    """So many heartbeats: their names, and the file that declares them."""
    names = [f"job-{uuid4().hex[:8]}" for _ in range(count)]
    harness.heartbeats = rules(**dict.fromkeys(names, rule))
    file = folder / "oncall.yaml"
    file.write_text(json.dumps({"version": 1, "heartbeats": dict.fromkeys(names, rule)}))
    return names, str(file)


async def incident_of(client: Client, name: str) -> bool:
    """Whether the heartbeat's alert has opened an incident."""
    handle = client.get_workflow_handle(f"incident:tidegate:{workflow_id(name)}")
    try:
        return (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
    except RPCError:
        return False


async def all_alarm(client: Client, names: list[str]) -> None:
    for name in names:

        async def alarms(name: str = name) -> bool:
            return await incident_of(client, name)

        await eventually(alarms, f"the incident of {name}")


async def end_incidents(client: Client, names: list[str]) -> None:
    for name in names:
        await client.get_workflow_handle(f"incident:tidegate:{workflow_id(name)}").terminate()


async def test_a_run_that_continues_loses_no_beat(hearts: Harness, tmp_path: Path) -> None:
    [name], _ = declare(hearts, tmp_path, 1, every="1h")
    hearts.queue = f"heartbeat-{uuid4()}"
    async with hearts.working():
        first = await hearts.beat(name)
        await asyncio.gather(*(hearts.beat(name) for _ in range(MANY - 1)))

        async def all_heard() -> bool:
            state = await hearts.state(name)
            return state.beats == MANY and state.status is Status.UP

        await eventually(all_heard, "all beats")
        last = await hearts.client.get_workflow_handle(workflow_id(name)).describe()
        assert last.run_id != first.first_execution_run_id
        await hearts.beat(name, status="failed")
        await hearts.alerted(f"{workflow_id(name)} firing")
        assert not failed_tasks(
            await hearts.client.get_workflow_handle(workflow_id(name)).fetch_history()
        )


async def test_no_alarm_is_missed_when_workers_are_killed(
    hearts: Harness, start: Start, temporal_server: TemporalServer, tmp_path: Path
) -> None:
    names, file = declare(hearts, tmp_path, 12, every="1h")
    settings = {"TEMPORAL_ADDRESS": temporal_server.address, "TIDEGATE_ONCALL": file}
    worker = start(**settings)
    worker.wait_for("/readyz", 200)
    await hearts.sync(*names)
    sending = [asyncio.create_task(hearts.beat(name, status="failed")) for name in names]
    await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.to_thread(worker.stop, signal.SIGKILL)
    await asyncio.gather(*sending)
    start(**settings)
    await all_alarm(hearts.client, names)
    for name in names:
        assert (await hearts.state(name)).status is Status.FAILED
    await end_incidents(hearts.client, names)


@pytest.mark.soak
@pytest.mark.skipif(not SOAKING, reason="it takes minutes: make soak")
async def test_what_is_missed_while_workers_are_killed_alarms_and_nothing_else(
    hearts: Harness, start: Start, temporal_server: TemporalServer, tmp_path: Path
) -> None:
    """Half of them stop. Whatever is killed meanwhile, those alarm, and no other."""
    names, file = declare(hearts, tmp_path, 20, every="1m", grace="15s")
    stopped, going = names[:10], names[10:]
    settings = {"TEMPORAL_ADDRESS": temporal_server.address, "TIDEGATE_ONCALL": file}
    worker = start(**settings)
    await asyncio.to_thread(worker.wait_for, "/readyz", 200)
    for name in names:
        await hearts.beat(name)

    async def beat_on(name: str) -> None:
        while True:
            await asyncio.sleep(20)
            await hearts.beat(name)

    beating = [asyncio.create_task(beat_on(name)) for name in going]
    for _ in range(6):
        await asyncio.sleep(15)
        await asyncio.to_thread(worker.stop, signal.SIGKILL)
        worker = start(**settings)
        await asyncio.to_thread(worker.wait_for, "/readyz", 200)
    for name in stopped:

        async def alarms(name: str = name) -> bool:
            return await incident_of(hearts.client, name)

        for _ in range(5):  # fresh deadlines after timers that fired late
            try:
                await eventually(alarms, f"the incident of {name}")
                break
            except AssertionError:
                continue
        assert await alarms(), name
    for each in beating:
        each.cancel()
    assert not [name for name in going if await incident_of(hearts.client, name)]
    await end_incidents(hearts.client, stopped)


@pytest.mark.soak
@pytest.mark.skipif(not SOAKING, reason="it takes minutes: make soak")
async def test_when_temporal_was_down_not_all_alarm_and_a_miss_still_does(tmp_path: Path) -> None:
    with own_server(tmp_path) as server:
        await asyncio.to_thread(server.wait)
        client = await Client.connect(server.address, data_converter=data_converter())

        await register_search_attributes(client, SEARCH_ATTRIBUTES)
        harness = Harness(client, {})
        names, _ = declare(harness, tmp_path, 6, every="1m", grace="10s")
        async with harness.working():
            for name in names:
                await harness.beat(name)
            server.child.stop()
            await asyncio.sleep(120)
            server.child.start()
            await asyncio.to_thread(server.wait)
            gone, *going = names
            for _ in range(8):
                for name in going:
                    await harness.beat(name)
                await asyncio.sleep(20)
            await harness.alerted(f"{workflow_id(gone)} firing")


async def test_commands_on_a_real_server(
    hearts: Harness,
    start: Start,
    temporal_server: TemporalServer,
    tmp_path: Path,
    tidegate: Tidegate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (first, second), file = declare(hearts, tmp_path, 2, every="5m", service="shop")
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_server.address)
    monkeypatch.setenv("TIDEGATE_ONCALL", file)
    worker = start(TIDEGATE_ONCALL=file)
    await asyncio.to_thread(worker.wait_for, "/readyz", 200)

    async def run(*arguments: str) -> Any:
        done = await asyncio.to_thread(tidegate, "heartbeats", *arguments, "--json")
        assert done.code == 0, done.err
        return done.json

    hearts.signalled |= dict.fromkeys((first, second), "")
    assert (await run("sync"))["begun"] == sorted((first, second), key=[first, second].index)

    async def listed() -> bool:
        rows = {each["name"]: each for each in await run("list")}
        return {rows[name]["status"] for name in (first, second)} == {"waiting"}

    await eventually(listed, "both to wait")
    await hearts.beat(first)
    shown = await run("show", first)
    assert (shown["status"], shown["declaration"]["service"]) == ("up", "shop")
    paused = await run("pause", first, "--for", "2h", "--why", "it moves", "--by", "ana")
    assert (paused["status"], paused["pause"]["by"]) == ("paused", "ana")
    assert (await run("resume", first))["status"] == "up"
    refused = await asyncio.to_thread(tidegate, "heartbeats", "resume", first)
    assert (refused.code, refused.err.splitlines()[0]) == (
        1,
        f"CommandRefused: heartbeat {first} is not paused",
    )
    missing = await asyncio.to_thread(tidegate, "heartbeats", "show", "nothing")
    assert missing.code == 1
    assert "heartbeat nothing does not run" in missing.err
    text = await asyncio.to_thread(tidegate, "heartbeats", "show", second)
    assert "never" in text.out
