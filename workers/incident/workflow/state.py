"""The incident as one run of its workflow has it, with all that waits and all that is under way."""

from __future__ import annotations

from typing import Any

from temporalio import workflow

from core.domain.incident.effects import Effect, FollowUp, Page
from core.domain.incident.evolve import apply
from core.domain.incident.ids import incident_id
from core.domain.incident.inputs import Input
from core.domain.incident.lifecycle import Decision, decide, is_finished
from core.domain.incident.model import Incident, Status
from workers.incident.payloads import Carried
from workers.incident.workflow.in_flight import UnderWay
from workers.incident.workflow.pending_reports import Debts
from workers.incident.workflow.timeline_log import Chronicle


class State:
    """`arrivals` are the events that are to open an incident: this one while it is new, else its
    successor. `waiting` are those for this one that a storm has left to a later workflow task.

    `in_full` and `latest` say by which patches the run goes.
    """

    def __init__(self, carried: Carried) -> None:
        self.in_full = self.latest = True
        self.under_way = UnderWay()
        self.debts = Debts(self.under_way)
        self.adopt(carried)

    def adopt(self, carried: Carried) -> None:
        """Take over an incident, or the events that begin one; what is under way simply goes on."""
        id = workflow.info().workflow_id
        now = workflow.now()
        self.incident = carried.incident or Incident(id=incident_id(id, now), key=id)
        self.previous = carried.previous
        self.chronicle = Chronicle(carried)
        self.outbox: list[Effect] = list(carried.effects)
        self.arrivals: list[Any] = list(carried.arrivals)
        self.waiting: list[Any] = []
        self.debts.owe(carried.unreported)
        self.longest = carried.continue_as_new_after

    def take(self, given: Input) -> Decision:
        """Let the domain decide, and keep what it says."""
        decision = decide(self.incident, given, workflow.now())
        for event in decision.events:
            self.incident = apply(self.incident, event)
            if event.visible:
                self.chronicle.add(event)
        self.outbox += decision.effects
        return decision

    def is_new(self) -> bool:
        return self.incident.status is Status.NEW

    def has_successor(self) -> bool:
        return self.incident.status is Status.CLOSED and bool(self.arrivals)

    def is_finished(self) -> bool:
        """The incident is closed and reported, and no page of it is on the wire: one that arrives
        although it was called off is to be followed up."""
        return is_finished(self.incident) and not (self.latest and self.under_way.has(Page))

    def is_over(self) -> bool:
        """Nothing is left to do."""
        return (
            self.is_finished()
            and not self.waiting
            and not self.debts
            and not self.under_way.has(FollowUp)
            and not (self.latest and self.outbox)
        )

    def is_long(self) -> bool:
        """The run is to hand over to the next one."""
        info = workflow.info()
        if self.incident.status is Status.CLOSED:
            return False
        too_long = self.longest is not None and info.get_current_history_length() > self.longest
        return too_long or info.is_continue_as_new_suggested()
