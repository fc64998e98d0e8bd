"""Calls to a real server: what starts, what joins, what is a duplicate, what must be retried."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from core.adapters.temporal.connection import Frontend, data_converter, frontend
from core.adapters.temporal.workflows import TemporalWorkflows
from core.contracts import ROOT_TASK_QUEUE, ROOT_WORKFLOW
from core.domain.event import Event
from core.domain.identity import workflow_id
from core.domain.routing.table import Deliver, Target, WhenMissing, WhenRunning
from core.errors import ChildMissing, InvalidEvent, SettingsError, TemporalUnavailable
from core.ports.workflows import Outcome
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


def new_workflows(*, timeout: float = 10.0) -> TemporalWorkflows:
    """A workflows as the composition root makes it."""
    return TemporalWorkflows(lambda: frontend(retry_for=timeout), timeout=timeout)


@pytest.fixture
def workflows(temporal_settings: None) -> TemporalWorkflows:
    return new_workflows()


async def finish(client: Client, event: Event, *, fail: bool) -> None:
    """Ends the event's workflow as a worker would: with one workflow task."""
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
    workflows: TemporalWorkflows, temporal_client: Client
) -> None:
    event = new_event(subject="a/b.json")
    start = await workflows.orchestrate(event, table="t")
    assert (start.workflow_id, start.outcome) == (event.key, Outcome.STARTED)
    description = await temporal_client.get_workflow_handle(start.workflow_id).describe()
    assert description.run_id == start.run_id
    assert description.workflow_type == ROOT_WORKFLOW
    assert description.task_queue == ROOT_TASK_QUEUE
    assert await description.static_summary() == "com.example.tested a/b.json"


async def test_workers_read_the_event_as_it_was_sent(
    workflows: TemporalWorkflows, temporal_client: Client
) -> None:
    event = new_event(data={"ü": ["🔥", 10**30, 1.5, None, True]}, extensions={"n": 7})
    await workflows.orchestrate(event, table="t")
    handle = temporal_client.get_workflow_handle(event.key)
    [first, *_] = [event async for event in handle.fetch_history_events()]
    payloads = first.workflow_execution_started_event_attributes.input.payloads
    [wire] = await temporal_client.data_converter.decode(payloads)
    assert wire == {**event.to_wire(), "tidegatetable": "t"}


async def test_a_start_is_the_same_as_the_sdks_client_makes(
    workflows: TemporalWorkflows, temporal_server: TemporalServer
) -> None:
    """Whoever reads the history cannot tell them apart, but by what is each run's own."""
    client = await Client.connect(temporal_server.address, data_converter=data_converter())
    ours, theirs = (new_event(id="1", subject="a", data={"ü": [1.5, None]}) for _ in range(2))
    theirs = replace(theirs, key=ours.key + "'")
    await workflows.orchestrate(ours, table="t")
    await client.start_workflow(
        ROOT_WORKFLOW,
        {**theirs.to_wire(), "tidegatekey": ours.key, "tidegatetable": "t"},
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


async def test_an_event_that_runs_already_is_a_duplicate(workflows: TemporalWorkflows) -> None:
    event = new_event()
    first = await workflows.orchestrate(event, table="t")
    again = await workflows.orchestrate(event, table="t")
    assert (again.workflow_id, again.run_id, again.outcome) == (
        event.key,
        first.run_id,
        Outcome.DUPLICATE,
    )


async def test_an_event_that_has_completed_is_a_duplicate(
    workflows: TemporalWorkflows, temporal_client: Client
) -> None:
    event = new_event()
    first = await workflows.orchestrate(event, table="t")
    await finish(temporal_client, event, fail=False)
    again = await workflows.orchestrate(event, table="t")
    assert (again.run_id, again.outcome) == (first.run_id, Outcome.DUPLICATE)


async def test_an_event_that_has_failed_starts_again(
    workflows: TemporalWorkflows, temporal_client: Client
) -> None:
    event = new_event()
    first = await workflows.orchestrate(event, table="t")
    await finish(temporal_client, event, fail=True)
    again = await workflows.orchestrate(event, table="t")
    assert again.outcome is Outcome.STARTED
    assert again.run_id != first.run_id


async def test_many_concurrent_starts_of_one_event_start_one(workflows: TemporalWorkflows) -> None:
    event = new_event()
    starts = await asyncio.gather(*(workflows.orchestrate(event, table="t") for _ in range(20)))
    assert sum(start.outcome is Outcome.STARTED for start in starts) == 1
    assert len({start.run_id for start in starts}) == 1


async def test_each_event_costs_exactly_one_call(
    workflows: TemporalWorkflows, temporal_server: TemporalServer, temporal_client: Client
) -> None:
    """By the server's own count: nothing but starts, whatever became of them."""
    event = new_event()
    before = await calls(temporal_server, temporal_client)
    await workflows.orchestrate(event, table="t")
    await workflows.orchestrate(event, table="t")
    await asyncio.gather(*(workflows.orchestrate(new_event(), table="t") for _ in range(8)))
    made = await calls(temporal_server, temporal_client) - before
    assert made == {"StartWorkflowExecution": 10, SENTINEL: 1}


async def test_concurrent_starts_share_one_connection(temporal_settings: None) -> None:
    made: list[Frontend] = []

    async def make() -> Frontend:
        await asyncio.sleep(0)  # others get their turn
        made.append(await frontend())
        return made[-1]

    workflows = TemporalWorkflows(make, timeout=10)
    await asyncio.gather(*(workflows.orchestrate(new_event(), table="t") for _ in range(10)))
    await workflows.orchestrate(new_event(), table="t")
    assert len(made) == 1


@pytest.mark.parametrize("subject", ["x" * 1000, "ü" * 500, "🔥" * 250, 'quo"te\\\n' * 100])
async def test_a_long_subject_is_no_obstacle(workflows: TemporalWorkflows, subject: str) -> None:
    start = await workflows.orchestrate(
        new_event(subject=subject, key=f"s3:{uuid4().hex}/{subject}"), table="t"
    )
    assert start.outcome is Outcome.STARTED


async def test_the_longest_key_is_no_obstacle(workflows: TemporalWorkflows) -> None:
    assert (
        await workflows.orchestrate(new_event(key=uuid4().hex + "🔥" * 1000), table="t")
    ).outcome is Outcome.STARTED


async def test_what_the_server_never_takes_is_the_events_fault(
    workflows: TemporalWorkflows,
) -> None:
    """Larger than the server's limit for one payload, which settings keep events below."""
    with pytest.raises(InvalidEvent, match=r"2,200,\d+ bytes as a payload"):
        await workflows.orchestrate(new_event(data="x" * 2_200_000), table="t")


async def test_a_payload_is_measured_as_it_is_sent(workflows: TemporalWorkflows) -> None:
    """Two bytes a letter, not six: it is written in UTF-8."""
    sent = await workflows.orchestrate(new_event(data="é" * 900_000), table="t")
    assert sent.outcome is Outcome.STARTED


async def test_a_namespace_that_does_not_exist_is_the_operators_fault(
    temporal_settings: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "nowhere")
    with pytest.raises(SettingsError, match="Temporal has no namespace 'nowhere'"):
        await new_workflows().orchestrate(new_event(), table="t")


async def test_a_server_that_does_not_answer_may_do_so_later(
    monkeypatch: pytest.MonkeyPatch,
    closed_port: int,
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{closed_port}")
    workflows = new_workflows(timeout=0.5)
    event = new_event()
    for _ in range(2):
        with pytest.raises(TemporalUnavailable, match=event.key):
            await workflows.orchestrate(event, table="t")


async def test_a_server_that_takes_connections_and_says_nothing_costs_no_more_than_the_time_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(TemporalUnavailable, match=r"did not answer in 0\.3 s"):
            async with asyncio.timeout(20):
                await new_workflows(timeout=0.3).orchestrate(new_event(), table="t")


async def test_without_an_address_nothing_is_guessed() -> None:
    with pytest.raises(SettingsError, match="no Temporal server is configured"):
        await new_workflows().orchestrate(new_event(), table="t")


async def test_settings_that_cannot_be_read_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "temporal.toml").write_text("not TOML [")
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "temporal.toml"))
    with pytest.raises(SettingsError, match="the Temporal settings cannot be read"):
        await new_workflows().orchestrate(new_event(), table="t")


async def test_a_starter_survives_a_server_that_is_killed_and_comes_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with own_server(tmp_path) as server:
        await asyncio.to_thread(server.wait)
        monkeypatch.setenv("TEMPORAL_ADDRESS", server.address)
        workflows = new_workflows()
        event = new_event()
        first = await workflows.orchestrate(event, table="t")
        server.child.kill()
        with pytest.raises(TemporalUnavailable):
            await asyncio.wait_for(
                new_workflows(timeout=0.5).orchestrate(new_event(), table="t"), 60
            )
        await asyncio.to_thread(server.restart)
        again = await workflows.orchestrate(event, table="t")
        assert (again.run_id, again.outcome) == (first.run_id, Outcome.DUPLICATE)
        assert (await workflows.orchestrate(new_event(), table="t")).outcome is Outcome.STARTED


def alerts(id: str) -> Target:
    return Target(
        route="alert",
        deliver=Deliver.SIGNAL,
        workflow="TestChild",
        task_queue=f"queue-{id}",
        id=id,
        next_id=f"{id}~next",
        when_running=WhenRunning.REJECT,
        signal="event",
        run_timeout=3600.0,
    )


async def signals(client: Client, id: str) -> list[Any]:
    """What the signals of the workflow's current run carry."""
    found = []
    async for event in client.get_workflow_handle(id).fetch_history_events():
        attributes = event.workflow_execution_signaled_event_attributes
        if attributes.signal_name:
            found += await client.data_converter.decode(list(attributes.input.payloads))
    return found


async def test_a_signal_starts_the_workflow_of_its_key_or_joins_it(
    workflows: TemporalWorkflows, temporal_client: Client
) -> None:
    target = alerts(uuid4().hex)
    first = await workflows.signal([{"n": 1}, {"n": 2}], target, request_id="r-1", table="t")
    second = await workflows.signal([{"n": 3}], target, request_id="r-2", table="t")
    assert (first.outcome, second.outcome) == (Outcome.STARTED, Outcome.DELIVERED)
    assert first.run_id == second.run_id
    assert await signals(temporal_client, target.id) == [
        [{"n": 1, "tidegatetable": "t"}, {"n": 2}],
        [{"n": 3, "tidegatetable": "t"}],
    ]
    description = await temporal_client.get_workflow_handle(target.id).describe()
    assert description.raw_description.execution_config.workflow_run_timeout.seconds == 3600


async def test_a_signal_that_is_sent_again_reaches_the_run_once(
    workflows: TemporalWorkflows, temporal_client: Client
) -> None:
    target = alerts(uuid4().hex)
    await workflows.signal([{"n": 1}], target, request_id="r-1", table="t")
    await asyncio.gather(
        *(workflows.signal([{"n": 2}], target, request_id="r-2", table="t") for _ in range(10))
    )
    await workflows.signal([{"n": 1}], target, request_id="r-1", table="t")
    found = await signals(temporal_client, target.id)
    assert [[wire["n"] for wire in wires] for wires in found] == [[1], [2]]


async def test_a_signal_for_a_running_workflow_alone_starts_none(
    workflows: TemporalWorkflows, temporal_client: Client
) -> None:
    target = alerts(uuid4().hex)
    only = replace(target, when_missing=WhenMissing.QUARANTINE)
    with pytest.raises(ChildMissing, match=f"no workflow '{target.id}' is running"):
        await workflows.signal([{"n": 0}], only, request_id="r-0", table="t")
    await workflows.signal([{"n": 1}], target, request_id="r-1", table="t")
    for _ in range(2):
        sent = await workflows.signal([{"n": 2}], only, request_id="r-2", table="t")
        assert (sent.workflow_id, sent.run_id, sent.outcome) == (
            target.id,
            None,
            Outcome.DELIVERED,
        )
    assert await signals(temporal_client, target.id) == [
        [{"n": number, "tidegatetable": "t"}] for number in (1, 2)
    ]
    await temporal_client.get_workflow_handle(target.id).terminate("on purpose")
    with pytest.raises(ChildMissing):
        await workflows.signal([{"n": 3}], only, request_id="r-3", table="t")


async def test_a_signal_after_the_end_starts_the_next_run(
    workflows: TemporalWorkflows, temporal_client: Client
) -> None:
    target = alerts(uuid4().hex)
    first = await workflows.signal([{"n": 1}], target, request_id="r-1", table="t")
    await temporal_client.get_workflow_handle(target.id).terminate("on purpose")
    again = await workflows.signal([{"n": 1}], target, request_id="r-1", table="t")
    assert again.outcome is Outcome.STARTED
    assert again.run_id != first.run_id


async def test_a_workflow_is_started_with_the_event_once(
    workflows: TemporalWorkflows, temporal_client: Client
) -> None:
    event = new_event()
    target = replace(alerts(f"invoice:{event.key}"), deliver=Deliver.START, signal=None)
    first, again = [await workflows.start(event, target, table="t") for _ in range(2)]
    assert (first.workflow_id, first.outcome) == (target.id, Outcome.STARTED)
    assert (again.run_id, again.outcome) == (first.run_id, Outcome.DUPLICATE)
    history = await temporal_client.get_workflow_handle(target.id).fetch_history()
    started = history.events[0].workflow_execution_started_event_attributes
    [wire] = await temporal_client.data_converter.decode(list(started.input.payloads))
    assert Event.from_wire(wire) == event
    assert wire == {**event.to_wire(), "tidegatetable": "t"}


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        ("INVALID_ARGUMENT", "Blob data size exceeds limit.", InvalidEvent),
        ("INVALID_ARGUMENT", "WorkflowId length exceeds limit.", InvalidEvent),
        (
            "INVALID_ARGUMENT",
            "exceeded workflow execution limit for signal events",
            TemporalUnavailable,
        ),
        ("INVALID_ARGUMENT", "Workflow history size exceeds limit.", TemporalUnavailable),
        ("RESOURCE_EXHAUSTED", "workflow is closing", TemporalUnavailable),
        ("RESOURCE_EXHAUSTED", "grpc: received message larger than max", InvalidEvent),
        ("UNAVAILABLE", "no connection", TemporalUnavailable),
        ("PERMISSION_DENIED", "Request unauthorized.", SettingsError),
        ("UNAUTHENTICATED", "no token", SettingsError),
    ],
)
async def test_what_temporal_answers_is_transient_or_permanent(
    status: str, message: str, kind: type[Exception]
) -> None:
    class Refusing:
        async def signal_with_start_workflow_execution(self, *_: Any, **__: Any) -> Any:
            raise RPCError(message, RPCStatusCode[status], b"")

    async def connect() -> Frontend:
        service: Any = Refusing()
        return Frontend(service, "default", "test")

    with pytest.raises(kind, match=message):
        await TemporalWorkflows(connect, timeout=5).signal(
            [{}], alerts("a"), request_id="r", table="t"
        )
