from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.event import parse_time
from core.formats.shared.times import from_epoch


@pytest.mark.parametrize(
    "value",
    [
        1767323045,
        1767323045000,
        1767323045000000,
        1767323045000000000,
        "1767323045000",
        1767323045.0,
        "1767323045.000",
    ],
)
def test_the_same_time_reads_the_same_in_every_unit(value: Any) -> None:
    assert from_epoch(value) == "2026-01-02T03:04:05.000Z"


@pytest.mark.parametrize(
    "value",
    [
        "2026-01-02T03:04:05Z",
        "",
        "-5",
        "1e9",
        "²",
        ".5",
        float("inf"),
        "9" * 5000,
        -1,
        10**20,
        None,
        True,
        [],
    ],
)
def test_anything_else_is_returned_unchanged(value: Any) -> None:
    assert from_epoch(value) == value


@pytest.mark.parametrize("value", [1767323045.25, "1767323045.25", 1767323045250.9])
def test_a_fraction_counts_to_the_millisecond(value: Any) -> None:
    assert from_epoch(value) == "2026-01-02T03:04:05.250Z"


@given(st.integers(0, 10**20 - 1))
def test_every_number_is_a_time(value: int) -> None:
    text = from_epoch(value)
    assert isinstance(text, str)
    parse_time(text)
