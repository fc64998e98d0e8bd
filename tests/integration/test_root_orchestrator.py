"""The root orchestrator on a real server, in the sandbox that production uses."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio.api.enums.v1 import ParentClosePolicy
from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
)
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError

from core import bootstrap
from core.domain.event import DOCUMENT_CREATED
from core.domain.smoke import smoke_key
from core.intake.receipts import Receipt, Verdict
from core.intake.records import QuarantinedDelivery
from core.intake.replay import replay
from core.operations.outcome import Result, follow
from tests.support.closing_children import ClosesChildrenBeforeSignals, ClosingActivity
from tests.support.eventually import eventually
from tests.support.orchestrator import Harness, harness, has_failed_task, new_event
from tests.support.quarantines import kept, no_mapping
from tests.support.workflows_port import MemoryWorkflows
from workers.root_orchestrator.run_worker import plan
from workers.runtime import process


@pytest.fixture(scope="module")
async def shared(
    temporal_client: Client, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Harness]:
    async with harness(temporal_client, tmp_path_factory.mktemp("root")) as root:
        yield root


async def failure(harness: Harness, wire: Any, *, id: str | None = None) -> ApplicationError:
    """The typed failure that the orchestrator of this event ends in."""
    with pytest.raises(WorkflowFailureError) as caught:
        await (await harness.start(wire, id=id)).result()
    assert isinstance(caught.value.cause, ApplicationError)
    return caught.value.cause


async def records(harness: Harness, key: str | None) -> list[QuarantinedDelivery]:
    return [record for record in await kept(harness.settings) if record.key == key]


async def test_an_event_is_routed_and_its_child_started_with_it(shared: Harness) -> None:
    event = new_event("reject", data={"ü": ["🔥", 1.5, None]})
    result = await shared.run(event)
    id = f"reject:{event.subject}"
    description = await shared.child(id).describe()
    assert result == {
        "route": "reject",
        "workflow": "TestChild",
        "child_id": id,
        "run_id": description.run_id,
        "action": "started",
    }
    assert description.task_queue == shared.children
    assert await shared.end(id) == [event.to_wire()]


async def test_a_smoke_event_ends_here_whatever_the_routes_say(shared: Harness) -> None:
    event = new_event("reject", key=smoke_key(uuid4().hex), way="queue:q")
    assert await shared.run(event) == {
        "way": "queue:q",
        "table": bootstrap.router(shared.settings).digest,
        "action": "smoke",
    }
    history = await shared.child(event.key).fetch_history()
    assert not any("child" in str(entry.WhichOneof("attributes")) for entry in history.events)


async def test_a_smoke_event_about_a_document_that_is_not_allowed_is_given_up(
    shared: Harness,
) -> None:
    event = new_event(
        "reject",
        key=smoke_key(uuid4().hex),
        type=DOCUMENT_CREATED,
        data={"document": {"uri": "s3://elsewhere/a"}},
    )
    error = await failure(shared, event.to_wire())
    assert error.type == "DocumentRefused"
    [record] = await records(shared, event.key)
    assert record.uri in error.message


async def test_the_child_outlives_its_orchestrator(shared: Harness) -> None:
    event = new_event("reject")
    await shared.run(event)
    assert await shared.status(event.key) is WorkflowExecutionStatus.COMPLETED
    assert await shared.status(f"reject:{event.subject}") is WorkflowExecutionStatus.RUNNING
    history = await shared.child(event.key).fetch_history()
    [policy] = [
        entry.start_child_workflow_execution_initiated_event_attributes.parent_close_policy
        for entry in history.events
        if entry.HasField("start_child_workflow_execution_initiated_event_attributes")
    ]
    assert policy == ParentClosePolicy.PARENT_CLOSE_POLICY_ABANDON


async def test_the_child_has_the_timeouts_of_its_route(shared: Harness) -> None:
    event = new_event("timed")
    await shared.run(event)
    description = await shared.child(f"timed:{event.subject}").describe()
    config = description.raw_description.execution_config
    assert config.workflow_execution_timeout.ToTimedelta() == timedelta(days=90)
    assert config.workflow_run_timeout.ToTimedelta() == timedelta(hours=12)
    assert config.default_workflow_task_timeout.ToTimedelta() == timedelta(seconds=30)


async def test_a_routed_event_is_never_routed_again(shared: Harness) -> None:
    event = new_event("reject")
    await shared.run(event)
    with pytest.raises(WorkflowAlreadyStartedError):
        await shared.start(event.to_wire())


async def test_a_child_without_a_worker_waits_visibly(shared: Harness) -> None:
    event = new_event("unserved")
    assert (await shared.run(event))["action"] == "started"
    description = await shared.child(f"unserved:{event.subject}").describe()
    assert description.status is WorkflowExecutionStatus.RUNNING
    assert description.task_queue == "nobody-serves-this"


@pytest.mark.parametrize("subject", ["x" * 900, "ü" * 450, "🔥" * 220, 'q"\\\n' * 100])
async def test_a_long_subject_is_accepted(shared: Harness, subject: str) -> None:
    event = new_event("reject", subject=uuid4().hex + subject)
    assert (await shared.run(event))["action"] == "started"
    assert not await has_failed_task(shared.child(event.key))


# ------------------------------------------------------- when the child is already running


async def test_signal_sends_later_events_to_the_running_child(shared: Harness) -> None:
    first = new_event("signal")
    later = [new_event("signal", subject=first.subject) for _ in range(2)]
    await shared.run(first)
    id = f"signal:{first.subject}"
    for event in later:
        result = await shared.run(event)
        assert result == {
            "route": "signal",
            "workflow": "TestChild",
            "child_id": id,
            "run_id": None,
            "action": "signalled",
        }
    assert await shared.end(id) == [event.to_wire() for event in (first, *later)]


async def test_signal_starts_a_new_child_once_it_has_closed(shared: Harness) -> None:
    first = new_event("signal")
    await shared.run(first)
    id = f"signal:{first.subject}"
    await shared.end(id)
    second = new_event("signal", subject=first.subject)
    assert (await shared.run(second))["action"] == "started"
    assert await shared.end(id) == [second.to_wire()]


async def test_a_child_that_closes_just_before_its_signal_is_started_again(
    temporal_client: Client, tmp_path: Path
) -> None:
    config = temporal_client.config()
    config["interceptors"] = [ClosesChildrenBeforeSignals()]
    closing = Client(**config)
    async with harness(closing, tmp_path, ClosingActivity(closing).close) as root:
        first = new_event("signal")
        second = new_event("signal", subject=first.subject)
        await root.run(first)
        assert (await root.run(second))["action"] == "started"
        assert await root.end(f"signal:{first.subject}") == [second.to_wire()]


async def test_start_new_gives_each_event_a_child_of_its_own(shared: Harness) -> None:
    events = [new_event("start_new", subject=uuid4().hex)]
    events += [new_event("start_new", subject=events[0].subject) for _ in range(2)]
    results = [await shared.run(event) for event in events]
    assert [result["action"] for result in results] == ["started"] * 3
    ids = [result["child_id"] for result in results]
    assert ids[0] == f"start_new:{events[0].subject}"
    assert ids[1].startswith(f"{ids[0]}~")
    assert len(set(ids)) == 3
    for id, event in zip(ids, events, strict=True):
        assert await shared.end(id) == [event.to_wire()]


async def test_terminate_existing_replaces_the_running_child(shared: Harness) -> None:
    """Once for each event, however quickly they follow each other."""
    first = new_event("terminate_existing")
    events = [first, *(new_event("terminate_existing", subject=first.subject) for _ in range(3))]
    id = f"terminate_existing:{first.subject}"
    results = [await shared.run(event) for event in events]
    assert [(result["action"], result["child_id"]) for result in results] == [("started", id)] * 4
    runs = [result["run_id"] for result in results]
    assert len(set(runs)) == 4
    for run_id in runs[:-1]:
        description = await shared.client.get_workflow_handle(id, run_id=run_id).describe()
        assert description.status is WorkflowExecutionStatus.TERMINATED
    assert await shared.end(id) == [events[-1].to_wire()]


async def test_a_redelivery_does_not_terminate_what_its_event_started(shared: Harness) -> None:
    event = new_event("terminate_existing")
    result = await shared.run(event)
    with pytest.raises(WorkflowAlreadyStartedError):
        await shared.start(event.to_wire())
    assert (await shared.child(result["child_id"]).describe()).run_id == result["run_id"]
    assert await shared.status(result["child_id"]) is WorkflowExecutionStatus.RUNNING


async def test_terminate_existing_starts_a_child_where_none_runs(shared: Harness) -> None:
    first = new_event("terminate_existing")
    await shared.run(first)
    id = f"terminate_existing:{first.subject}"
    assert await shared.end(id) == [first.to_wire()]
    second = new_event("terminate_existing", subject=first.subject)
    assert (await shared.run(second))["action"] == "started"
    assert await shared.end(id) == [second.to_wire()]


async def test_ignore_leaves_the_running_child_alone(shared: Harness) -> None:
    first = new_event("ignore")
    later = [new_event("ignore", subject=first.subject) for _ in range(2)]
    await shared.run(first)
    id = f"ignore:{first.subject}"
    for event in later:
        assert await shared.run(event) == {
            "route": "ignore",
            "workflow": "TestChild",
            "child_id": id,
            "run_id": None,
            "action": "ignored",
        }
        assert await records(shared, event.key) == []
    assert await shared.end(id) == [first.to_wire()]
    after = new_event("ignore", subject=first.subject)
    assert (await shared.run(after))["action"] == "started"
    assert await shared.end(id) == [after.to_wire()]


async def test_what_is_ignored_is_known_to_whoever_waits_for_it(shared: Harness) -> None:
    first = new_event("ignore")
    second = new_event("ignore", subject=first.subject)
    for event in (first, second):
        await shared.run(event)
    receipt = Receipt(verdict=Verdict.STARTED, workflow_id=second.key, key=second.key)
    [outcome] = await follow(shared.client, [receipt], timeout=10)
    assert (outcome.result, outcome.child_id) == (Result.DROPPED, f"ignore:{first.subject}")


async def test_reject_fails_and_quarantines_the_event(shared: Harness) -> None:
    first = new_event("reject")
    second = new_event("reject", subject=first.subject)
    await shared.run(first)
    error = await failure(shared, second.to_wire())
    id = f"reject:{first.subject}"
    assert error.type == "ChildAlreadyRunning"
    [record] = await records(shared, second.key)
    assert error.message == (
        f"event {second.key!r}: child {id} of route reject is already running; kept as {record.uri}"
    )
    assert await shared.end(id) == [first.to_wire()]


async def test_an_event_with_a_huge_key_is_rejected_like_any_other(
    temporal_client: Client, tmp_path: Path
) -> None:
    """It is quarantined with a reason, and both must fit into one call of Temporal's."""
    async with harness(temporal_client, tmp_path, max_event_bytes=1_900_000) as root:
        first = new_event("reject")
        large = new_event("reject", subject=first.subject, data="x" * 900_000)
        await root.run(first)
        error = await failure(root, replace(large, key="k" * 900_000).to_wire())
        assert error.type == "ChildAlreadyRunning"
        assert len(error.message) < 3000
        assert await root.end(f"reject:{first.subject}") == [first.to_wire()]


async def test_a_rejected_event_can_be_redelivered_once_the_child_has_closed(
    shared: Harness,
) -> None:
    first = new_event("reject")
    second = new_event("reject", subject=first.subject)
    await shared.run(first)
    await failure(shared, second.to_wire())
    await shared.end(f"reject:{first.subject}")
    assert (await shared.run(second))["action"] == "started"
    assert await shared.end(f"reject:{first.subject}") == [second.to_wire()]


# ----------------------------------------------- deliveries that need no orchestrator


async def test_an_event_that_is_to_start_its_workflow_starts_it_once(shared: Harness) -> None:
    """As after a change of the table, while some listeners have the old one."""
    event = new_event("once")
    result = await shared.run(event)
    id = f"once:{event.key}"
    assert (result["child_id"], result["action"]) == (id, "started")
    assert await shared.end(id) == [event.to_wire()]
    again = await shared.start(event.to_wire(), id=f"again:{uuid4().hex}")
    assert (await again.result())["run_id"] is None
    assert await shared.status(id) is WorkflowExecutionStatus.COMPLETED


async def test_events_that_are_to_be_signalled_meet_in_the_workflow_of_their_key(
    shared: Harness,
) -> None:
    """It starts without an event and gets lists of events, as from a listener."""
    first = new_event("keyed", data={"n": 1})
    second = new_event("keyed", subject=first.subject, data={"n": 2})
    assert (await shared.run(first))["action"] == "started"
    assert (await shared.run(second))["action"] == "signalled"
    id = f"keyed:{first.subject}"
    history = await shared.child(id).fetch_history()
    assert not history.events[0].workflow_execution_started_event_attributes.input.payloads
    assert await shared.end(id) == [first.to_wire(), second.to_wire()]


async def test_an_event_for_a_workflow_that_runs_is_signalled_to_it_and_starts_none(
    shared: Harness,
) -> None:
    first = new_event("keyed")
    event = new_event("running", subject=first.subject)
    error = await failure(shared, event.to_wire())
    id = f"keyed:{first.subject}"
    assert (error.type, f"no workflow {id!r} is running" in error.message) == ("ChildMissing", True)
    [record] = await records(shared, event.key)
    assert record.code == "ChildMissing"
    await shared.run(first)
    redelivered = await shared.run(event)
    assert (redelivered["child_id"], redelivered["action"]) == (id, "signalled")
    assert await shared.end(id) == [first.to_wire(), event.to_wire()]


async def test_an_event_that_is_too_large_for_a_signal_is_quarantined(shared: Harness) -> None:
    event = new_event("keyed", data="x" * 5000)
    error = await failure(shared, event.to_wire())
    assert error.type == "InvalidEvent"
    assert "and a signal carries 3,967" in error.message
    assert len(await records(shared, event.key)) == 1


async def test_a_child_does_not_see_which_table_the_listener_had(shared: Harness) -> None:
    event = new_event("reject")
    wire = {**event.to_wire(), "tidegatetable": "0123456789ab"}
    await (await shared.start(wire)).result()
    assert await shared.end(f"reject:{event.subject}") == [event.to_wire()]


# ------------------------------------------------------------------- permanent failures


async def test_an_event_without_a_route_is_quarantined_as_no_route(shared: Harness) -> None:
    event = new_event("of-no-kind", data={"ü": "🔥"})
    error = await failure(shared, event.to_wire())
    assert error.type == "NoRoute"
    assert error.non_retryable
    [record] = await records(shared, event.key)
    assert (record.code, record.format) == ("NoRoute", "stored_event")
    assert "no route matches type 'test.of-no-kind'" in record.reason
    assert "add a route for it" in record.reason
    assert json.loads(record.body) == event.to_wire()
    assert error.message == f"{record.reason}; kept as {record.uri}"


async def test_a_redelivery_after_a_failure_runs_again_and_keeps_one_record(
    shared: Harness,
) -> None:
    event = new_event("of-no-kind")
    for _ in range(2):
        assert (await failure(shared, event.to_wire())).type == "NoRoute"
    assert len(await records(shared, event.key)) == 1


async def test_a_quarantined_event_is_replayed_under_its_own_key(shared: Harness) -> None:
    """The workflow has failed, so its ID may be used again."""
    event = new_event("of-no-kind")
    await failure(shared, event.to_wire())
    [record] = await records(shared, event.key)
    workflows = MemoryWorkflows()
    intake = bootstrap.intake(shared.settings, workflows=workflows)
    await replay(bootstrap.quarantine(shared.settings), intake, record.id, mapping_of=no_mapping)
    assert workflows.calls == [event]


@pytest.mark.parametrize("uri", ["s3://docs2/a.json", "s3://docs/../a.json", "file:///etc/passwd"])
async def test_a_document_outside_the_roots_is_refused(shared: Harness, uri: str) -> None:
    event = new_event("reject", type=DOCUMENT_CREATED, data={"document": {"uri": uri}})
    assert (await failure(shared, event.to_wire())).type == "DocumentRefused"
    [record] = await records(shared, event.key)
    assert record.code == "DocumentRefused"


async def test_a_child_id_template_without_a_value_is_refused(shared: Harness) -> None:
    event = new_event("no-id", data={})
    error = await failure(shared, event.to_wire())
    assert error.type == "InvalidChildId"
    assert len(await records(shared, event.key)) == 1


@pytest.mark.parametrize(
    "wire",
    [
        None,
        7,
        "text",
        ["a", "list"],
        {},
        {"tidegatekey": 7},
        {"tidegatekey": "k", "specversion": "1.0"},
        {"tidegatekey": "k", "type": DOCUMENT_CREATED, "source": "/a", "id": "1"},
    ],
)
async def test_malformed_events_are_quarantined_as_invalid_event(
    shared: Harness, wire: Any
) -> None:
    id = f"malformed:{uuid4().hex}"
    error = await failure(shared, wire, id=id)
    assert error.type == "InvalidEvent"
    assert "; kept as file://" in error.message
    assert not await has_failed_task(shared.child(id))
    assert wire in [json.loads(record.body) for record in await kept(shared.settings)]


async def test_an_event_that_needs_a_missing_setting_waits_for_a_worker_that_has_it(
    temporal_client: Client, tmp_path: Path
) -> None:
    """It is not the event's fault, and the listener has acknowledged it."""
    data = {"document": {"uri": "s3://docs/a.json"}}
    event = new_event("reject", type=DOCUMENT_CREATED, data=data)
    async with harness(temporal_client, tmp_path, documents=()) as root:
        handle = await root.start(event.to_wire())
        assert await eventually(lambda: last_failure(handle), "a try") == "SettingsError"
    repaired = plan(replace(root.settings, documents=("s3://docs/",)))
    async with process.worker(temporal_client, replace(repaired, task_queue=root.task_queue)):
        with pytest.raises(WorkflowFailureError) as decided:
            await handle.result()
    assert getattr(decided.value.cause, "type", None) == "NoRoute"
    assert len(await records(root, event.key)) == 1


async def last_failure(handle: WorkflowHandle[Any, Any]) -> str | None:
    """The type of the last failure of the workflow's pending activity."""
    pending = (await handle.describe()).raw_description.pending_activities
    return pending[0].last_failure.application_failure_info.type if pending else None


async def test_while_the_quarantine_is_unavailable_the_orchestrator_waits_visibly(
    temporal_client: Client, tmp_path: Path
) -> None:
    async with harness(temporal_client, tmp_path) as root:
        blocked = tmp_path / "quarantine"
        blocked.write_text("a file where the folder should be")
        event = new_event("of-no-kind")
        handle = await root.start(event.to_wire())
        assert await eventually(lambda: last_failure(handle), "a try") == "StoreUnavailable"
        blocked.unlink()
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        assert len(await records(root, event.key)) == 1
