"""What a route says of its workflow, on a real server: by the listener's one call, and by the root
orchestrator, which does the same for a child."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from temporalio.api.history.v1 import WorkflowExecutionStartedEventAttributes
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError

from core import bootstrap
from core.adapters.temporal.connection import frontend
from core.adapters.temporal.workflows import TemporalWorkflows
from core.domain.event import Event
from core.formats.shared.delivery import Arrival, Delivery
from core.intake.receipts import Receipt
from tests.support.orchestrator import Harness, harness, has_failed_task, new_event
from tests.support.quarantines import kept

NOBODY = {"task_queue": "nobody-serves-this"}
"""The workflow waits: what it was given is in its history."""
DELIVERIES: dict[str, dict[str, Any]] = {
    "orchestrate": {"child_id": "{route}:{subject}"},
    "start": {"child_id": "{route}:{tidegatekey}"},
    "signal": {"child_id": "{route}:{subject}", "signal": "event"},
}


def each(name: str, **fields: Any) -> dict[str, dict[str, Any]]:
    """The same route for each delivery."""
    return {
        f"{name}-{deliver}": {"deliver": deliver, **NOBODY, **own, **fields}
        for deliver, own in DELIVERIES.items()
    }


ROUTES: dict[str, dict[str, Any]] = {
    **each("input", input=["data.order", "{of: subject, at: time}"]),
    **each("schema", schema={"properties": {"total": {"type": "number"}}}),
    "input-joined": {
        **NOBODY,
        "input": ["data.order", "subject"],
        "when_running": "signal",
        "signal": "event",
    },
}


@pytest.fixture(scope="module")
async def root(
    temporal_client: Client, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Harness]:
    folder = tmp_path_factory.mktemp("fields")
    async with harness(temporal_client, folder, more=ROUTES) as root:
        yield root


@pytest.fixture
def listener(root: Harness, temporal_settings: None) -> Any:
    """Accepts events as a listener does, and returns their receipts."""
    workflows = TemporalWorkflows(lambda: frontend(retry_for=10), timeout=10)
    intake = bootstrap.intake(root.settings, workflows=workflows)

    async def accept(*events: Event) -> list[Receipt]:
        delivery = Delivery(format="message", body=b"{}", unique=uuid4().hex)
        return await intake.accept(
            [Arrival(event, delivery, position) for position, event in enumerate(events)]
        )

    return accept


async def began(root: Harness, id: str | None) -> WorkflowExecutionStartedEventAttributes:
    """How a workflow was started."""
    assert id is not None
    history = await root.child(id).fetch_history()
    return history.events[0].workflow_execution_started_event_attributes


async def given(root: Harness, id: str | None) -> list[list[Any]]:
    """The arguments of a workflow's start, and of each signal."""
    assert id is not None
    history = await root.child(id).fetch_history()
    found = [list((await began(root, id)).input.payloads)]
    found += [
        list(event.workflow_execution_signaled_event_attributes.input.payloads)
        for event in history.events
        if event.HasField("workflow_execution_signaled_event_attributes")
    ]
    return [await root.client.data_converter.decode(payloads) for payloads in found]


async def failure(root: Harness, event: Event) -> ApplicationError:
    """The typed failure that the orchestrator of an event ends in, once it is quarantined."""
    with pytest.raises(WorkflowFailureError) as caught:
        await root.run(event)
    assert isinstance(caught.value.cause, ApplicationError)
    assert not await has_failed_task(root.child(event.key))
    [record] = [record for record in await kept(root.settings) if record.key == event.key]
    assert caught.value.cause.type == record.code
    return caught.value.cause


# ------------------------------------------------------------------------------------ input


async def test_a_workflow_is_started_with_exactly_its_arguments(
    root: Harness, listener: Any
) -> None:
    event = new_event("input-start", data={"order": {"id": 7}})
    [receipt] = await listener(event)
    assert receipt.verdict == "started"
    arguments = [{"id": 7}, {"of": event.subject, "at": None}]
    assert await given(root, receipt.workflow_id) == [arguments]
    [again] = await listener(event)
    assert again.verdict == "duplicate"


async def test_a_workflow_is_signalled_with_exactly_its_arguments_one_event_at_a_time(
    root: Harness, listener: Any
) -> None:
    first = new_event("input-signal", data={"order": 1})
    events = [first, new_event("input-signal", subject=first.subject, data={"order": 2})]
    receipts = await listener(*events)
    assert [receipt.verdict for receipt in receipts] == ["started", "delivered"]
    rest = {"of": first.subject, "at": None}
    assert await given(root, receipts[0].workflow_id) == [[], [1, rest], [2, rest]]


@pytest.mark.parametrize("deliver", DELIVERIES)
async def test_a_child_gets_exactly_its_arguments(root: Harness, deliver: str) -> None:
    event = new_event(f"input-{deliver}", data={"order": {"id": 7}})
    result = await root.run(event)
    arguments = [{"id": 7}, {"of": event.subject, "at": None}]
    expected = [[], arguments] if deliver == "signal" else [arguments]
    assert await given(root, result["child_id"]) == expected


async def test_a_running_child_is_signalled_with_the_same_arguments(root: Harness) -> None:
    first = new_event("input-joined", data={"order": 1})
    await root.run(first)
    result = await root.run(new_event("input-joined", subject=first.subject, data={"order": 2}))
    assert result["action"] == "signalled"
    assert await given(root, result["child_id"]) == [[1, first.subject], [2, first.subject]]


async def test_a_child_gets_arguments_as_large_as_they_may_be(root: Harness) -> None:
    """They cross two calls of Temporal's, beside the event itself."""
    event = new_event("input-orchestrate", data={"order": "x" * 1_048_000})
    result = await root.run(event)
    assert await given(root, result["child_id"]) == [
        [event.data["order"], {"of": event.subject, "at": None}]
    ]


@pytest.mark.parametrize("deliver", DELIVERIES)
async def test_an_input_that_yields_nothing_is_quarantined(root: Harness, deliver: str) -> None:
    error = await failure(root, new_event(f"input-{deliver}", data={"basket": 7}))
    assert error.type == "InvalidInput"
    assert f"input 'data.order' of route input-{deliver} yields nothing" in error.message
    assert "{'basket': 7}" in error.message


async def test_arguments_that_are_too_large_for_a_signal_are_quarantined(root: Harness) -> None:
    error = await failure(root, new_event("input-signal", data={"order": "x" * 5000}))
    assert (error.type, "a signal carries 4,000" in error.message) == ("InvalidInput", True)


# ----------------------------------------------------------------------------------- schema


@pytest.mark.parametrize("deliver", DELIVERIES)
async def test_data_that_does_not_satisfy_the_schema_is_quarantined(
    root: Harness, listener: Any, deliver: str
) -> None:
    """By the listener, and by an orchestrator whose table is newer."""
    event = new_event(f"schema-{deliver}", data={"total": "7"})
    [receipt] = await listener(event)
    assert (receipt.verdict, receipt.code) == ("quarantined", "InvalidData")
    assert "at $.total: '7' is not of type 'number'" in (receipt.reason or "")
    error = await failure(root, new_event(f"schema-{deliver}", data={"total": "7"}))
    assert error.type == "InvalidData"


@pytest.mark.parametrize("deliver", DELIVERIES)
async def test_data_that_satisfies_the_schema_starts_its_workflow(
    root: Harness, listener: Any, deliver: str
) -> None:
    [receipt] = await listener(new_event(f"schema-{deliver}", data={"total": 7}))
    assert receipt.verdict == "started"
    result = await root.run(new_event(f"schema-{deliver}", data={"total": 7}))
    assert result["action"] == "started"
