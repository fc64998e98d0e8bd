"""Durations, rates and seconds as options take them."""

from __future__ import annotations

import pytest

from core.cli.quantities import rate
from tests.support.cli import Tidegate

COMMANDS = [
    ("incident", "list", "--watch", "--every"),
    ("incident", "show", "bcdfgh", "--watch", "--every"),
    ("quarantine", "replay", "--all", "--timeout"),
    ("send", "-", "--timeout"),
]


@pytest.mark.parametrize(
    ("text", "a_second"), [("20/s", 20), ("100/m", 100 / 60), ("36/h", 0.01), ("0.5/s", 0.5)]
)
def test_a_rate_is_so_many_events_in_a_second_a_minute_or_an_hour(
    text: str, a_second: float
) -> None:
    assert rate(text) == a_second


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_seconds_are_finite(tidegate: Tidegate, command: list[str]) -> None:
    result = tidegate(*command, "inf")
    assert result.code == 2
    assert "inf is not a number of seconds like 30" in result.err
