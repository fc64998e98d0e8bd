"""Promise one: whatever is delivered, each record is started, a duplicate, quarantined or reported
as failed, and the handler answers."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config.settings import Settings
from core.errors import NotAccepted
from core.formats.registry import read
from core.formats.shared.delivery import Malformed
from core.intake.records import QuarantinedDelivery
from functions_aws import message_listener, s3_listener, sqs
from tests.support.lambda_runtime import Context
from tests.support.listeners import fresh_process
from tests.support.mangled import JSON_VALUES, MANGLED_BODIES, RECORDED, mangled
from tests.support.payloads import recorded, sqs_record
from tests.support.quarantines import kept
from tests.support.workflows_port import MemoryWorkflows, fickle

HANDLERS: dict[str, Callable[..., Any]] = {
    "s3": s3_listener.handler,
    "message": message_listener.handler,
}
BODIES = (
    MANGLED_BODIES.map(lambda body: body.decode(errors="replace"))
    | JSON_VALUES.map(json.dumps)
    | st.text(st.characters(), max_size=50)
    | st.sampled_from(["s3-put", "cloudevent", "s3-test-event", "s3-two-records"]).map(
        lambda name: recorded(name).decode()
    )
)
TYPES = st.sampled_from(["application/json", "application/cloudevents-batch+json"])
BATCHES = st.lists(st.tuples(BODIES, TYPES), min_size=1, max_size=5)


def deliver(
    format: str, event: Any, workflows: MemoryWorkflows
) -> tuple[Any, list[QuarantinedDelivery]]:
    """The handler's answer (or the error it raised), and what is in quarantine afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            documents=("s3://example-documents/",),
            quarantine=f"file://{folder}",
            max_event_bytes=4096,
        )
        with fresh_process(settings, workflows):
            try:
                answer = HANDLERS[format](event, Context())
            except NotAccepted as raised:
                answer = raised
            with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
                return answer, runner.run(kept(settings))


def is_taken_care_of(
    format: str, record: Any, workflows: MemoryWorkflows, kept: list[QuarantinedDelivery]
) -> bool:
    """Whether each event of a queue's record is started, or kept in its original bytes."""
    delivery = sqs.delivery(format, record, Settings())
    started = {event.key for event in workflows.started.values()}
    originals = {(record.headers.get("message-id"), record.body) for record in kept}
    is_kept = (record["messageId"], delivery.body) in originals
    return all(
        is_kept
        if isinstance(arrival.item, Malformed)
        else arrival.item.unidentified or arrival.item.key in started or is_kept
        for arrival in read(delivery)
    )


@pytest.mark.parametrize("format", HANDLERS)
@pytest.mark.parametrize("queue", ["events", "events.fifo"])
@given(bodies=BATCHES, seed=st.integers(0, 100))
def test_each_record_of_a_batch_is_settled_or_reported_as_failed(
    format: str, queue: str, bodies: list[tuple[str, str]], seed: int
) -> None:
    records = [
        sqs_record(body, queue=queue, attributes={"content-type": type}) for body, type in bodies
    ]
    workflows = fickle(seed)
    answer, kept = deliver(format, {"Records": records}, workflows)
    ids = [record["messageId"] for record in records]
    failed = [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
    assert answer.keys() == {"batchItemFailures"}
    assert set(failed) <= set(ids)
    assert len(failed) == len(set(failed))
    if queue.endswith(".fifo"):
        assert failed == ids[len(ids) - len(failed) :]
    for record in records:
        if record["messageId"] not in failed:
            assert is_taken_care_of(format, record, workflows, kept), record


@pytest.mark.parametrize("format", HANDLERS)
@given(event=JSON_VALUES | mangled(RECORDED), seed=st.integers(0, 100))
def test_each_event_of_any_invocation_is_settled_or_raised(
    format: str, event: Any, seed: int
) -> None:
    workflows = fickle(seed)
    answer, kept = deliver(format, event, workflows)
    if isinstance(answer, NotAccepted):
        return  # Lambda redelivers all of it
    if isinstance(answer, dict):
        assert sqs.is_batch(event)
        return  # a batch, tested above
    verdicts = [receipt["verdict"] for receipt in answer]
    assert set(verdicts) <= {"started", "duplicate", "quarantined"}
    assert verdicts.count("started") == len(workflows.started)
    assert {receipt["quarantine_uri"] for receipt in answer if "quarantine_uri" in receipt} == {
        record.uri for record in kept
    }
