"""From one run of the incident workflow to the next: what is taken along, and that it fits."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final

from core.domain.event import encode
from core.domain.incident.timeline import TimelineEvent, abridged
from core.errors import InvalidEvent
from workers.incident.records import Carried

LARGEST: Final = 1_900_000
"""Bytes of JSON that a run may begin with: Temporal takes payloads of at most 2 MB."""

_SAVED_BYTES: Final = 100_000
_UNSAVED_BYTES: Final = 400_000


def with_timeline(
    carried: Carried, timeline: Sequence[TimelineEvent], *, saved: int, omitted: int
) -> Carried:
    """Carries the timeline's end, and, abridged, whatever the document store does not have."""
    tail = _tail(timeline[:saved], _SAVED_BYTES)
    unsaved = abridged(timeline[saved:], _UNSAVED_BYTES)
    update = {
        "timeline": (*tail, *unsaved),
        "saved": len(tail),
        "omitted": omitted + saved - len(tail),
    }
    found = carried.model_copy(update=update)
    # What is longest is of least use: the incident itself always fits.
    return found if fits(found) else found.model_copy(update={"timeline": (), "unreported": ()})


def fits(carried: Carried) -> bool:
    return len(carried.model_dump_json()) <= LARGEST


def size_of(wires: Sequence[Any]) -> int:
    """About how many bytes events in their wire form take."""
    try:
        return len(encode(list(wires)))
    except InvalidEvent:
        return LARGEST


def _tail(timeline: Sequence[TimelineEvent], limit: int) -> Sequence[TimelineEvent]:
    sizes = accumulate(len(event.model_dump_json()) for event in reversed(timeline))
    count = sum(1 for total in sizes if total <= limit)
    return timeline[len(timeline) - count :]
