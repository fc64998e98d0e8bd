"""What a listener counts and logs of a receipt."""

from __future__ import annotations

import logging

import pytest

from core.errors import InvalidEvent
from core.formats.shared.delivery import Arrival, Delivery, Malformed
from core.intake.receipts import METRICS, Receipt, Verdict
from functions_azure import telemetry


class Counting:
    """A meter that remembers what it counts."""

    def __init__(self) -> None:
        self.counts: list[tuple[str, int]] = []

    def count(self, name: str, value: int) -> None:
        self.counts.append((name, value))


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_is_counted_and_logged_and_what_is_dropped_is_no_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, verdict: Verdict
) -> None:
    meter = Counting()
    monkeypatch.setattr(telemetry, "meter", lambda: meter)
    delivery = Delivery(format="s3", body=b"", unique="u")
    arrival = Arrival(Malformed(InvalidEvent("no matter")), delivery)
    with caplog.at_level(logging.INFO):
        telemetry.record(arrival, Receipt(verdict=verdict, reason="because"))
    assert meter.counts == [(METRICS[verdict], 1)]
    [line] = caplog.records
    assert line.getMessage().startswith(f"event {verdict}: ")
    warned = line.levelno == logging.WARNING
    assert warned is (verdict in (Verdict.QUARANTINED, Verdict.RETRY))
