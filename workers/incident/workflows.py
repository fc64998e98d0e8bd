"""The incident: a pure state machine (core.domain.incident) in a durable shell.

Handlers are synchronous: they ask the domain, keep its events and queue its effects in an outbox.
One main loop dispatches the effects and waits for the next deadline. Nothing is decided here. An
alert goes from `event` through `_accept` to `State.handle`; its effects go through
`effects.dispatch` to activities, whose outcomes come back through `State.handle`.

A run with a long history continues as new. When an event arrives for an incident that is over, a
successor starts under the same workflow ID.

Deterministic: runs in the workflow sandbox. Running incidents outlive every release, so a change in
the order of commands goes behind `workflow.patched`; the recorded runs in tests/histories must
replay.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from core.contracts import (
        INCIDENT_WORKFLOW,
        QUERY_INCIDENT,
        QUERY_TIMELINE,
        SIGNAL_COMMAND,
        SIGNAL_EVENT,
        SIGNAL_ON_CALL_CHANGED,
    )
    from core.domain.alert_state import AlertState
    from core.domain.incident import commands
    from core.domain.incident.alert_counts import memory
    from core.domain.incident.decisions.alerts import opens
    from core.domain.incident.decisions.timers import deadline
    from core.domain.incident.effects import CancelInFlight, StartSuccessor
    from core.domain.incident.inputs import (
        AlertReceived,
        Cancel,
        CommandSent,
        OnCallChanged,
        Open,
        Recalled,
        Remark,
        Wake,
    )
    from core.domain.incident.model import Incident
    from core.errors import IncidentCancelled, InvalidEvent
    from workers.incident.activities import IncidentActivities
    from workers.incident.payloads import OpeningRules, RunState
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
    from workers.runtime.local_first import permanent, run_local_first
    from workers.runtime.waiting import wait_until

_FIRST_EVENT: Final = timedelta(minutes=1)
"""How long a run that was started without an event waits for the signal that brings one."""


def _update(kind: type[commands.AnyCommand]) -> Any:
    """The update that carries a command: `{command_id, actor, incident_id?, note?, ...}`.

    Its result is the incident's summary and what the command did, with `changed` false when there
    was nothing to do.
    """

    def handle(self: Any, command: Any = None) -> dict[str, Any]:
        return dict(self._handle_command(self._validated(kind, command)))

    def validate(self: Any, command: Any = None) -> None:
        self._validated(kind, command)

    update = workflow.update(name=kind.name, description=kind.__doc__)(handle)
    update.validator(validate)
    return update


@workflow.defn(name=INCIDENT_WORKFLOW)
class IncidentWorkflow:
    """Takes one event in its wire form, the state that an earlier run hands over, or nothing: then
    the signal that started it brings its first event.

    Completes with a summary and what it knows of its alerts, when the incident is closed and late
    alerts are not waited for any more; fails, with the event in quarantine, when the event brings
    no valid report and no earlier run has left anything. When cancelled, it closes the incident and
    writes the report before it ends as cancelled.
    """

    acknowledge = _update(commands.Acknowledge)
    unacknowledge = _update(commands.Unacknowledge)
    escalate = _update(commands.Escalate)
    mitigate = _update(commands.Mitigate)
    resolve = _update(commands.Resolve)
    reopen = _update(commands.Reopen)
    assign = _update(commands.Assign)
    snooze = _update(commands.Snooze)
    comment = _update(commands.Comment)
    set_severity = _update(commands.SetSeverity)
    close = _update(commands.Close)

    @workflow.init
    def __init__(self, wire: Any = None, run_state: RunState | None = None) -> None:
        # Signals and updates may be handled before `run` starts.
        arrivals = () if wire is None else (wire,)
        self._state = State(run_state or RunState(arrivals=arrivals))
        self._batch_limit = throttle.BatchLimit()
        self._published = search_attributes.published()

    @workflow.run
    async def run(self, wire: Any = None, run_state: RunState | None = None) -> dict[str, Any]:
        cancelled: BaseException | None = None
        while True:
            try:
                await self._main_loop()
                if not self._state.arrivals:
                    break
                self._start_successor()
            except BaseException as error:
                if cancelled or not is_cancelled_exception(error):
                    raise
                cancelled = error  # the server sends one cancellation at most
                await self._cancel()
        # No await after the last check: a signal that arrives now makes the server reject this
        # completion, and is handled before the next attempt.
        if cancelled:
            raise cancelled
        incident = self._state.incident
        return {
            **updates.summary(incident),
            "reports": list(incident.reports),
            "alerts": memory(incident.alerts),
        }

    @workflow.signal(name=SIGNAL_EVENT)
    def event(self, wires: Any = None) -> None:
        """An event for this incident in its wire form, or a list of them, in their order."""
        for wire in wires if isinstance(wires, list) else [wires]:
            self._accept(wire)

    @workflow.signal(name=SIGNAL_COMMAND)
    def command(self, envelope: Any = None) -> None:
        """A command for whose answer nobody waits: `{name, command_id, actor, ...}`. The timeline
        says if it is refused."""
        self._take(envelope)

    @workflow.signal(name=SIGNAL_ON_CALL_CHANGED)
    def on_call_changed(self) -> None:
        """Who is on call, or what is silenced, may have changed."""
        self._state.handle(OnCallChanged())

    @workflow.query(name=QUERY_INCIDENT)
    def incident(self) -> Incident:
        """Everything about the incident but its timeline."""
        return self._state.incident.shown()

    @workflow.query(name=QUERY_TIMELINE)
    def timeline(self) -> list[dict[str, Any]]:
        """What has happened so far, each entry with a sentence in `text`. A very long timeline is
        abridged, and says how much is left out."""
        return self._state.timeline.rendered()

    async def _main_loop(self) -> None:
        """Runs until the incident is over."""
        state = self._state
        while not state.is_over():
            self._publish()
            if effects.dispatch(state) and state.has_question():
                # What is started and cancelled in one task leaves no trace: see `effects.ask`.
                await workflow.sleep(throttle.PAUSE)
            await effects.ask(state)
            if state.outbox:
                continue
            if state.should_continue_as_new() and continue_as_new.can_take_over(state):
                await self._continue_as_new()
            elif state.has_backlog():
                await self._accept_batch()
            elif state.is_new() and state.arrivals:
                await self._open()
            elif state.has_successor():
                await self._wait_for_report()
                break
            else:
                await self._wait()
        self._publish()

    # Opening

    async def _open(self) -> None:
        """Handle what has arrived, until an alert or a report opens the incident. An event without
        a valid report is quarantined. If no other has arrived, the silence goes on in which it
        came, or else the workflow fails."""
        state = self._state
        while state.is_new() and state.arrivals:
            wire = state.arrivals[0]
            try:
                opening = await self._opening(wire)
            except FailureError as error:
                if not (cause := permanent(error)):
                    raise
                code = cause.type or ""
                uri = await incoming.quarantine(wire, code, cause.message)
                reason = f"{cause.message}; kept as {uri}"
                del state.arrivals[0]
                workflow.logger.warning("given up (%s): %s", code, reason)
                if not (state.arrivals or state.is_silent() or state.has_inherited()):
                    raise activity_options.permanent_failure(code, reason) from error
                state.handle(Remark(text=f"An event brought no report: {reason}"))
                continue
            del state.arrivals[0]
            state.handle(opening)
            if self._batch_limit.is_reached():
                await workflow.sleep(throttle.PAUSE)
                break
        if state.is_new() and not state.arrivals:
            state.fall_silent()
        if not state.is_new():
            others, state.arrivals = state.arrivals, []
            for wire in others:
                self._accept(wire)
        if not state.may_open():
            waiting, state.commands = state.commands, []
            for envelope in waiting:
                self._take(envelope)

    async def _opening(self, wire: Any) -> Open | AlertReceived:
        """The input that may open an incident. Raises `FailureError`."""
        state = self._state
        opener = await incoming.opener(wire)
        if isinstance(opener, AlertReceived) and self._only_changes_what_is_known(opener):
            return opener
        rules, _ = await asyncio.gather(self._rules(wire, opener), self._recall())
        state.continue_as_new_after = rules.continue_as_new_after
        return incoming.opening(opener, rules, state.previous)

    def _only_changes_what_is_known(self, opener: AlertReceived) -> bool:
        """Whether no policy is needed for it: one is chosen already, and it opens no incident."""
        incident = self._state.incident
        return bool(incident.silent_until and not opens(incident, opener, workflow.now()))

    async def _rules(self, wire: Any, opener: incoming.Opener) -> OpeningRules:
        rules: OpeningRules = await run_local_first(
            IncidentActivities.load_policy,
            incoming.facts_of(opener),
            incoming.table_of(wire),
            **activity_options.LOCAL_FIRST,
        )
        return rules

    async def _recall(self) -> None:
        """Learn what the last run that completed knew, unless it has handed that over."""
        state = self._state
        if state.recalled:
            return
        try:
            states: dict[str, AlertState] = await run_local_first(
                IncidentActivities.recall, **activity_options.RECALL
            )
        except FailureError as error:
            if is_cancelled_exception(error):
                raise
            reason = activity_options.reason_of(error)
            state.handle(Remark(text=f"What was known of its alerts cannot be read: {reason}"))
        else:
            state.handle(Recalled(states=states))
        state.recalled = True

    # Events and commands

    def _accept(self, wire: Any) -> None:
        """Take an event into this incident, or keep it for the successor when there is one."""
        if incoming.brings_command(wire):
            self._take(wire.get("data"))
            return
        if self._state.is_new() or self._state.has_successor():
            self._state.arrivals.append(incoming.compact(wire))
        elif self._state.backlog or self._batch_limit.is_reached():
            self._state.backlog.append(incoming.compact(wire))
        else:
            self._accept_now(wire)

    def _accept_now(self, wire: Any) -> None:
        state = self._state
        if state.has_successor():  # since the event arrived
            state.arrivals.append(wire)
            return
        try:
            received = incoming.further(wire)
        except InvalidEvent as error:
            reason = activity_options.in_one_line(error.message)
            state.handle(Remark(text=f"Something that is not an event was sent here: {reason}"))
            return
        effects = state.handle(received).effects
        if any(isinstance(effect, StartSuccessor) and not effect.held for effect in effects):
            state.arrivals.append(incoming.compact(wire))

    async def _accept_batch(self) -> None:
        """Accept some of what waits, commands first, in a workflow task of their own."""
        await workflow.sleep(throttle.PAUSE)
        state = self._state
        envelopes = state.commands[: throttle.BATCH_SIZE]
        state.commands = state.commands[throttle.BATCH_SIZE :]
        for envelope in envelopes:
            self._take_now(envelope)
        left = throttle.BATCH_SIZE - len(envelopes)
        batch, state.backlog = state.backlog[:left], state.backlog[left:]
        for wire in batch:
            self._accept_now(wire)

    def _take(self, envelope: Any) -> None:
        """Take a command for whose answer nobody waits, or keep it: until the incident opens, or
        for another workflow task."""
        state = self._state
        if state.may_open() or state.commands or self._batch_limit.is_reached():
            state.commands.append(envelope)
        else:
            self._take_now(envelope)

    def _take_now(self, envelope: Any) -> None:
        try:
            command = commands.read_named(envelope)
        except ValueError as error:
            reason = activity_options.in_one_line(str(error))
            text = f"Something that is not a command was sent here: {reason}"
            self._state.handle(Remark(text=text))
        else:
            self._state.handle(CommandSent(command=command))

    def _validated(self, kind: type[commands.AnyCommand], envelope: Any) -> commands.AnyCommand:
        return updates.validated(kind, envelope, self._state.incident)

    def _handle_command(self, command: commands.AnyCommand) -> dict[str, Any]:
        before = self._state.incident
        events = self._state.handle(command).events
        return updates.answer(before, self._state.incident, events)

    # Waiting

    async def _wait(self) -> None:
        """Wait until there is something to do, or the next deadline has passed."""
        due = deadline(self._state.incident)
        seconds = (due - workflow.now()).total_seconds() if due else None
        if self._state.is_new() and due is None:
            await self._wait_for_first_event()
        elif seconds is not None and seconds <= 0:
            self._wake()
        elif await wait_until(lambda: self._has_work() or self._is_stale(due), seconds):
            self._state.in_flight.check()
        else:
            self._wake()

    async def _wait_for_first_event(self) -> None:
        if not await wait_until(self._has_work, _FIRST_EVENT.total_seconds()):
            text = "the workflow was started without an event, and no signal has brought one"
            raise activity_options.permanent_failure(InvalidEvent.__name__, text)

    def _wake(self) -> None:
        """Have the domain do what is due. Raises `RuntimeError` when it stays due: that fails the
        workflow task, where the main loop would spin."""
        self._state.handle(Wake())
        due = deadline(self._state.incident)
        if due and due <= workflow.now():
            raise RuntimeError(f"the deadline {due.isoformat()} has passed, and nothing came of it")

    def _has_work(self) -> bool:
        state = self._state
        return bool(
            state.outbox
            or state.has_backlog()
            or state.in_flight.is_faulty()
            or state.is_over()
            or state.has_successor()
            or (state.is_new() and state.arrivals)
            or search_attributes.changed(state.incident, self._published)
            or state.should_continue_as_new()
        )

    def _is_stale(self, due: datetime | None) -> bool:
        """Whether an earlier deadline than `due` is the next. A later one keeps its timer: in a
        storm every alert may postpone it, and the wake then finds nothing due."""
        now = deadline(self._state.incident)
        return now != due and (now is None or due is None or now < due)

    def _publish(self) -> None:
        """Update what Temporal's workflow lists show, if it has changed."""
        incident = self._state.incident
        if now := search_attributes.changed(incident, self._published):
            search_attributes.publish(self._published, now)
            self._published = now

    # Continuing and ending

    async def _continue_as_new(self) -> None:
        """Continue in a new run, once what is in flight has ended or used up its time."""
        state = self._state
        end = workflow.now() + continue_as_new.SETTLING
        while state.in_flight and (left := (end - workflow.now()).total_seconds()) > 0:
            await wait_until(
                lambda: (
                    not state.in_flight
                    or state.in_flight.is_faulty()
                    or any(isinstance(effect, CancelInFlight) for effect in state.outbox)
                ),
                left,
            )
            effects.dispatch(state, starting=False)
            state.in_flight.check()
        await state.timeline.save(state.incident.id)
        await workflow.wait_condition(workflow.all_handlers_finished)
        if not continue_as_new.can_take_over(state):  # more has arrived meanwhile
            return
        effects.dispatch(state, starting=False)
        self._publish()
        workflow.continue_as_new(args=[None, continue_as_new.for_next_run(state)])

    async def _wait_for_report(self) -> None:
        """Wait for this incident's report and last pages, as long as its successor may wait."""
        state = self._state
        await wait_until(
            lambda: (
                state.is_finished()
                or state.in_flight.is_faulty()
                or continue_as_new.size_of(state.arrivals) > continue_as_new.ARRIVED_BYTES
            ),
            continue_as_new.REPORT_FIRST.total_seconds(),
        )
        state.in_flight.check()

    def _start_successor(self) -> None:
        """Start the next incident under this workflow ID in a new run, or in this one when the
        arrivals are too large for that."""
        run_state = continue_as_new.for_successor(self._state)
        if continue_as_new.fits(run_state):
            workflow.continue_as_new(args=[None, run_state])
        workflow.logger.warning("the arrivals are too large for a new run")
        continue_as_new.start_successor_within_run(self._state, run_state)
        self._batch_limit = throttle.BatchLimit()

    async def _cancel(self) -> None:
        """Close the incident, and quarantine the events that were to open its successor."""
        reason = workflow.cancellation_reason()
        text = f"the workflow was cancelled: {reason}" if reason else "the workflow was cancelled"
        while self._state.has_backlog():
            await self._accept_batch()
        self._state.handle(Cancel(reason=activity_options.in_one_line(text)))
        while self._state.arrivals:
            wire = self._state.arrivals.pop(0)
            await incoming.quarantine(wire, IncidentCancelled.__name__, text)
