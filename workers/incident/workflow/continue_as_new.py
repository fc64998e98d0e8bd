"""From one run of the incident workflow to the next: what is taken along, and that it fits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import accumulate
from typing import Any, Final

from core.domain.event import encode
from core.domain.incident.effects import REPORT_KEY, Effect, FollowUp, Page, WriteReport
from core.domain.incident.lifecycle import is_finished
from core.domain.incident.timeline import TimelineEvent, abridged
from core.errors import InvalidEvent
from workers.incident.payloads import Carried
from workers.incident.workflow import pending_reports
from workers.incident.workflow.state import State

SETTLING: Final = timedelta(seconds=20)
"""How long a run that hands over lets pages and reports under way end."""
REPORT_FIRST: Final = timedelta(seconds=10)
"""How long an incident that has a successor lets its report be written, and its last pages arrive,
before the successor."""
ARRIVED_BYTES: Final = 256_000
"""How much may arrive for a successor before it is begun at once."""
LARGEST: Final = 1_900_000
"""Bytes of JSON that a run may begin with: Temporal takes payloads of at most 2 MB."""

_SAVED_BYTES: Final = 100_000
_UNSAVED_BYTES: Final = 400_000


def to_the_next_run(state: State) -> Carried:
    """Everything, with the timeline's end, and, abridged, whatever the document store does not
    have of it."""
    chronicle = state.chronicle
    tail = _tail(chronicle.entries[: chronicle.saved], _SAVED_BYTES)
    unsaved = abridged(chronicle.entries[chronicle.saved :], _UNSAVED_BYTES)
    begun = [*state.under_way.effects(), *state.outbox]
    carried = Carried(
        incident=state.incident,
        timeline=(*tail, *unsaved),
        saved=len(tail),
        omitted=chronicle.omitted + chronicle.saved - len(tail),
        segments=chronicle.segments,
        effects=tuple(e for e in begun if isinstance(e, Page | WriteReport | FollowUp)),
        unreported=state.debts.all(),
        arrivals=tuple(state.arrivals),
        continue_as_new_after=state.longest,
    )
    # What is longest is of least use: the incident itself always fits.
    if fits(carried):
        return carried
    return carried.model_copy(update={"timeline": (), "unreported": ()})


def to_the_successor(state: State) -> Carried:
    """What has arrived for it; an outstanding report goes with it."""
    unreported = list(state.debts.all())
    if not is_finished(state.incident):
        unreported.append(state.chronicle.ending(state.incident, pending_reports.LARGEST))
    return Carried(
        previous=state.incident.id if state.incident.opened_at else None,
        arrivals=tuple(state.arrivals),
        effects=_follow_ups([*state.outbox, *state.under_way.effects()]),
        unreported=tuple(unreported),
        continue_as_new_after=state.longest,
    )


def within_this_run(state: State, carried: Carried) -> None:
    """Go over to the successor; activities under way are not begun again."""
    if REPORT_KEY in state.under_way:
        state.debts.begun(state.chronicle.ending(state.incident, pending_reports.LARGEST))
    state.adopt(carried.model_copy(update={"effects": _follow_ups(state.outbox)}))


def fits(carried: Carried) -> bool:
    return len(carried.model_dump_json()) <= LARGEST


def size_of(wires: Sequence[Any]) -> int:
    """About how many bytes events in their wire form take."""
    try:
        return len(encode(list(wires)))
    except InvalidEvent:
        return LARGEST


def _follow_ups(effects: Iterable[Effect]) -> tuple[FollowUp, ...]:
    return tuple(effect for effect in effects if isinstance(effect, FollowUp))


def _tail(timeline: Sequence[TimelineEvent], limit: int) -> Sequence[TimelineEvent]:
    sizes = accumulate(len(event.model_dump_json()) for event in reversed(timeline))
    count = sum(1 for total in sizes if total <= limit)
    return timeline[len(timeline) - count :]
