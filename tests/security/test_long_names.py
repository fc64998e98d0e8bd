"""Long names of senders make neither answers nor lines of metrics too long for their platforms."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.errors import InvalidEvent
from core.formats.shared.delivery import Arrival, Delivery, Malformed
from core.intake.receipts import Receipt, Verdict
from functions_aws import telemetry
from tests.support.lambda_runtime import Context
from tests.support.webhooks import Harness, answer_of
from tests.support.workflows_port import MemoryWorkflows

LAMBDA = 6 * 1024 * 1024
LINE = 256 * 1024
BATCH = "application/cloudevents-batch+json"


@pytest.mark.parametrize("name", ["id", "source", "type", "subject", "team"])
async def test_a_cloudevent_with_a_long_attribute_is_refused(name: str, tmp_path: Path) -> None:
    harness = Harness(MemoryWorkflows(), tmp_path)
    event = {"specversion": "1.0", "id": "1", "source": "/a", "type": "t"}
    outcome = await harness.post(event | {name: "x" * 2048})
    assert outcome.response.status == 202
    outcome = await harness.post(event | {name: "x" * 2049})
    assert outcome.response.status == 400
    assert "over 2,048" in answer_of(outcome)["receipts"][0]["reason"]


@pytest.mark.parametrize("format", ["message", "alertmanager"])
async def test_the_answer_to_long_names_fits_into_lambdas(format: str, tmp_path: Path) -> None:
    harness = Harness(MemoryWorkflows(), tmp_path, {"in": {"format": format}})
    if format == "message":
        attributes = {"specversion": "1.0", "source": "é" * 2048, "type": "t"}
        body: object = [attributes | {"id": f"{n}{'é' * 2000}"} for n in range(150)]
        outcome = await harness.post(body, content_type=BATCH)
    else:
        alerts = [{"fingerprint": f"{n}{'é' * 2_000}", "status": "firing"} for n in range(150)]
        outcome = await harness.post({"alerts": alerts})
    assert outcome.response.status == 202
    assert len(answer_of(outcome)["receipts"]) == 100
    assert len(outcome.response.body) < LAMBDA / 6  # as text in JSON, if all of it is escaped


def test_no_line_of_metrics_is_too_long(capsys: pytest.CaptureFixture[str]) -> None:
    delivery = Delivery(
        format="message", body=b"", headers={"message-id": "é" * 100_000}, unique="u"
    )
    arrival = Arrival(Malformed(InvalidEvent("why")), delivery)

    @telemetry.reported
    def handler(event: object, context: object) -> None:
        for n in range(120):
            reason = str(InvalidEvent(f"{n} {'é' * 100_000}"))
            telemetry.record(arrival, Receipt(verdict=Verdict.QUARANTINED, reason=reason))

    handler({}, Context())
    lines = capsys.readouterr().out.splitlines()
    receipts = [each for line in lines for each in json.loads(line).get("receipts", [])]
    assert len(receipts) == 120
    assert max(len(line.encode()) for line in lines) < LINE
