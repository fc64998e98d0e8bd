"""From one run of the incident workflow to the next: what is handed over, and that it fits.

Deterministic: runs in the workflow sandbox.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import accumulate
from typing import Any, Final

from temporalio import workflow

from core.domain.event import encode
from core.domain.incident.alert_counts import remembered
from core.domain.incident.decisions.closing import is_finished
from core.domain.incident.effects import (
    REPORT_KEY,
    Effect,
    FindOnCall,
    FollowUp,
    Page,
    UpdatePost,
    WriteReport,
)
from core.domain.incident.inputs import Listen
from core.domain.incident.lifecycle import last_updates
from core.domain.incident.model import Incident
from core.domain.incident.timeline import TimelineEvent, abridged
from core.errors import InvalidEvent
from workers.incident.payloads import RunState
from workers.incident.workflow import pending_reports
from workers.incident.workflow.in_flight import WithActivity
from workers.incident.workflow.state import State

SETTLING: Final = timedelta(seconds=20)
"""How long a run that continues as new waits for pages and reports in flight."""
REPORT_FIRST: Final = timedelta(seconds=10)
"""How long a closed incident with a successor waits for its report and its last pages before the
successor starts."""
ARRIVED_BYTES: Final = 256_000
"""Size of the arrivals for a successor above which it starts immediately."""
LARGEST: Final = 1_900_000
"""Bytes of JSON that a run may start with: Temporal's limit for a payload is 2 MB."""

WAITING_BYTES: Final = 600_000
WAITING_EVENTS: Final = 2_000
"""What may be left to the next run of the events that wait: the rest is accepted before, which
takes several workflow tasks."""

_SAVED_BYTES: Final = 100_000
_UNSAVED_BYTES: Final = 400_000


def for_next_run(state: State) -> RunState:
    """The whole state. Of the timeline it has the end and, abridged, whatever is not in the
    document store."""
    timeline = state.timeline
    tail = _tail(timeline.entries[: timeline.saved], _SAVED_BYTES)
    unsaved = abridged(timeline.entries[timeline.saved :], _UNSAVED_BYTES)
    effects = [*map(_again, state.in_flight.effects()), *state.outbox]
    run_state = RunState(
        incident=state.incident,
        silence=state.silence if state.is_new() else None,
        timeline=(*tail, *unsaved),
        saved=len(tail),
        omitted=timeline.omitted + timeline.saved - len(tail),
        segments=timeline.segments,
        effects=tuple(
            e
            for e in effects
            if isinstance(e, Page | WriteReport | FollowUp | UpdatePost | FindOnCall)
        ),
        pending_reports=state.pending_reports.all(),
        arrivals=tuple(state.arrivals),
        backlog=tuple(state.backlog),
        commands=tuple(state.commands),
        recalled=state.recalled,
        continue_as_new_after=state.continue_as_new_after,
    )
    # The longest parts are the least useful ones; the incident and the backlog always fit.
    if fits(run_state):
        return run_state
    return run_state.model_copy(update={"timeline": (), "pending_reports": ()})


def can_take_over(state: State) -> bool:
    """Whether the next run can take what waits."""
    waiting = [*state.arrivals, *state.backlog, *state.commands]
    return len(waiting) <= WAITING_EVENTS and size_of(waiting) <= WAITING_BYTES


def for_successor(state: State) -> RunState:
    """The arrivals for the next incident and the commands that came too late for this one, with the
    reports and follow-ups that are still due."""
    pending = list(state.pending_reports.all())
    if not is_finished(state.incident):
        pending.append(state.timeline.report_input(state.incident, pending_reports.LARGEST))
    incident = state.incident
    return RunState(
        silence=Listen(
            policy=incident.policy,
            until=incident.silent_until or workflow.now(),
            previous=incident.id if incident.opened_at else state.previous,
        ),
        arrivals=tuple(state.arrivals),
        commands=tuple(state.commands),
        alerts=remembered(incident.alerts),
        recalled=state.recalled,
        effects=_left([*state.outbox, *map(_again, state.in_flight.effects())], incident),
        pending_reports=tuple(pending),
        continue_as_new_after=state.continue_as_new_after,
    )


def start_successor_within_run(state: State, run_state: RunState) -> None:
    """Replace the incident by its successor without a new run; activities in flight go on."""
    if REPORT_KEY in state.in_flight:
        report_input = state.timeline.report_input(state.incident, pending_reports.LARGEST)
        state.pending_reports.started(report_input)
    if not (began := state.incident.closed_at):
        raise RuntimeError(f"{state.incident.id} has a successor before it is closed")
    effects = _left(state.outbox, state.incident)
    state.load(run_state.model_copy(update={"effects": effects}), began=began)


def fits(run_state: RunState) -> bool:
    return len(run_state.model_dump_json().encode()) <= LARGEST


def size_of(wires: Sequence[Any]) -> int:
    """Approximate size in bytes of events in their wire form."""
    try:
        return len(encode(list(wires)))
    except InvalidEvent:
        return LARGEST


def _left(effects: Iterable[Effect], incident: Incident) -> tuple[FollowUp | UpdatePost, ...]:
    """What people have yet to hear of an incident, and its messages to show: of each message the
    last update alone, as two at the same time may end in either order."""
    last = last_updates(incident, workflow.now())
    targets = {update.target for update in last}
    others = (effect for effect in effects if isinstance(effect, FollowUp | UpdatePost))
    return (
        *(each for each in others if isinstance(each, FollowUp) or each.target not in targets),
        *last,
    )


def _again(effect: WithActivity) -> WithActivity:
    """What is in flight, as another run sends it."""
    if isinstance(effect, WriteReport):
        return effect
    return effect.model_copy(update={"again": True})


def _tail(timeline: Sequence[TimelineEvent], limit: int) -> Sequence[TimelineEvent]:
    sizes = accumulate(len(event.model_dump_json().encode()) for event in reversed(timeline))
    count = sum(1 for total in sizes if total <= limit)
    return timeline[len(timeline) - count :]
