"""What a listener counts and logs of a receipt."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from core.errors import InvalidEvent
from core.formats.shared.delivery import Arrival, Delivery, Malformed
from core.intake.receipts import METRICS, Receipt, Verdict
from functions_aws import telemetry


def lines(capsys: pytest.CaptureFixture[str], verdict: Verdict) -> list[dict[str, Any]]:
    """The lines that one receipt makes."""
    delivery = Delivery(format="s3", body=b"", headers={"message-id": "m"}, unique="u")
    arrival = Arrival(Malformed(InvalidEvent("no matter")), delivery)
    telemetry.record(arrival, Receipt(verdict=verdict, reason="because"))
    telemetry._end_line()
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_is_counted_and_its_receipt_logged(
    capsys: pytest.CaptureFixture[str], verdict: Verdict
) -> None:
    [line] = [line for line in lines(capsys, verdict) if "_aws" in line]
    assert line[METRICS[verdict]] in (1, [1])
    assert f'"verdict": "{verdict.value}"' in json.dumps(line).replace('\\"', '"')


@pytest.mark.parametrize("verdict", Verdict)
def test_what_needs_attention_has_a_warning_of_its_own_and_what_is_dropped_has_none(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, verdict: Verdict
) -> None:
    lines(capsys, verdict)
    warned = any(record.levelno == logging.WARNING for record in caplog.records)
    assert warned is (verdict in (Verdict.QUARANTINED, Verdict.RETRY))
