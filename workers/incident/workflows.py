"""The incident: a pure state machine (core.domain.incident) in a durable shell.

Handlers are synchronous: they ask the domain, keep its events and put its effects into an outbox.
One main loop empties the outbox and waits for the next deadline. Nothing here decides. An alert
goes from `event` through `_join` to `State.take`, and what it brings about to `outbox.empty`, in
which each activity ends with a `State.take` of its own.

A run whose history has become long hands everything over to the next run; so does an incident that
is over to the one that follows it under the same workflow ID.

Histories of running incidents outlive every release. A change in the order of commands goes behind
`workflow.patched`; tests/histories/ holds recorded runs that must replay.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from core.contracts import INCIDENT_WORKFLOW, QUERY_INCIDENT, QUERY_TIMELINE, SIGNAL_EVENT
    from core.domain.incident import commands
    from core.domain.incident.effects import CancelInFlight, StartSuccessor
    from core.domain.incident.inputs import AlertReceived, Cancel, Open, Remark, Wake
    from core.domain.incident.lifecycle import deadline
    from core.domain.incident.model import Incident
    from core.domain.incident.policies.file import Facts
    from core.errors import IncidentCancelled, InvalidEvent
    from workers.incident.activities import IncidentActivities
    from workers.incident.payloads import Carried, Rules
    from workers.incident.workflow import (
        activity_options,
        continue_as_new,
        effects,
        incoming,
        search_attributes,
        throttle,
        updates,
    )
    from workers.incident.workflow.state import State
    from workers.runtime.local_first import permanent

_IN_FULL: Final = "incident-in-full"
"""Patch: the policy is chosen for the event, follow-ups are sent, a later deadline keeps its
timer. Without it, a run goes on as it began in the first form."""
_LATEST: Final = "incident-title-late-pages"
"""Patch: the title is in the memo; a page that was called off on the wire is waited for, as its
target may have to be told; a storm is taken in by parts. All of the patch before holds, too."""


def _command(kind: type[commands.AnyCommand]) -> Any:
    """The update by which a command is given: `{command_id, actor, incident_id?, note?, ...}`; it
    answers the incident's summary, with `changed` false when there was nothing to do."""

    def obey(self: Any, command: Any = None) -> dict[str, Any]:
        return dict(self._obey(self._checked(kind, command)))

    def check(self: Any, command: Any = None) -> None:
        self._checked(kind, command)

    update = workflow.update(name=kind.name, description=kind.__doc__)(obey)
    update.validator(check)
    return update


@workflow.defn(name=INCIDENT_WORKFLOW)
class IncidentWorkflow:
    """Takes one event in its wire form, or what an earlier run of the same ID hands over.

    Ends when the incident is closed, with its summary; fails, with the event kept in quarantine,
    when the event brings no report. Cancelled, it closes the incident, writes the report, and is
    cancelled then.
    """

    acknowledge = _command(commands.Acknowledge)
    unacknowledge = _command(commands.Unacknowledge)
    mitigate = _command(commands.Mitigate)
    resolve = _command(commands.Resolve)
    reopen = _command(commands.Reopen)
    assign = _command(commands.Assign)
    snooze = _command(commands.Snooze)
    comment = _command(commands.Comment)
    set_severity = _command(commands.SetSeverity)
    close = _command(commands.Close)

    @workflow.init
    def __init__(self, wire: Any, carried: Carried | None = None) -> None:
        # Signals and updates may be handled before `run` begins.
        self._state = State(carried or Carried(arrivals=(wire,)))
        self._fill = throttle.Fill()
        self._published = search_attributes.published()

    @workflow.run
    async def run(self, wire: Any, carried: Carried | None = None) -> dict[str, Any]:
        self._state.latest = workflow.patched(_LATEST)
        self._state.in_full = self._state.latest or workflow.patched(_IN_FULL)
        cancelled: BaseException | None = None
        while True:
            try:
                await self._live()
                if not self._state.arrivals:
                    break
                self._succeed()
            except BaseException as error:
                if cancelled or not is_cancelled_exception(error):
                    raise
                cancelled = error  # the server sends one cancellation at most
                await self._cancel()
        # No await from the last look on: a signal that comes now makes the server refuse this
        # completion, and is handled before it is tried again.
        if cancelled:
            raise cancelled
        incident = self._state.incident
        return {**updates.summary(incident), "reports": list(incident.reports)}

    @workflow.signal(name=SIGNAL_EVENT)
    def event(self, wire: Any = None) -> None:
        """A further event for this incident, in its wire form."""
        self._join(wire)

    @workflow.query(name=QUERY_INCIDENT)
    def incident(self) -> Incident:
        """Everything about the incident but its timeline."""
        return self._state.incident.shown()

    @workflow.query(name=QUERY_TIMELINE)
    def timeline(self) -> list[dict[str, Any]]:
        """What happened so far, each entry with a sentence in `text`; of a very long timeline only
        parts are told, and what is left out is said."""
        return self._state.chronicle.told()

    async def _live(self) -> None:
        """The main loop, until the incident is over."""
        state = self._state
        if state.is_new():
            await self._begin()
        while not state.is_over():
            self._publish()
            effects.empty(state)
            if state.waiting:
                await self._catch_up()
            elif state.is_long():
                await self._hand_over()
            elif state.has_successor():
                await self._report_first()
                break
            else:
                await self._wait()
        if not state.arrivals:
            effects.empty(state)
        self._publish()

    # How it begins

    async def _begin(self) -> None:
        """By the first arrival that makes an incident. One that brings no report is quarantined;
        the workflow fails with it only when nothing else has arrived in the meantime."""
        state = self._state
        rules = None if state.in_full else await self._rules(Facts())
        while True:
            wire = state.arrivals[0]
            try:
                given = await self._first(wire, rules)
            except FailureError as error:
                if not (cause := permanent(error)):
                    raise
                code = cause.type or ""
                kept = await incoming.keep(wire, code, cause.message)
                reason = f"{cause.message}; kept as {kept}"
                del state.arrivals[0]
                workflow.logger.warning("given up (%s): %s", code, reason)
                if not state.arrivals:
                    raise activity_options.final(code, reason) from error
                state.take(Remark(text=f"An event brought no report: {reason}"))
                continue
            del state.arrivals[0]
            if state.arrivals and incoming.is_resolved(given):
                continue  # it opens nothing, and others may
            break
        state.take(given)
        others, state.arrivals = state.arrivals, []
        for wire in others:
            self._join(wire)

    async def _first(self, wire: Any, rules: Rules | None) -> Open | AlertReceived:
        """What the domain is to open an incident by. Raises `FailureError`."""
        given = await incoming.first(wire)
        if incoming.is_resolved(given):
            return given
        rules = rules or await self._rules(incoming.facts_of(given))
        return incoming.opening(given, rules, self._state.previous)

    async def _rules(self, facts: Facts) -> Rules:
        chosen: Rules = await activity_options.promptly(IncidentActivities.load_policy, facts)
        self._state.longest = chosen.continue_as_new_after
        return chosen

    # What comes in

    def _join(self, wire: Any) -> None:
        """An event for this incident; or for the next one, when that is waiting already."""
        if self._state.is_new() or self._state.has_successor():
            self._state.arrivals.append(wire)
        elif self._state.waiting or self._fill.is_reached():
            self._state.waiting.append(wire)
        else:
            self._join_now(wire)

    def _join_now(self, wire: Any) -> None:
        state = self._state
        if state.has_successor():  # since it came
            state.arrivals.append(wire)
            return
        try:
            given = incoming.joining(wire)
        except InvalidEvent as error:
            said = activity_options.in_a_line(error.message)
            state.take(Remark(text=f"Something that is not an event was sent here: {said}"))
            return
        if any(isinstance(effect, StartSuccessor) for effect in state.take(given).effects):
            state.arrivals.append(wire)

    async def _catch_up(self) -> None:
        """Join some of those that wait, in a workflow task of their own."""
        if not self._state.latest:
            self._join_waiting()
            return
        await workflow.sleep(throttle.BREATH)
        self._join_waiting(throttle.AT_ONCE)

    def _join_waiting(self, at_most: int | None = None) -> None:
        waiting, self._state.waiting = self._state.waiting, []
        for wire in waiting[:at_most]:
            self._join_now(wire)
        self._state.waiting = [] if at_most is None else waiting[at_most:]

    def _checked(self, kind: type[commands.AnyCommand], envelope: Any) -> commands.AnyCommand:
        return updates.checked(kind, envelope, self._state.incident)

    def _obey(self, command: commands.AnyCommand) -> dict[str, Any]:
        changed = bool(self._state.take(command).events)
        return {"changed": changed, **updates.summary(self._state.incident)}

    # What is waited for

    async def _wait(self) -> None:
        """Until there is something to do. What a wake was for may be over when it comes, so nothing
        is done here but to ask the domain again."""
        due = deadline(self._state.incident)
        seconds = (due - workflow.now()).total_seconds() if due else None
        if seconds is not None and seconds <= 0:
            self._state.take(Wake())
            return
        if await _until(lambda: self._has_work() or self._is_stale(due), seconds):
            self._state.under_way.check()
        else:
            self._state.take(Wake())

    def _has_work(self) -> bool:
        state = self._state
        return bool(
            state.outbox
            or state.waiting
            or state.under_way.is_faulty()
            or state.is_over()
            or state.has_successor()
            or search_attributes.changed(state.incident, self._published)
            or state.is_long()
        )

    def _is_stale(self, due: datetime | None) -> bool:
        """Whether to wait for another moment than this. A later one keeps its timer: in a storm
        every alert may put it off, and the wake finds that nothing is due."""
        now = deadline(self._state.incident)
        if now == due:
            return False
        return not self._state.in_full or now is None or due is None or now < due

    def _publish(self) -> None:
        """Let Temporal's lists tell what has changed."""
        incident = self._state.incident
        if wanted := search_attributes.changed(incident, self._published):
            search_attributes.upsert(self._published, wanted)
            self._published = wanted
            if self._state.latest:
                search_attributes.entitle(incident.title)

    # How it goes on, and ends

    async def _hand_over(self) -> None:
        """Go on in a new run, once what is under way has ended or has had its time."""
        state = self._state
        end = workflow.now() + continue_as_new.SETTLING
        while state.under_way and (left := (end - workflow.now()).total_seconds()) > 0:
            await _until(
                lambda: (
                    not state.under_way
                    or state.under_way.is_faulty()
                    or any(isinstance(effect, CancelInFlight) for effect in state.outbox)
                ),
                left,
            )
            effects.empty(state, starting=False)
            state.under_way.check()
        await state.chronicle.save(state.incident.id)
        await workflow.wait_condition(workflow.all_handlers_finished)
        self._join_waiting()
        effects.empty(state, starting=False)
        self._publish()
        workflow.continue_as_new(args=[None, continue_as_new.to_the_next_run(state)])

    async def _report_first(self) -> None:
        """Wait for this incident's end, as long as the next incident may wait for it."""
        state = self._state
        await _until(
            lambda: (
                state.is_finished()
                or state.under_way.is_faulty()
                or continue_as_new.size_of(state.arrivals) > continue_as_new.ARRIVED_BYTES
            ),
            continue_as_new.REPORT_FIRST.total_seconds(),
        )
        state.under_way.check()

    def _succeed(self) -> None:
        """The next incident under this workflow ID begins in a new run, or in this one when too
        much has arrived for it."""
        carried = continue_as_new.to_the_successor(self._state)
        if continue_as_new.fits(carried):
            workflow.continue_as_new(args=[None, carried])
        workflow.logger.warning("too much has arrived to begin a new run with it")
        continue_as_new.within_this_run(self._state, carried)
        self._fill = throttle.Fill()

    async def _cancel(self) -> None:
        """Close the incident. What waits to be one is kept in quarantine."""
        reason = workflow.cancellation_reason()
        said = f"the workflow was cancelled: {reason}" if reason else "the workflow was cancelled"
        self._join_waiting()
        self._state.take(Cancel(reason=activity_options.in_a_line(said)))
        while self._state.arrivals:
            await incoming.keep(self._state.arrivals.pop(0), IncidentCancelled.__name__, said)


async def _until(check: Callable[[], bool], seconds: float | None) -> bool:
    """Whether it came true in time."""
    try:
        await workflow.wait_condition(check, timeout=seconds)
    except TimeoutError:
        return False
    return True
