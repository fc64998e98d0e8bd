"""What a route says of its workflow, on a real server: by the listener's one call, and by the root
orchestrator, which does the same for a child."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.history.v1 import WorkflowExecutionStartedEventAttributes
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from core import bootstrap
from core.adapters.temporal.connection import frontend
from core.adapters.temporal.workflows import TemporalWorkflows
from core.contracts import STATUS_ATTRIBUTE
from core.domain.event import Event
from core.domain.routing.table import StartOptions
from core.errors import InvalidOption, TemporalUnavailable
from core.formats.shared.delivery import Arrival, Delivery
from core.intake.receipts import Receipt
from core.operations.outcome import Result, follow
from tests.support.eventually import eventually
from tests.support.orchestrator import Harness, harness, has_failed_task, new_event
from tests.support.quarantines import kept
from workers.root_orchestrator.attributes import KnownAttributes

NOBODY = {"task_queue": "nobody-serves-this"}
"""The workflow waits: what it was given is in its history."""
DELIVERIES: dict[str, dict[str, Any]] = {
    "orchestrate": {"child_id": "{route}:{subject}"},
    "start": {"child_id": "{route}:{tidegatekey}"},
    "signal": {"child_id": "{route}:{subject}", "signal": "event"},
}


ATTRIBUTES: dict[str, tuple[str, SearchAttributeKey[Any]]] = {
    "keyword": ("RouteKeyword", SearchAttributeKey.for_keyword("RouteKeyword")),
    "keyword_list": ("RouteKeywords", SearchAttributeKey.for_keyword_list("RouteKeywords")),
    "text": ("RouteText", SearchAttributeKey.for_text("RouteText")),
    "int": ("RouteInt", SearchAttributeKey.for_int("RouteInt")),
    "double": ("RouteDouble", SearchAttributeKey.for_float("RouteDouble")),
    "bool": ("RouteBool", SearchAttributeKey.for_bool("RouteBool")),
    "datetime": ("RouteDatetime", SearchAttributeKey.for_datetime("RouteDatetime")),
}
"""A search attribute of each type, with its name."""


def each(name: str, **fields: Any) -> dict[str, dict[str, Any]]:
    """The same route for each delivery."""
    return {
        f"{name}-{deliver}": {"deliver": deliver, **NOBODY, **own, **fields}
        for deliver, own in DELIVERIES.items()
    }


ROUTES: dict[str, dict[str, Any]] = {
    **each("input", input=["data.order", "{of: subject, at: time}"]),
    **each("schema", schema={"properties": {"total": {"type": "number"}}}),
    **each(
        "options",
        search_attributes={name: {kind: f"data.{kind}"} for kind, (name, _) in ATTRIBUTES.items()},
        memo={"order": "data.int", "of": "{customer: data.keyword}"},
        static_summary="Order {data.int} of {data.keyword}",
    ),
    **each("unknown", search_attributes={"RouteUnknown": {"keyword": "id"}}),
    **each("other-type", search_attributes={STATUS_ATTRIBUTE: {"int": "`7`"}}),
    **each(
        "ordered",
        priority="data.priority",
        fairness={"key": "data.customer", "weight": 2.5},
    ),
    **{
        f"retried-{deliver}": {
            "deliver": deliver,
            **NOBODY,
            **DELIVERIES[deliver],
            "retry": {
                "initial_interval": "10s",
                "backoff": 1.5,
                "maximum_interval": "1h",
                "maximum_attempts": 5,
                "non_retryable": ["OrderInvalid"],
            },
        }
        for deliver in ("orchestrate", "start")
    },
    **{
        f"delayed-{deliver}": {
            "deliver": deliver,
            **NOBODY,
            **DELIVERIES[deliver],
            "start_delay": "{data.start}",
        }
        for deliver in ("start", "signal")
    },
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
    await temporal_client.operator_service.add_search_attributes(
        AddSearchAttributesRequest(
            namespace=temporal_client.namespace,
            search_attributes={
                name: IndexedValueType.Value(f"INDEXED_VALUE_TYPE_{kind.upper()}")
                for kind, (name, _) in ATTRIBUTES.items()
            },
        )
    )
    folder = tmp_path_factory.mktemp("fields")
    async with harness(temporal_client, folder, more=ROUTES) as root:
        yield root


@pytest.fixture
def listener(root: Harness, temporal_settings: None) -> Any:
    return listener_of(root)


def listener_of(root: Harness) -> Any:
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
        async with asyncio.timeout(60):  # or a task that fails would be retried for ever
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


# ------------------------------------------------------ search attributes, memo and summary

VALUES: dict[str, Any] = {
    "keyword": "c-7",
    "keyword_list": ["new", "large"],
    "text": "three blind mice",
    "int": 7,
    "double": 12.5,
    "bool": False,
    "datetime": "2026-03-04T05:06:07Z",
}


async def is_described(root: Harness, id: str | None) -> None:
    """Whether a workflow has all that its route says of it."""
    assert id is not None
    description = await root.child(id).describe()
    found = {
        kind: description.typed_search_attributes.get(key) for kind, (_, key) in ATTRIBUTES.items()
    }
    assert found == {**VALUES, "datetime": datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)}
    assert await description.memo() == {"order": 7, "of": {"customer": "c-7"}}
    assert await description.static_summary() == "Order 7 of c-7"


@pytest.mark.parametrize("deliver", ["start", "signal"])
async def test_a_workflow_has_what_its_route_says_of_it(
    root: Harness, listener: Any, deliver: str
) -> None:
    [receipt] = await listener(new_event(f"options-{deliver}", data=VALUES))
    assert receipt.verdict == "started"
    await is_described(root, receipt.workflow_id)


@pytest.mark.parametrize("deliver", DELIVERIES)
async def test_a_child_has_what_its_route_says_of_it(root: Harness, deliver: str) -> None:
    result = await root.run(new_event(f"options-{deliver}", data=VALUES))
    await is_described(root, result["child_id"])


@pytest.mark.parametrize("deliver", DELIVERIES)
async def test_what_the_event_does_not_have_is_left_out(root: Harness, deliver: str) -> None:
    event = new_event(f"options-{deliver}", data={"int": 7})
    result = await root.run(event)
    description = await root.child(result["child_id"]).describe()
    assert [pair.key.name for pair in description.typed_search_attributes] == ["RouteInt"]
    assert await description.memo() == {"order": 7, "of": {"customer": None}}
    assert await description.static_summary() == "Order 7 of"


@pytest.mark.parametrize("deliver", ["start", "signal"])
@pytest.mark.parametrize("route", ["unknown", "other-type"])
async def test_an_attribute_that_the_namespace_does_not_have_is_quarantined(
    root: Harness, listener: Any, route: str, deliver: str
) -> None:
    [receipt] = await listener(new_event(f"{route}-{deliver}"))
    assert (receipt.verdict, receipt.code) == ("quarantined", "InvalidOption")
    assert "search attribute " in (receipt.reason or "")
    assert "tidegate doctor" in (receipt.reason or "")


@pytest.mark.parametrize("deliver", DELIVERIES)
@pytest.mark.parametrize(
    ("route", "why"),
    [
        ("unknown", "RouteUnknown of type Keyword: the namespace does not have it"),
        ("other-type", f"{STATUS_ATTRIBUTE} of type Int: the namespace has it as Keyword"),
    ],
)
async def test_a_child_with_such_an_attribute_is_quarantined_and_fails_no_task(
    root: Harness, route: str, why: str, deliver: str
) -> None:
    error = await failure(root, new_event(f"{route}-{deliver}"))
    assert (error.type, why in error.message) == ("InvalidOption", True)


async def test_an_attribute_is_known_as_soon_as_it_is_registered(
    root: Harness, temporal_client: Client
) -> None:
    """The worker has asked before, and asks again."""
    known = KnownAttributes()
    target = bootstrap.router(root.settings).target(new_event("unknown-start"))
    wanted = replace(
        target, options=StartOptions(search_attributes={"RouteLater": {"keyword": "a"}})
    )
    with pytest.raises(InvalidOption):
        await known.check(lambda: temporal_client, wanted)
    await temporal_client.operator_service.add_search_attributes(
        AddSearchAttributesRequest(
            namespace=temporal_client.namespace,
            search_attributes={"RouteLater": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD},
        )
    )

    async def is_known() -> bool:
        try:
            await known.check(lambda: temporal_client, wanted)
        except InvalidOption:
            return False
        return True

    await eventually(is_known, "the attribute to be known")


@pytest.mark.parametrize("status", ["PERMISSION_DENIED", "UNIMPLEMENTED"])
async def test_a_worker_that_may_not_ask_for_the_attributes_goes_on(
    root: Harness, caplog: pytest.LogCaptureFixture, status: str
) -> None:
    class Forbidding:
        namespace = "default"

        class operator_service:  # noqa: N801  # as the client has it
            @staticmethod
            async def list_search_attributes(*_: Any, **__: Any) -> Any:
                raise RPCError("Request unauthorized.", RPCStatusCode[status], b"")

    target = bootstrap.router(root.settings).target(new_event("unknown-start"))
    client: Any = Forbidding()
    await KnownAttributes().check(lambda: client, target)
    assert "cannot ask for the namespace's search attributes, continuing" in caplog.text


async def test_while_the_attributes_cannot_be_read_the_event_waits(root: Harness) -> None:
    """The activity is retried: the event is at no fault."""

    class Unavailable:
        namespace = "default"

        class operator_service:  # noqa: N801  # as the client has it
            @staticmethod
            async def list_search_attributes(*_: Any, **__: Any) -> Any:
                raise RPCError("later", RPCStatusCode.UNAVAILABLE, b"")

    target = bootstrap.router(root.settings).target(new_event("unknown-start"))
    client: Any = Unavailable()
    with pytest.raises(TemporalUnavailable):
        await KnownAttributes().check(lambda: client, target)


# ------------------------------------------------------- priority, fairness, retries and delay


@pytest.mark.parametrize("deliver", DELIVERIES)
@pytest.mark.parametrize("orchestrated", [False, True])
async def test_a_workflow_has_its_priority_and_its_share(
    root: Harness, listener: Any, deliver: str, orchestrated: bool
) -> None:
    event = new_event(f"ordered-{deliver}", data={"priority": 2, "customer": "c-7"})
    id = await started(root, listener, event, orchestrated or deliver == "orchestrate")
    priority = (await began(root, id)).priority
    assert (priority.priority_key, priority.fairness_key, priority.fairness_weight) == (
        2,
        "c-7",
        2.5,
    )


@pytest.mark.parametrize("deliver", ["orchestrate", "start"])
@pytest.mark.parametrize("orchestrated", [False, True])
async def test_a_workflow_is_retried_as_its_route_says(
    root: Harness, listener: Any, deliver: str, orchestrated: bool
) -> None:
    event = new_event(f"retried-{deliver}")
    id = await started(root, listener, event, orchestrated or deliver == "orchestrate")
    policy = (await began(root, id)).retry_policy
    assert (
        policy.initial_interval.ToTimedelta(),
        policy.backoff_coefficient,
        policy.maximum_interval.ToTimedelta(),
        policy.maximum_attempts,
        list(policy.non_retryable_error_types),
    ) == (timedelta(seconds=10), 1.5, timedelta(hours=1), 5, ["OrderInvalid"])


async def started(root: Harness, listener: Any, event: Event, orchestrated: bool) -> str:
    """The ID of the workflow that an event starts, by the root orchestrator or by itself."""
    if orchestrated:
        id: str = (await root.run(event))["child_id"]
        return id
    [receipt] = await listener(event)
    assert receipt.verdict == "started"
    return str(receipt.workflow_id)


@pytest.mark.parametrize("deliver", ["start", "signal"])
async def test_a_workflow_starts_later_where_its_route_says_so(
    root: Harness, listener: Any, deliver: str
) -> None:
    event = new_event(f"delayed-{deliver}", data={"start": "2h"})
    [receipt] = await listener(event)
    backoff = (await began(root, receipt.workflow_id)).first_workflow_task_backoff
    assert backoff.ToTimedelta() == timedelta(hours=2)


@pytest.mark.parametrize("deliver", ["start", "signal"])
@pytest.mark.parametrize("start", ["1999-01-01T00:00:00Z", None])
async def test_a_workflow_whose_time_has_passed_starts_immediately(
    root: Harness, listener: Any, deliver: str, start: str | None
) -> None:
    [receipt] = await listener(new_event(f"delayed-{deliver}", data={"start": start}))
    assert receipt.verdict == "started"
    began_at = await began(root, receipt.workflow_id)
    assert not began_at.first_workflow_task_backoff.ToTimedelta()


async def test_a_workflow_may_start_on_the_last_day_there_is(root: Harness, listener: Any) -> None:
    """Whatever moment a sender names: the event is in a workflow or in quarantine."""
    event = new_event("delayed-start", data={"start": "9999-12-31T23:59:59Z"})
    [receipt] = await listener(event)
    assert receipt.verdict in ("started", "quarantined")


async def test_the_next_signal_ends_the_wait(root: Harness, listener: Any) -> None:
    first = new_event("delayed-signal", data={"start": "2h"})
    second = new_event("delayed-signal", subject=first.subject, data={"start": "3h"})
    [receipt] = await listener(first)
    assert not await is_scheduled(root, receipt.workflow_id)
    [delivered] = await listener(second)
    assert (delivered.verdict, delivered.run_id) == ("delivered", receipt.run_id)
    assert await is_scheduled(root, receipt.workflow_id)


async def is_scheduled(root: Harness, id: str | None) -> bool:
    """Whether a worker of the workflow has something to do."""
    history = await root.child(str(id)).fetch_history()
    return any(
        event.HasField("workflow_task_scheduled_event_attributes") for event in history.events
    )


@pytest.mark.parametrize("deliver", ["start", "signal"])
async def test_an_orchestrator_waits_where_it_starts_what_is_to_start_later(
    root: Harness, deliver: str
) -> None:
    """As after a change of the table, while some listeners have the old one."""
    moment = datetime.now(UTC) + timedelta(seconds=2)
    event = new_event(f"delayed-{deliver}", data={"start": moment.isoformat()})
    result = await root.run(event)
    assert result["action"] == "started"
    first = (await root.child(result["child_id"]).fetch_history()).events[0]
    assert first.event_time.ToDatetime(tzinfo=UTC) >= moment


# ------------------------------------------------------------------------- what no route takes


async def test_what_no_route_takes_is_dropped_by_listener_and_orchestrator(
    temporal_client: Client,
    temporal_settings: None,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with harness(temporal_client, tmp_path, otherwise="drop") as dropping:
        event = new_event("of-no-kind")
        [receipt] = await listener_of(dropping)(event)
        assert receipt.verdict == "dropped"
        with pytest.raises(RPCError):
            await dropping.child(event.key).describe()
        with caplog.at_level(logging.INFO):
            assert await dropping.run(event) == {"action": "dropped"}
        assert f"dropped: event {event.key}: no route matches" in caplog.text
        assert await kept(dropping.settings) == []
        outcome = (
            await follow(temporal_client, [replace(receipt, workflow_id=event.key)], timeout=10)
        )[0]
        assert outcome.result is Result.DROPPED
