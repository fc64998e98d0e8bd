"""Firings of one alert, as property tests draw them."""

from __future__ import annotations

from hypothesis import strategies as st

Episode = tuple[int, int | None]
"""When a firing began and ended, in minutes; None where it goes on."""


@st.composite
def episodes(draw: st.DrawFn, *, until: int, moments: int) -> list[Episode]:
    """Firings one after another, made of at most so many moments; the last one may go on."""
    some = st.lists(st.integers(0, until), min_size=2, max_size=moments, unique=True)
    found = draw(some.map(sorted))
    pairs: list[Episode] = [(a, b) for a, b in zip(found[::2], found[1::2], strict=False)]
    if draw(st.booleans()):
        pairs[-1] = (pairs[-1][0], None)
    return pairs
