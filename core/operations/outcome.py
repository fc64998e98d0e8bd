"""What becomes of an event after its receipt, which says no more than which workflow has it.

    receipt -> the root orchestrator ends -> its child has processed the event -> an incident

A child that refuses an event does so in its first workflow tasks: whoever waits for those knows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from core.adapters.temporal import incidents
from core.adapters.temporal.run_history import Kept, Run, read_run
from core.adapters.temporal.run_state import RunState, run_state
from core.contracts import INCIDENT_WORKFLOW, ROOT_WORKFLOW
from core.domain.handles import handle_of
from core.domain.incident.status import Status
from core.errors import CommandRefused, IncidentNotFound, TransientError
from core.intake.receipts import Receipt, Verdict, record_id, shown

if TYPE_CHECKING:
    from temporalio.client import Client

_LOOK: Final = 0.1
"""Seconds between two looks at a workflow, which grow to `_SELDOM`."""
_SELDOM: Final = 1.0
_CONCURRENCY: Final = 20
"""How many events are followed at a time."""
_FIRST_TASK_DONE: Final = 4
"""Length of the shortest history in which a worker has completed a workflow task."""


class Result(StrEnum):
    """What can become of an event."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    DROPPED = "dropped"
    """No route takes it, and the routing table drops what none takes; or its workflow runs already,
    and its route says to ignore it then."""
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    """No workflow has it, and it is not quarantined: it has to be sent again."""
    UNKNOWN = "unknown"
    """A workflow has it, and what that makes of it was not known in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedIncident:
    """The incident that an event opened or joined."""

    id: str
    title: str
    status: str

    @property
    def handle(self) -> str:
        return handle_of(self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one event.

    `workflow_id` is the workflow that the listener reached, `child_id` the one that its root
    orchestrator started or signalled, and `started` says whether the last of them was started by
    this event. `code` and `reason` say why it was refused, or why nothing else is known; `record`
    is the ID of its quarantine record. `heard` is how often an alert has been reported that fires.
    `orchestrated` is the root orchestrator's result, once there is one.
    """

    result: Result
    event_id: str | None = None
    key: str | None = None
    workflow_id: str | None = None
    child_id: str | None = None
    started: bool = False
    incident: OpenedIncident | None = None
    heard: int | None = None
    code: str | None = None
    reason: str | None = None
    record: str | None = None
    orchestrated: Mapping[str, Any] | None = None

    @property
    def record_handle(self) -> str | None:
        return handle_of(self.record) if self.record else None

    @property
    def text(self) -> str:
        """What became of it, in one line without its names for machines."""
        match self.result:
            case Result.ACCEPTED:
                return self._accepted
            case Result.DUPLICATE if self.incident and self.heard:
                return (
                    f"duplicate: it fires already in incident {self.incident.handle}, "
                    f"heard {self.heard:,} times: {self.incident.title}"
                )
            case Result.DUPLICATE if self.incident:
                return f"duplicate: incident {self.incident.handle} has it: {self.incident.title}"
            case Result.DUPLICATE:
                return f"duplicate: workflow {self.child_id or self.workflow_id} has it already"
            case Result.DROPPED:
                if self.child_id:
                    return (
                        f"dropped: workflow {self.child_id} runs already, and its route says ignore"
                    )
                return "dropped: no route takes it, as the routing table says"
            case Result.REFUSED:
                kept = f"; quarantined as {self.record_handle}" if self.record else ""
                return f"refused: {self.code}: {self.reason}{kept}"
            case Result.UNAVAILABLE:
                return f"not accepted: {self.code}: {self.reason}"
            case Result.UNKNOWN:
                return f"not known yet: {self.reason}"

    @property
    def _accepted(self) -> str:
        if self.incident is None:
            did = "started" if self.started else "took it"
            return f"accepted: workflow {self.child_id or self.workflow_id} {did}"
        if not self.started:
            did = f"took it and is {self.incident.status}"
        else:
            did = "is pending" if self.incident.status == Status.PENDING else "opened"
        return f"accepted: incident {self.incident.handle} {did}: {self.incident.title}"

    @property
    def next(self) -> str | None:
        """The command to type next, if there is one."""
        match self.result:
            case Result.ACCEPTED | Result.DUPLICATE:
                return f"tidegate incident show {self.incident.handle}" if self.incident else None
            case Result.DROPPED:
                return None
            case Result.REFUSED:
                return f"tidegate quarantine show {self.record_handle}" if self.record else None
            case Result.UNAVAILABLE | Result.UNKNOWN:
                return "tidegate doctor"

    def to_json(self) -> dict[str, Any]:
        """The outcome as a JSON object, without what is not known."""
        incident = self.incident and {
            "id": self.incident.id,
            "handle": self.incident.handle,
            "title": self.incident.title,
            "status": self.incident.status,
        }
        fields = {
            "event_id": self.event_id,
            "key": self.key,
            "workflow_id": self.workflow_id,
            "child_id": self.child_id,
            "started": self.started,
            "incident": incident,
            "heard": self.heard,
            "code": self.code,
            "reason": self.reason,
            "record": self.record,
            "record_handle": self.record_handle,
            "next": self.next,
        }
        present = {name: value for name, value in fields.items() if value is not None}
        return {"result": self.result.value, "text": self.text, **present}


def next_step(outcomes: Iterable[Outcome]) -> str | None:
    """The command to type next about several events: about what was refused, if anything was."""
    worst = sorted(outcomes, key=lambda outcome: outcome.result is not Result.REFUSED)
    return next((outcome.next for outcome in worst if outcome.next), None)


async def follow(
    client: Client,
    receipts: Sequence[Receipt],
    *,
    timeout: float,
) -> list[Outcome]:
    """What became of each receipt's event, waiting up to `timeout` seconds for all of them. What
    Temporal cannot say is `unknown`, with the reason."""
    deadline = time.monotonic() + timeout
    turns = asyncio.Semaphore(_CONCURRENCY)

    async def one(receipt: Receipt) -> Outcome:
        async with turns:
            return await _follow(client, receipt, deadline)

    return list(await asyncio.gather(*map(one, receipts)))


async def _follow(client: Client, receipt: Receipt, deadline: float) -> Outcome:
    outcome = of_receipt(receipt)
    if receipt.workflow_id is None or not receipt.accepted:
        return outcome
    try:
        state = await _processed(client, receipt.workflow_id, receipt.run_id, deadline)
        if state and state.workflow == ROOT_WORKFLOW:
            run = await read_run(client, receipt.workflow_id, state.run_id)
            outcome = of_root(outcome, state, run)
            if outcome.child_id is None or outcome.result in (Result.UNKNOWN, Result.DROPPED):
                return outcome
            child_run = run.result.get("run_id") if run and run.result else None
            state = await _processed(client, outcome.child_id, child_run, deadline)
        history = None
        if state and (state.ended or not _has_open_incident(state)):
            history = await read_run(client, state.workflow_id, state.run_id)
        outcome = of_target(outcome, state, history)
        return await _with_tally(client, outcome, receipt)
    except TransientError as error:
        return replace(outcome, result=Result.UNKNOWN, code=error.code, reason=error.message)


async def _processed(
    client: Client, workflow_id: str, run_id: str | None, deadline: float
) -> RunState | None:
    """The run once it has processed all that it was sent, or as it is when time is up."""
    wait = _LOOK
    while True:
        state = await run_state(client, workflow_id, run_id)
        if state and state.ended == "continued_as_new":
            run_id = None  # what was sent to it is with the run that follows
            continue
        left = deadline - time.monotonic()
        if (state and is_processed(state)) or left <= 0:
            return state
        await asyncio.sleep(min(wait, left))
        wait = min(wait * 1.5, _SELDOM)


async def _with_tally(client: Client, outcome: Outcome, receipt: Receipt) -> Outcome:
    """The outcome of a signal, which is a duplicate where it repeats an alert that fires."""
    repeats = receipt.verdict is Verdict.DELIVERED and outcome.result is Result.ACCEPTED
    if not repeats or outcome.incident is None:
        return outcome
    try:
        incident = await incidents.state(client, outcome.incident.id)
    except (CommandRefused, IncidentNotFound):  # it has ended meanwhile
        return outcome
    heard = heard_already(incident)
    return replace(outcome, result=Result.DUPLICATE, heard=heard) if heard else outcome


# What is known says


def is_processed(state: RunState) -> bool:
    """Whether a run has processed all that it was sent. A root orchestrator has when it has ended.
    An incident reads what may open it in activities, and pages in activities afterwards."""
    if state.ended is not None:
        return True
    if state.workflow == ROOT_WORKFLOW or state.in_task or state.events < _FIRST_TASK_DONE:
        return False
    opens = state.workflow == INCIDENT_WORKFLOW and not _has_open_incident(state)
    return not (opens and state.activities)


def _has_open_incident(state: RunState) -> bool:
    return state.incident_id is not None and state.status != Status.CLOSED


def heard_already(incident: dict[str, Any]) -> int | None:
    """How often the only alert of an incident has been reported, if that was more than once since
    it fires; None where it was not, and where the incident has several alerts."""
    tracked = list(incident["alerts"]["tracked"].values())
    if len(tracked) != 1 or not tracked[0]["firing"]:
        return None
    [alert] = tracked
    return int(alert["fired"]) if alert["fired"] - alert["cleared"] > 1 else None


def of_receipt(receipt: Receipt) -> Outcome:
    """What a receipt alone says."""
    results = {
        Verdict.STARTED: Result.ACCEPTED,
        Verdict.DELIVERED: Result.ACCEPTED,
        Verdict.DUPLICATE: Result.DUPLICATE,
        Verdict.DROPPED: Result.DROPPED,
        Verdict.QUARANTINED: Result.REFUSED,
        Verdict.RETRY: Result.UNAVAILABLE,
    }
    return Outcome(
        result=results[receipt.verdict],
        event_id=receipt.event_id,
        key=receipt.key,
        workflow_id=receipt.workflow_id,
        started=receipt.verdict is Verdict.STARTED,
        code=receipt.code,
        reason=receipt.reason,
        record=receipt.quarantine_uri and record_id(receipt.quarantine_uri),
    )


def of_root(outcome: Outcome, state: RunState, run: Run | None) -> Outcome:
    """What the root orchestrator's run adds to it."""
    if run is None or not run.ended:
        return _unknown(outcome, state, run)
    if run.result is None:
        return _refused(outcome, run, next(iter(run.kept), None))
    child = run.result.get("child_id")  # a smoke event has none
    dropped = run.result.get("action") in ("dropped", "ignored")
    return replace(
        outcome,
        result=Result.DROPPED if dropped else outcome.result,
        key=outcome.key or (run.key and shown(run.key)),
        child_id=child,
        started=run.result.get("action") == "started",
        orchestrated=run.result,
    )


def of_target(outcome: Outcome, state: RunState | None, run: Run | None) -> Outcome:
    """What the run that was to take the event adds to it; `run` is its history, unless it runs and
    has an open incident."""
    if state is None:
        if outcome.result is Result.DUPLICATE:  # which the namespace has forgotten
            return outcome
        reason = f"there is no workflow {outcome.child_id or outcome.workflow_id} yet"
        return replace(outcome, result=Result.UNKNOWN, reason=reason)
    if not is_processed(state):
        return _unknown(outcome, state, run)
    kept = [each for each in run.kept if shown(each.key or "") == outcome.key] if run else []
    failed = run is not None and run.failure is not None and state.incident_id is None
    if kept or failed:
        return _refused(outcome, run, kept[-1] if kept else None)
    if state.incident_id is None:
        return outcome
    incident = OpenedIncident(
        id=state.incident_id, title=state.title or "", status=state.status or ""
    )
    return replace(outcome, incident=incident)


def _refused(outcome: Outcome, run: Run | None, kept: Kept | None) -> Outcome:
    if kept:
        record = record_id(kept.uri)
        code, reason = kept.code, kept.reason
        return replace(outcome, result=Result.REFUSED, code=code, reason=reason, record=record)
    code = (run and run.code) or "WorkflowFailed"
    reason = f"workflow {run.workflow_id if run else ''}: {run.failure if run else ''}"
    return replace(outcome, result=Result.REFUSED, code=code, reason=reason)


def _unknown(outcome: Outcome, state: RunState, run: Run | None) -> Outcome:
    if run and run.stuck:
        why = f"worker {run.worker} cannot process it: {run.stuck}"
    elif state.events < _FIRST_TASK_DONE or (run and run.worker is None):
        why = f"no worker has taken it from the task queue {state.task_queue}"
    else:
        why = "its worker has not finished with it"
    reason = f"workflow {state.workflow_id}: {why}"
    return replace(outcome, result=Result.UNKNOWN, reason=reason)
