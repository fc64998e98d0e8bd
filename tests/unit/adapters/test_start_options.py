"""A start with all that a route can say is the one that the SDK's client would send."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.api.common.v1 import Priority as PriorityMessage
from temporalio.api.common.v1 import RetryPolicy as RetryMessage
from temporalio.api.common.v1 import SearchAttributes
from temporalio.api.workflowservice.v1 import (
    SignalWithStartWorkflowExecutionResponse,
    SignalWorkflowExecutionResponse,
    StartWorkflowExecutionResponse,
)
from temporalio.common import (
    RetryPolicy,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
)
from temporalio.converter import encode_search_attributes

from core.adapters.temporal.connection import Frontend, data_converter
from core.adapters.temporal.workflows import TemporalWorkflows
from core.domain.event import Event
from core.domain.routing.table import Deliver, StartOptions, Target, WhenMissing, WhenRunning

EVENT = Event(id="1", source="/a", type="t", key="k", subject="s", data={"a": 1})
TARGET = Target(
    route="orders",
    deliver=Deliver.START,
    workflow="Order",
    task_queue="orders",
    id="order:k",
    next_id="order:k~1",
    when_running=WhenRunning.REJECT,
    signal="event",
)
OPTIONS = StartOptions(
    search_attributes={
        "A": {"keyword": "a"},
        "B": {"keyword_list": ["a", "b"]},
        "C": {"text": "a b"},
        "D": {"int": 7},
        "E": {"double": 7.0},
        "F": {"bool": False},
        "G": {"datetime": "2026-03-04T05:06:07+00:00"},
    },
    memo={"ü": [1, None], "b": "c"},
    static_summary="Order 7",
    priority=2,
    fairness_key="tenant",
    fairness_weight=2.5,
    retry={
        "initial_interval": 10.0,
        "backoff": 1.5,
        "maximum_interval": 3600.0,
        "maximum_attempts": 5,
        "non_retryable": ["OrderInvalid"],
    },
    start_delay=600.0,
)
THEIRS = TypedSearchAttributes(
    [
        SearchAttributePair(SearchAttributeKey.for_keyword("A"), "a"),
        SearchAttributePair(SearchAttributeKey.for_keyword_list("B"), ["a", "b"]),
        SearchAttributePair(SearchAttributeKey.for_text("C"), "a b"),
        SearchAttributePair(SearchAttributeKey.for_int("D"), 7),
        SearchAttributePair(SearchAttributeKey.for_float("E"), 7.0),
        SearchAttributePair(SearchAttributeKey.for_bool("F"), False),
        SearchAttributePair(
            SearchAttributeKey.for_datetime("G"), datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
        ),
    ]
)


async def request(target: Target) -> Any:
    """The one request by which an event reaches the target."""
    requests: list[Any] = []

    class Service:
        async def start_workflow_execution(self, sent: Any, **_: Any) -> Any:
            requests.append(sent)
            return StartWorkflowExecutionResponse()

        async def signal_workflow_execution(self, sent: Any, **_: Any) -> Any:
            requests.append(sent)
            return SignalWorkflowExecutionResponse()

        async def signal_with_start_workflow_execution(self, sent: Any, **_: Any) -> Any:
            requests.append(sent)
            return SignalWithStartWorkflowExecutionResponse()

    async def connect() -> Frontend:
        service: Any = Service()
        return Frontend(service, "default", "test")

    workflows = TemporalWorkflows(connect, timeout=5)
    if target.deliver is Deliver.START:
        await workflows.start(EVENT, target, table="t")
    else:
        await workflows.signal([EVENT.to_wire()], target, request_id="r", table="t")
    [sent] = requests
    return sent


@pytest.mark.parametrize("deliver", [Deliver.START, Deliver.SIGNAL])
async def test_what_the_route_says_is_sent_as_the_sdk_sends_it(deliver: Deliver) -> None:
    sent = await request(replace(TARGET, deliver=deliver, options=OPTIONS))
    attributes, retry = SearchAttributes(), RetryMessage()
    encode_search_attributes(THEIRS, attributes)
    assert sent.search_attributes == attributes
    RetryPolicy(
        initial_interval=timedelta(seconds=10),
        backoff_coefficient=1.5,
        maximum_interval=timedelta(hours=1),
        maximum_attempts=5,
        non_retryable_error_types=["OrderInvalid"],
    ).apply_to_proto(retry)
    assert sent.retry_policy == retry
    assert sent.priority == PriorityMessage(
        priority_key=2, fairness_key="tenant", fairness_weight=2.5
    )
    assert sent.workflow_start_delay.ToTimedelta() == timedelta(minutes=10)
    convert = data_converter().payload_converter.to_payload
    assert dict(sent.memo.fields) == {
        name: convert(value) for name, value in (OPTIONS.memo or {}).items()
    }
    assert sent.user_metadata.summary == convert("Order 7")


@pytest.mark.parametrize("deliver", [Deliver.START, Deliver.SIGNAL])
async def test_what_it_does_not_say_is_not_sent(deliver: Deliver) -> None:
    for options in (None, StartOptions()):
        sent = await request(replace(TARGET, deliver=deliver, options=options))
        fields = {field.name for field, _ in sent.ListFields()}
        ours = {"search_attributes", "memo", "retry_policy", "workflow_start_delay"}
        assert fields & ours == set()
        assert sent.priority == PriorityMessage()


async def test_a_moment_that_has_passed_is_no_delay() -> None:
    past = StartOptions(start_time="1999-01-01T00:00:00Z")
    assert not (await request(replace(TARGET, options=past))).HasField("workflow_start_delay")
    later = StartOptions(start_time=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    sent = await request(replace(TARGET, options=later))
    assert 3500 < sent.workflow_start_delay.ToTimedelta().total_seconds() <= 3600


@pytest.mark.parametrize(
    ("deliver", "when_missing", "field"),
    [
        (Deliver.START, WhenMissing.START, "input"),
        (Deliver.SIGNAL, WhenMissing.START, "signal_input"),
        (Deliver.SIGNAL, WhenMissing.QUARANTINE, "input"),
    ],
)
async def test_arguments_are_sent_one_payload_each(
    deliver: Deliver, when_missing: WhenMissing, field: str
) -> None:
    arguments: list[Any] = [{"id": 7}, ["a"], "text", 0, False]
    target = replace(TARGET, deliver=deliver, when_missing=when_missing, input=arguments)
    sent = await request(target)
    payloads = getattr(sent, field).payloads
    convert = data_converter().payload_converter.to_payload
    assert list(payloads) == [convert(argument) for argument in arguments]
