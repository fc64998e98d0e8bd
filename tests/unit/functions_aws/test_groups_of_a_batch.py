"""A batch of SQS is read in groups of bounded size, and stays one batch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.config.settings import Settings
from core.domain.event import ALERT, Event
from core.errors import TemporalUnavailable
from functions_aws import message_listener
from functions_aws.runtime import _GROUP_CHARS
from tests.support.lambda_runtime import Context
from tests.support.listeners import fresh_process
from tests.support.payloads import message_ids, recorded_json, sqs_batch
from tests.support.workflows_port import MemoryWorkflows


def alert(key: str, id: str) -> dict[str, object]:
    """An alert that fills a group by itself."""
    data = {"key": key, "status": "firing", "summary": "x" * _GROUP_CHARS}
    return {"specversion": "1.0", "id": id, "source": "/am", "type": ALERT, "data": data}


def test_after_a_signal_that_must_be_redelivered_so_must_the_later_ones_of_other_groups(
    tmp_path: Path,
) -> None:
    def refuse(event: Event) -> None:
        if event.id == "1":
            raise TemporalUnavailable("no answer")

    workflows = MemoryWorkflows(refuse)
    batch = sqs_batch(alert("disk", "1"), alert("cpu", "2"), alert("disk", "3"))
    settings = Settings(quarantine=f"file://{tmp_path}", trusted_types=(ALERT,))
    with fresh_process(settings, workflows):
        answer = message_listener.handler(batch, Context())
    failed = [each["itemIdentifier"] for each in answer["batchItemFailures"]]
    first, _, third = message_ids(batch)
    assert failed == [first, third]
    assert [id for id, _, _ in workflows.signals] == ["incident:queue:uploads-queue:cpu"]


def test_a_batch_without_events_takes_no_more_values_in_a_line_than_cloudwatch_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    batch = sqs_batch(*[recorded_json("webhooks/presets/uptime-kuma/test")] * 250)
    settings = Settings(
        quarantine=f"file://{tmp_path}", queue_formats=(("uploads-queue", "mapped:uptime-kuma"),)
    )
    with fresh_process(settings, MemoryWorkflows()):
        assert message_listener.handler(batch, Context()) == {"batchItemFailures": []}
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    counts = [len(line["Accepted"]) for line in lines if "Accepted" in line]
    assert sum(counts) == 250
    assert max(counts) <= 100
