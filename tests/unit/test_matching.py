"""Patterns: `*` stands for anything, and no pattern takes long."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.matching import Match, match_of
from core.domain.severity import Severity


def fits(value: str, pattern: str) -> bool:
    return Match(service=[pattern]).fits(None, value, {})


@given(st.text("ab\n", max_size=8), st.text("ab\n*", min_size=1, max_size=6))
def test_a_pattern_fits_as_the_regular_expression_it_stands_for(value: str, pattern: str) -> None:
    expression = ".*".join(map(re.escape, pattern.split("*")))
    assert fits(value, pattern) is bool(re.fullmatch(expression, value, re.DOTALL))


def test_a_value_that_almost_fits_many_stars_takes_no_time() -> None:
    started = time.perf_counter()
    assert not fits("a" * 1_000, "*a" * 20 + "*b*c")
    assert time.perf_counter() - started < 1


def test_texts_become_a_match_of_fields_and_labels() -> None:
    match = match_of(["service=checkout", "service=cart-*", "severity=high", "team=shop=eu"])
    assert match.service == ["checkout", "cart-*"]
    assert match.severity == [Severity.HIGH]
    assert match.labels == {"team": ["shop=eu"]}
    assert str(match) == "service checkout or cart-*; severity high; labels team=shop=eu"
    assert match_of(["labels.service=x"]).labels == {"service": ["x"]}


@pytest.mark.parametrize("texts", [[], ["checkout"], ["=x"], ["service="], ["severity=awful"]])
def test_texts_that_are_no_match_are_refused(texts: list[str]) -> None:
    with pytest.raises(ValueError):
        match_of(texts)
