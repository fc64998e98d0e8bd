"""Starts on a real server: what is new, what is a duplicate, and what is to be retried."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from core.adapters.temporal.connection import Frontend, frontend
from core.adapters.temporal.starter import TemporalStarter
from core.contracts import ROOT_TASK_QUEUE, ROOT_WORKFLOW
from core.domain.event import Event
from core.domain.identity import workflow_id
from core.errors import InvalidEvent, SettingsError, TemporalUnavailable
from infra.local.temporal import TemporalServer
from tests.support.eventually import eventually
from tests.support.temporal import SENTINEL, calls, own_server
from tests.support.workflows import RootStandIn


def new_event(**changes: object) -> Event:
    id = uuid4().hex
    attributes: dict[str, object] = {
        "id": id,
        "source": "/tests",
        "type": "com.example.tested",
        "key": f"test:{id}",
        "data": {"a": 1},
    }
    return Event(**(attributes | changes))  # type: ignore[arg-type]


def new_starter(*, timeout: float = 10.0) -> TemporalStarter:
    """A starter as the composition root makes it."""
    return TemporalStarter(lambda: frontend(retry_for=timeout), timeout=timeout)


@pytest.fixture
def starter(temporal_settings: None) -> TemporalStarter:
    return new_starter()


async def finish(client: Client, event: Event, *, fail: bool) -> None:
    """End the event's workflow as a worker would, with one workflow task."""
    async with Worker(
        client,
        task_queue=ROOT_TASK_QUEUE,
        workflows=[RootStandIn],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        handle = client.get_workflow_handle(workflow_id(event.key))
        await handle.signal("end", "fail" if fail else "complete")

        async def closed() -> bool:
            return (await handle.describe()).status is not WorkflowExecutionStatus.RUNNING

        await eventually(closed, f"{event.key} to close")


async def test_an_event_starts_the_root_orchestrator_under_its_workflow_id(
    starter: TemporalStarter, temporal_client: Client
) -> None:
    event = new_event(subject="a/b.json")
    start = await starter.start(event)
    assert (start.workflow_id, start.new) == (event.key, True)
    description = await temporal_client.get_workflow_handle(start.workflow_id).describe()
    assert description.run_id == start.run_id
    assert description.workflow_type == ROOT_WORKFLOW
    assert description.task_queue == ROOT_TASK_QUEUE
    assert await description.static_summary() == "com.example.tested a/b.json"


async def test_workers_read_the_event_as_it_was_sent(
    starter: TemporalStarter, temporal_client: Client
) -> None:
    event = new_event(data={"ü": ["🔥", 10**30, 1.5, None, True]}, extensions={"n": 7})
    await starter.start(event)
    handle = temporal_client.get_workflow_handle(event.key)
    [first, *_] = [event async for event in handle.fetch_history_events()]
    payloads = first.workflow_execution_started_event_attributes.input.payloads
    [wire] = await temporal_client.data_converter.decode(payloads)
    assert wire == event.to_wire()


async def test_a_start_is_the_same_as_the_sdks_client_makes(
    starter: TemporalStarter, temporal_server: TemporalServer
) -> None:
    """Their histories differ only in what is each run's own."""
    client = await Client.connect(temporal_server.address)
    ours, theirs = (new_event(id="1", subject="a", data={"ü": [1.5, None]}) for _ in range(2))
    theirs = replace(theirs, key=ours.key + "'")
    await starter.start(ours)
    await client.start_workflow(
        ROOT_WORKFLOW,
        {**theirs.to_wire(), "tidegatekey": ours.key},
        id=workflow_id(theirs.key),
        task_queue=ROOT_TASK_QUEUE,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
        id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
        static_summary="com.example.tested a",
    )
    began = []
    for event in (ours, theirs):
        handle = client.get_workflow_handle(workflow_id(event.key))
        [first, *_] = [event async for event in handle.fetch_history_events()]
        attributes = first.workflow_execution_started_event_attributes
        for own in ("workflow_id", "original_execution_run_id", "first_execution_run_id"):
            attributes.ClearField(own)
        began.append((attributes, first.user_metadata))
    assert began[0] == began[1]


async def test_an_event_whose_workflow_runs_is_a_duplicate(starter: TemporalStarter) -> None:
    event = new_event()
    first = await starter.start(event)
    again = await starter.start(event)
    assert (again.workflow_id, again.run_id, again.new) == (event.key, first.run_id, False)


async def test_an_event_whose_workflow_has_completed_is_a_duplicate(
    starter: TemporalStarter, temporal_client: Client
) -> None:
    event = new_event()
    first = await starter.start(event)
    await finish(temporal_client, event, fail=False)
    again = await starter.start(event)
    assert (again.run_id, again.new) == (first.run_id, False)


async def test_an_event_whose_workflow_has_failed_starts_again(
    starter: TemporalStarter, temporal_client: Client
) -> None:
    event = new_event()
    first = await starter.start(event)
    await finish(temporal_client, event, fail=True)
    again = await starter.start(event)
    assert again.new
    assert again.run_id != first.run_id


async def test_of_many_concurrent_starts_of_one_event_one_is_new(starter: TemporalStarter) -> None:
    event = new_event()
    starts = await asyncio.gather(*(starter.start(event) for _ in range(20)))
    assert sum(start.new for start in starts) == 1
    assert len({start.run_id for start in starts}) == 1


async def test_each_event_costs_exactly_one_call(
    starter: TemporalStarter, temporal_server: TemporalServer, temporal_client: Client
) -> None:
    """By the server's own count: nothing but starts, whatever their results."""
    event = new_event()
    before = await calls(temporal_server, temporal_client)
    await starter.start(event)
    await starter.start(event)
    await asyncio.gather(*(starter.start(new_event()) for _ in range(8)))
    made = await calls(temporal_server, temporal_client) - before
    assert made == {"StartWorkflowExecution": 10, SENTINEL: 1}


async def test_concurrent_starts_share_one_connection(temporal_settings: None) -> None:
    made: list[Frontend] = []

    async def make() -> Frontend:
        await asyncio.sleep(0)  # lets the others run
        made.append(await frontend())
        return made[-1]

    starter = TemporalStarter(make, timeout=10)
    await asyncio.gather(*(starter.start(new_event()) for _ in range(10)))
    await starter.start(new_event())
    assert len(made) == 1


@pytest.mark.parametrize("subject", ["x" * 1000, "ü" * 500, "🔥" * 250, 'quo"te\\\n' * 100])
async def test_a_long_subject_is_accepted(starter: TemporalStarter, subject: str) -> None:
    start = await starter.start(new_event(subject=subject, key=f"s3:{uuid4().hex}/{subject}"))
    assert start.new


async def test_the_longest_key_is_accepted(starter: TemporalStarter) -> None:
    assert (await starter.start(new_event(key=uuid4().hex + "🔥" * 1000))).new


async def test_an_event_that_the_server_will_never_accept_is_invalid(
    starter: TemporalStarter,
) -> None:
    """Larger than the server's limit for one payload, which the settings keep events below."""
    with pytest.raises(InvalidEvent, match="Temporal refuses it"):
        await starter.start(new_event(data="x" * 2_200_000))


async def test_a_missing_namespace_is_transient(
    temporal_settings: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "nowhere")
    with pytest.raises(TemporalUnavailable, match="NOT_FOUND: Namespace nowhere is not found"):
        await new_starter().start(new_event())


async def test_a_server_that_does_not_answer_is_transient(
    monkeypatch: pytest.MonkeyPatch,
    closed_port: int,
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{closed_port}")
    starter = new_starter(timeout=0.5)
    event = new_event()
    for _ in range(2):
        with pytest.raises(TemporalUnavailable, match=event.key):
            await starter.start(event)


async def test_a_server_that_accepts_connections_and_never_answers_takes_no_more_than_the_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(TemporalUnavailable, match=r"did not answer in 0\.3 s"):
            async with asyncio.timeout(20):
                await new_starter(timeout=0.3).start(new_event())


async def test_a_missing_address_is_an_error() -> None:
    with pytest.raises(SettingsError, match="no Temporal server is configured"):
        await new_starter().start(new_event())


async def test_a_profile_that_cannot_be_read_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "temporal.toml").write_text("not TOML [")
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "temporal.toml"))
    with pytest.raises(SettingsError, match="the Temporal settings cannot be read"):
        await new_starter().start(new_event())


async def test_a_starter_reconnects_to_a_server_that_was_killed_and_restarted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with own_server(tmp_path) as server:
        await asyncio.to_thread(server.wait)
        monkeypatch.setenv("TEMPORAL_ADDRESS", server.address)
        starter = new_starter()
        event = new_event()
        first = await starter.start(event)
        server.child.kill()
        with pytest.raises(TemporalUnavailable):
            await asyncio.wait_for(new_starter(timeout=0.5).start(new_event()), 60)
        await asyncio.to_thread(server.restart)
        again = await starter.start(event)
        assert (again.run_id, again.new) == (first.run_id, False)
        assert (await starter.start(new_event())).new
