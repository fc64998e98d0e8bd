"""Handles are short, stable, and spread evenly."""

from __future__ import annotations

import pytest

from core.domain.handles import ALPHABET, handle_of, is_handle


def test_a_handle_never_changes() -> None:
    """They are printed in pages and reports, and stored in Temporal's visibility."""
    assert handle_of("incident:alertmanager:5f2e@20260102T030405.678Z") == "3v9xmk"


def test_handles_of_similar_ids_differ() -> None:
    ids = [f"incident:alertmanager:5f2e@20260102T030405.{n:03}Z" for n in range(1000)]
    assert len({handle_of(id) for id in ids}) == 1000


def test_a_handle_has_six_characters_that_are_not_mistaken_for_each_other() -> None:
    assert not set(ALPHABET) & set("01aeilouy")
    assert all(is_handle(handle_of(str(n))) for n in range(200))


@pytest.mark.parametrize("text", ["", "bcdfg", "bcdfghj", "bcdfg1", "BCDFGH", "bcdfgh\n"])
def test_anything_else_is_no_handle(text: str) -> None:
    assert not is_handle(text)
