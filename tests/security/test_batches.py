"""A batch takes no more than its largest record: the rest of it waits unread."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from core.config.settings import Settings
from core.formats import registry
from core.formats.shared.delivery import Delivery
from core.intake.receipts import METRICS, Verdict
from functions_aws import runtime
from functions_aws.message_listener import handler
from tests.support.lambda_runtime import Context
from tests.support.listeners import fresh_process
from tests.support.payloads import sqs_record
from tests.support.workflows_port import MemoryWorkflows

LARGE: Final = 300_000
"""Characters of a record that is read alone."""


class Seen(MemoryWorkflows):
    """Notes when what is read and when what is started."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[str] = []

    async def orchestrate(self, *event: Any, **more: Any) -> Any:
        self.steps.append("start")
        sent = await super().orchestrate(*event, **more)
        self.started.clear()  # Temporal holds it
        self.calls.clear()
        return sent


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    workflows = Seen()

    def noted(delivery: Delivery) -> Any:
        workflows.steps.append("read")
        return registry.read(delivery)

    monkeypatch.setattr(runtime, "read", noted)
    with fresh_process(Settings(quarantine=f"file://{tmp_path}"), workflows):
        yield workflows


def large(n: int) -> str:
    """A large record that starts one workflow."""
    return json.dumps({"n": n, "a": "x" * (LARGE)})


def costly() -> str:
    """A large record that takes many times its size when it is read."""
    return f'{{"a": [{"[[1]]," * (LARGE // 6)}1]}}'


def batch(*bodies: str, queue: str = "events") -> dict[str, Any]:
    return {"Records": [sqs_record(each, queue=queue) for each in bodies]}


def peak(event: dict[str, Any]) -> int:
    tracemalloc.start()
    try:
        answer = handler(event, Context(600))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer == {"batchItemFailures": []}
    return most


@pytest.mark.parametrize("queue", ["events", "events.fifo"])
def test_a_batch_of_large_records_takes_the_memory_of_one(seen: Seen, queue: str) -> None:
    handler(batch("{}"), Context())  # loads what is loaded once
    one = peak(batch(costly(), queue=queue))
    assert peak(batch(*[costly()] * 4, queue=queue)) < 1.2 * one


def test_large_records_are_started_before_the_next_is_read(seen: Seen) -> None:
    plain = batch(*map(large, range(3)))
    assert handler(plain, Context()) == {"batchItemFailures": []}
    assert seen.steps == ["read", "start"] * 3


def test_small_records_are_read_together_and_started_concurrently(seen: Seen) -> None:
    plain = batch(*(json.dumps({"n": n}) for n in range(10)))
    assert handler(plain, Context()) == {"batchItemFailures": []}
    assert seen.steps == ["read"] * 10 + ["start"] * 10


def test_what_there_is_no_time_for_is_redelivered_unread(
    seen: Seen, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = batch(*map(large, range(3)))
    answer = handler(plain, Context(0))
    ids = [{"itemIdentifier": record["messageId"]} for record in plain["Records"]]
    assert answer["batchItemFailures"][-2:] == ids[1:]
    assert seen.steps.count("read") == 1
    metric = METRICS[Verdict.RETRY]
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    counted = [value for line in lines for value in line.get(metric, [])]
    assert sum(counted) == len(answer["batchItemFailures"])
