"""What reading one delivery may cost, counted before any of it is built.

A body of 5 MB may hold a million empty arrays, which take twenty times its size as Python objects.
So what its values may take at most is estimated from the text, by counting the characters that
begin or separate them, and a list is counted before its items are read. Characters within strings
count, too, which only makes the estimate higher.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from core.errors import InvalidEvent

MAX_EVENTS: Final = 10_000
"""Most events in one delivery: no platform leaves time to start more."""

MAX_MEMORY: Final = 48 * 1024 * 1024
"""Most bytes that the values of one body may take by the estimate: twice what dense alerts in a
body of the largest size take."""

_COSTS: Final = {
    "{": 184,  # a dict with one entry
    "[": 88,  # a list with one item
    '"': 25,  # half a short string
    ":": 40,  # an entry's share of a growing dict
    ",": 32,  # a number with its place in a list
}
"""Bytes that CPython takes for what each character stands for, as measured with tracemalloc."""


def estimated_memory(text: str) -> int:
    """Bytes that the JSON's values take at most, above its size in UTF-8."""
    values = sum(text.count(character) * bytes for character, bytes in _COSTS.items())
    # One character beyond Latin-1 widens a whole string, and the text itself: twice or four times.
    return values + 2 * max(sys.getsizeof(text) - len(text), 0)


def require_affordable(text: str) -> None:
    """Raises `InvalidEvent` for JSON whose values would take more than `MAX_MEMORY`."""
    if (memory := estimated_memory(text)) > MAX_MEMORY:
        raise InvalidEvent(
            f"the body holds too many small values: reading it would take some {memory:,} bytes, "
            f"and one delivery may take {MAX_MEMORY:,}",
            fix="let the sender send smaller batches; a replay of this one fails again",
        )


def require_few(items: Sequence[object]) -> None:
    """Raises `InvalidEvent` for more items than one delivery may hold."""
    if len(items) > MAX_EVENTS:
        raise InvalidEvent(
            f"it holds {len(items):,} events; one delivery may hold {MAX_EVENTS:,}",
            fix="let the sender send smaller batches; a replay of this one fails again",
        )
