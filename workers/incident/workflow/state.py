"""The state of one run: the incident, queued inputs, and activities in flight.

Deterministic: runs in the workflow sandbox.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from temporalio import workflow

from core.domain.alert import event_of
from core.domain.incident.decisions.closing import is_finished, is_forgotten
from core.domain.incident.effects import (
    Effect,
    FindOnCall,
    FollowUp,
    Page,
    StartSuccessor,
    UpdatePost,
)
from core.domain.incident.evolve import apply
from core.domain.incident.ids import incident_id
from core.domain.incident.inputs import Input
from core.domain.incident.lifecycle import Decision, decide
from core.domain.incident.model import Incident
from core.domain.incident.status import Status
from workers.incident.payloads import RunState
from workers.incident.workflow.in_flight import InFlight
from workers.incident.workflow.pending_reports import PendingReports
from workers.incident.workflow.timeline_log import TimelineLog

HISTORY_BYTES: Final = 2_000_000
"""Size of a history above which a run continues as new. The server terminates a run at 50 MB, and
does not let it continue as new while a flood lasts: the 10,000 signals that it takes for one run,
of 4,000 bytes each, must fit in between."""


class State:
    """`arrivals` are the events that are to open an incident: this one while it is new, its
    successor afterwards. `backlog` are events of this incident that exceed what one workflow task
    may accept (see `throttle`). `commands` wait until it opens, or exceed that, too."""

    def __init__(self, run_state: RunState) -> None:
        self.in_flight = InFlight()
        self.pending_reports = PendingReports(self.in_flight)
        # Not the time of the first workflow task: where that waited for a local activity, a replay
        # takes the next one's, and the incident would have another ID.
        self.load(run_state, began=workflow.info().workflow_start_time)

    def load(self, run_state: RunState, *, began: datetime) -> None:
        """Take over an incident, or the events that open one; activities in flight go on."""
        key = workflow.info().workflow_id
        self.incident = run_state.incident or Incident(
            id=incident_id(key, began), key=key, alerts=run_state.alerts
        )
        self.recalled = run_state.recalled
        self.silence = run_state.silence
        self.timeline = TimelineLog(run_state)
        self.outbox: list[Effect] = list(run_state.effects)
        self.arrivals: list[Any] = list(run_state.arrivals)
        self.backlog: list[Any] = list(run_state.backlog)
        self.commands: list[Any] = list(run_state.commands)
        self.pending_reports.add(run_state.pending_reports)
        self.continue_as_new_after = run_state.continue_as_new_after

    def handle(self, received: Input) -> Decision:
        """Have the domain decide on an input, then keep the events and queue the effects."""
        decision = decide(self.incident, received, workflow.now())
        for event in decision.events:
            self.incident = apply(self.incident, event)
            if event.visible:
                self.timeline.add(event)
        self.outbox += decision.effects
        for effect in decision.effects:
            if isinstance(effect, StartSuccessor) and effect.held:
                self.arrivals.append(event_of(effect.held, key=effect.event_key).to_wire())
        return decision

    def has_question(self) -> bool:
        """Whether it is to be asked who is on call."""
        return any(isinstance(effect, FindOnCall) for effect in self.outbox)

    def is_new(self) -> bool:
        return self.incident.status is Status.NEW

    def is_silent(self) -> bool:
        """Whether late alerts are waited for before an incident has opened."""
        return self.is_new() and self.incident.silent_until is not None

    def may_open(self) -> bool:
        """Whether an incident may open of what has arrived, or of the first event, which is to
        come."""
        return self.is_new() and (bool(self.arrivals) or not self.is_silent())

    def has_backlog(self) -> bool:
        """Whether events or commands wait that this incident can take."""
        return bool(self.backlog or (self.commands and not self.may_open()))

    def has_inherited(self) -> bool:
        """Whether the run before has left anything that this one must not lose."""
        alerts = self.incident.alerts
        known = alerts.states or alerts.held
        due = self.outbox or self.in_flight or self.pending_reports
        return self.silence is not None and bool(known or due)

    def fall_silent(self) -> None:
        """Wait for late alerts again as long as the run before would have."""
        if self.silence:
            self.handle(self.silence)

    @property
    def previous(self) -> str | None:
        """The ID of the incident that this one follows under the same workflow ID."""
        return self.silence.previous if self.silence else None

    def has_successor(self) -> bool:
        return self.incident.status is Status.CLOSED and bool(self.arrivals)

    def is_finished(self) -> bool:
        """Whether the incident is closed and reported, and no page of it is being sent: a page that
        arrives although it was cancelled needs a follow-up, or an update of its message. Nor is a
        message updated: what has happened meanwhile needs another update."""
        settled = not (self.in_flight.has(Page) or self.in_flight.has(UpdatePost))
        return is_finished(self.incident) and settled

    def is_over(self) -> bool:
        """Whether nothing is left to do, and late alerts are not waited for."""
        return (
            self.is_finished()
            and is_forgotten(self.incident)
            and not self.backlog
            and not self.commands
            and not self.outbox
            and not self.pending_reports
            and not self.in_flight.has(FollowUp)
        )

    def should_continue_as_new(self) -> bool:
        info = workflow.info()
        if self.has_successor():
            return False  # it starts in a moment
        limit = self.continue_as_new_after
        is_long = limit is not None and info.get_current_history_length() > limit
        is_large = info.get_current_history_size() > HISTORY_BYTES
        return is_long or is_large or info.is_continue_as_new_suggested()
