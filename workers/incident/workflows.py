"""The incident: a pure state machine (core.domain.incident) in a durable shell.

Handlers are synchronous: they ask the domain, keep its events and put its effects into an outbox.
One main loop empties the outbox and waits for the next deadline. Nothing here decides.

A run whose history has become long hands everything over to the next run; so does an incident that
is over to the one that follows it under the same workflow ID.

Histories of running incidents outlive every release. A change in the order of commands goes behind
`workflow.patched`; tests/histories/ holds recorded runs that must replay.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from temporalio import workflow
from temporalio.exceptions import ActivityError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from core.contracts import INCIDENT_WORKFLOW, QUERY_INCIDENT, QUERY_TIMELINE, SIGNAL_EVENT
    from core.domain.alert import AlertStatus, read_alert
    from core.domain.event import ALERT, Event
    from core.domain.incident.commands import (
        Acknowledge,
        AnyCommand,
        Assign,
        C,
        Close,
        Comment,
        Mitigate,
        Reopen,
        Resolve,
        SetSeverity,
        Snooze,
        Unacknowledge,
        read_command,
    )
    from core.domain.incident.effects import (
        REPORT_KEY,
        CallOff,
        Effect,
        FollowUp,
        Page,
        StartNew,
        WriteReport,
    )
    from core.domain.incident.fold import apply
    from core.domain.incident.grouping import incident_id
    from core.domain.incident.inputs import (
        AlertReceived,
        Cancel,
        FurtherEvent,
        Input,
        Open,
        PageSettled,
        Remark,
        ReportSettled,
        Wake,
    )
    from core.domain.incident.lifecycle import Decision, deadline, decide, is_finished, refusal
    from core.domain.incident.model import Incident, PageStatus, Status
    from core.domain.incident.policies import Facts
    from core.domain.incident.telling import describe
    from core.domain.incident.timeline import PageFailed, TimelineEvent, abridged
    from core.errors import IncidentCancelled, InvalidEvent
    from workers.incident import calls, handover
    from workers.incident.activities import IncidentActivities
    from workers.incident.attributes import attributes_of, entitle, published, upsert
    from workers.incident.records import Carried, Ending, Loaded, Rules, Segment
    from workers.local_first import permanent

INVALID_COMMAND: Final = "InvalidCommand"
COMMAND_REFUSED: Final = "CommandRefused"

_TIMELINE_BYTES: Final = 1_000_000
"""Of a timeline as it leaves the workflow: Temporal takes payloads of at most 2 MB."""
_DEBT_BYTES: Final = 300_000
_SETTLING: Final = timedelta(seconds=20)
"""How long a run that hands over lets pages and reports under way end."""
_REPORT_FIRST: Final = timedelta(seconds=10)
"""How long an incident that has a successor lets its report be written, and its last pages arrive,
before the successor."""
_ARRIVED_BYTES: Final = 256_000
"""How much may arrive for a successor before it is begun at once."""
_AT_ONCE: Final = 500
"""How many events are joined within one workflow task. One that takes longer than two seconds is
taken for stuck, is failed, and would take as long again: a storm that waited for a worker must not
be a single task, however slow that worker is."""
_BREATH: Final = timedelta(milliseconds=1)
"""Between two such tasks: a timer ends the one, and begins the next."""
_FOLLOW_UP: Final = "follow-up"
_IN_FULL: Final = "incident-in-full"
"""Patch: the policy is chosen for the event, follow-ups are sent, a later deadline keeps its
timer. Without it, a run goes on as it began in the first form."""
_LATEST: Final = "incident-title-late-pages"
"""Patch: the title is in the memo; a page that was called off on the wire is waited for, as its
target may have to be told; a storm is taken in by parts. All of the patch before holds, too."""


class _Running(NamedTuple):
    """An activity under way, and the effect that it is for."""

    effect: Page | WriteReport | FollowUp | None
    handle: workflow.ActivityHandle[Any]


def _command(kind: type[AnyCommand]) -> Any:
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

    acknowledge = _command(Acknowledge)
    unacknowledge = _command(Unacknowledge)
    mitigate = _command(Mitigate)
    resolve = _command(Resolve)
    reopen = _command(Reopen)
    assign = _command(Assign)
    snooze = _command(Snooze)
    comment = _command(Comment)
    set_severity = _command(SetSeverity)
    close = _command(Close)

    @workflow.init
    def __init__(self, wire: Any, carried: Carried | None = None) -> None:
        # Signals and updates may be handled before `run` begins.
        self._running: dict[str, _Running] = {}
        self._watchers: set[asyncio.Task[None]] = set()
        self._debts: dict[str, Ending] = {}
        self._fault: BaseException | None = None
        self._published = published()
        self._follow_ups = 0
        self._in_full = self._latest = True
        self._adopt(carried or Carried(arrivals=(wire,)))

    def _adopt(self, carried: Carried) -> None:
        id = workflow.info().workflow_id
        now = workflow.now()
        self._incident = carried.incident or Incident(id=incident_id(id, now), key=id)
        self._previous = carried.previous
        self._timeline: list[TimelineEvent] = list(carried.timeline)
        self._saved, self._omitted = carried.saved, carried.omitted
        self._segments = carried.segments
        self._outbox: list[Effect] = list(carried.effects)
        self._arrivals: list[Any] = list(carried.arrivals)
        self._waiting: list[Any] = []
        self._joined = (0, 0)
        self._owed: list[Ending] = list(carried.unreported)
        self._longest = carried.continue_as_new_after

    @workflow.run
    async def run(self, wire: Any, carried: Carried | None = None) -> dict[str, Any]:
        self._latest = workflow.patched(_LATEST)
        self._in_full = self._latest or workflow.patched(_IN_FULL)
        cancelled: BaseException | None = None
        while True:
            try:
                await self._live()
                if not self._arrivals:
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
        return {**self._summary(), "reports": list(self._incident.reports)}

    @workflow.signal(name=SIGNAL_EVENT)
    def event(self, wire: Any = None) -> None:
        """A further event for this incident, in its wire form."""
        self._join(wire)

    @workflow.query(name=QUERY_INCIDENT)
    def incident(self) -> Incident:
        """Everything about the incident but its timeline."""
        return self._incident.shown()

    @workflow.query(name=QUERY_TIMELINE)
    def timeline(self) -> list[dict[str, Any]]:
        """What happened so far, each entry with a sentence in `text`; of a very long timeline only
        parts are told, and what is left out is said."""
        told = [
            {"text": describe(event), **event.model_dump(mode="json")}
            for event in abridged(self._timeline, _TIMELINE_BYTES)
        ]
        if self._omitted:
            what = f"{self._omitted:,} earlier entries lie in the document store"
            entry = {"text": what, "kind": "noted", "actor": "tidegate"}
            told.insert(0, {**entry, "at": told[0]["at"] if told else None})
        return told

    async def _live(self) -> None:
        """The main loop, until the incident is over."""
        if self._incident.status is Status.NEW:
            await self._begin()
        while not self._is_over():
            self._publish()
            self._empty_outbox()
            if self._waiting:
                await self._catch_up()
            elif self._is_long():
                await self._hand_over()
            elif self._has_successor():
                await self._report_first()
                break
            else:
                await self._wait()
        if not self._arrivals:
            self._empty_outbox()
        self._publish()

    # What comes in

    def _take(self, given: Input) -> Decision:
        """Let the domain decide, and keep what it says."""
        decision = decide(self._incident, given, workflow.now())
        for event in decision.events:
            self._incident = apply(self._incident, event)
            if not event.told:
                continue
            self._timeline.append(event)
            level = logging.WARNING if isinstance(event, PageFailed) else logging.INFO
            workflow.logger.log(level, "%s: %s", event.actor, describe(event))
        self._outbox += decision.effects
        return decision

    def _join(self, wire: Any) -> None:
        """An event for this incident; or for the next one, when that is waiting already."""
        if self._incident.status is Status.NEW or self._has_successor():
            self._arrivals.append(wire)
        elif self._waiting or self._has_its_fill():
            self._waiting.append(wire)
        else:
            self._join_now(wire)

    def _join_now(self, wire: Any) -> None:
        if self._has_successor():  # since it came
            self._arrivals.append(wire)
            return
        try:
            given = _joining(wire)
        except InvalidEvent as error:
            said = calls.in_a_line(error.message)
            self._take(Remark(text=f"Something that is not an event was sent here: {said}"))
            return
        if any(isinstance(effect, StartNew) for effect in self._take(given).effects):
            self._arrivals.append(wire)

    def _has_its_fill(self) -> bool:
        """Whether this workflow task has joined enough."""
        length, count = self._joined
        now = workflow.info().get_current_history_length()
        self._joined = (now, count + 1 if length == now else 1)
        return self._joined[1] > _AT_ONCE

    async def _catch_up(self) -> None:
        """Join some of those that wait, in a workflow task of their own."""
        if self._latest:
            await workflow.sleep(_BREATH)
        self._join_waiting(_AT_ONCE if self._latest else None)

    def _join_waiting(self, at_most: int | None = None) -> None:
        waiting, self._waiting = self._waiting, []
        for wire in waiting[:at_most]:
            self._join_now(wire)
        self._waiting = [] if at_most is None else waiting[at_most:]

    def _checked(self, kind: type[C], envelope: Any) -> C:
        try:
            command = read_command(kind, envelope)
        except ValueError as error:
            raise calls.final(INVALID_COMMAND, str(error)) from None
        if reason := refusal(self._incident, command, workflow.now()):
            raise calls.final(COMMAND_REFUSED, reason)
        return command

    def _obey(self, command: AnyCommand) -> dict[str, Any]:
        return {"changed": bool(self._take(command).events), **self._summary()}

    # How it begins

    async def _begin(self) -> None:
        """By the first arrival that makes an incident. One that brings no report is quarantined;
        the workflow fails with it only when nothing else has arrived in the meantime."""
        rules = None if self._in_full else await self._rules()
        while True:
            wire = self._arrivals[0]
            try:
                given = await self._first(wire, rules)
            except FailureError as error:
                if not (cause := permanent(error)):
                    raise
                code = cause.type or ""
                reason = f"{cause.message}; kept as {await _keep(wire, code, cause.message)}"
                del self._arrivals[0]
                workflow.logger.warning("given up (%s): %s", code, reason)
                if not self._arrivals:
                    raise calls.final(code, reason) from error
                self._take(Remark(text=f"An event brought no report: {reason}"))
                continue
            del self._arrivals[0]
            if self._arrivals and _is_resolved(given):
                continue  # it opens nothing, and others may
            break
        self._take(given)
        others, self._arrivals = self._arrivals, []
        for wire in others:
            self._join(wire)

    async def _first(self, wire: Any, rules: Rules | None) -> Open | AlertReceived:
        """What the domain is to open an incident by. Raises `FailureError`."""
        if (given := _alert(wire)) is not None:
            if _is_resolved(given):
                return given
            alert = given.alert
            facts = Facts(
                severity=alert.severity,
                source=alert.source,
                service=alert.service,
                labels=alert.labels,
            )
            rules = rules or await self._rules(facts)
            update = {"policy": rules.policy, "previous": self._previous}
            return given.model_copy(update=update)
        loaded: Loaded = await calls.promptly(IncidentActivities.load_report, wire)
        report = loaded.report
        facts = Facts(severity=report.severity, service=report.service, labels=report.labels)
        rules = rules or await self._rules(facts)
        return Open(
            report=report,
            policy=rules.policy,
            event_key=loaded.event_key,
            document=loaded.document,
            previous=self._previous,
        )

    async def _rules(self, facts: Facts | None = None) -> Rules:
        chosen: Rules = await calls.promptly(IncidentActivities.load_policy, facts or Facts())
        self._longest = chosen.continue_as_new_after
        return chosen

    # What is waited for

    async def _wait(self) -> None:
        """Until there is something to do. What a wake was for may be over when it comes, so nothing
        is done here but to ask the domain again."""
        due = deadline(self._incident)
        seconds = (due - workflow.now()).total_seconds() if due else None
        if seconds is not None and seconds <= 0:
            self._take(Wake())
            return
        if await _until(lambda: self._has_work() or self._is_stale(due), seconds):
            self._check()
        else:
            self._take(Wake())

    def _has_work(self) -> bool:
        wanted = attributes_of(self._incident)
        return bool(
            self._outbox
            or self._waiting
            or self._fault
            or self._is_over()
            or self._has_successor()
            or (wanted is not None and wanted != self._published)
            or self._is_long()
        )

    def _is_stale(self, due: datetime | None) -> bool:
        """Whether to wait for another moment than this. A later one keeps its timer: in a storm
        every alert may put it off, and the wake finds that nothing is due."""
        now = deadline(self._incident)
        if now == due:
            return False
        return not self._in_full or now is None or due is None or now < due

    def _check(self) -> None:
        if self._fault:
            raise self._fault

    def _is_over(self) -> bool:
        """Nothing is left to do."""
        return (
            self._is_finished()
            and not self._waiting
            and not self._debts
            and not self._owed
            and not any(key.startswith(_FOLLOW_UP) for key in self._running)
            and not (self._latest and self._outbox)
        )

    def _is_finished(self) -> bool:
        """The incident is closed and reported, and no page of it is on the wire: one that arrives
        although it was called off is to be followed up."""
        paging = any(isinstance(running.effect, Page) for running in self._running.values())
        return is_finished(self._incident) and not (self._latest and paging)

    def _has_successor(self) -> bool:
        return self._incident.status is Status.CLOSED and bool(self._arrivals)

    # What is done

    def _empty_outbox(self, *, starting: bool = True) -> None:
        """Do what the domain wants; without `starting`, leave for later what begins something."""
        for ending in self._owed if starting else ():
            self._pay(ending)
        if starting:
            self._owed = []
        later: list[Effect] = []
        while self._outbox:
            effect = self._outbox.pop(0)
            match effect:
                case CallOff():
                    for key in effect.keys:
                        if running := self._running.get(key):
                            running.handle.cancel()
                case StartNew():
                    pass  # its event is among the arrivals
                case _ if not starting:
                    later.append(effect)
                case Page():
                    page = self._incident.pages.get(effect.key)
                    if page and page.status is PageStatus.SENDING:  # still wanted
                        self._page(effect)
                case WriteReport():
                    if effect.as_of == self._incident.report_wanted:
                        self._write_report(effect)
                case FollowUp():
                    if self._in_full:
                        self._follow_up(effect)
        self._outbox = later

    def _page(self, page: Page) -> None:
        handle = workflow.start_activity_method(IncidentActivities.page, page, **calls.PAGE)

        async def watch() -> None:
            failure = await self._ending(page.key, handle)
            # A round of the first form answered nothing: it had no fallbacks.
            via = None if failure else handle.result() or page.target
            self._take(PageSettled(key=page.key, failure=failure, via=via))

        self._watch(page.key, page, handle, watch())

    def _write_report(self, report: WriteReport) -> None:
        id = self._incident.id
        handle = workflow.start_activity_method(
            IncidentActivities.write_report, self._ending_of(_TIMELINE_BYTES), **calls.REPORT
        )

        async def watch() -> None:
            failure = await self._ending(REPORT_KEY, handle)
            if id != self._incident.id:  # the next incident has begun in this run
                self._paid(id, failure or handle.result())
                return
            uris = () if failure else tuple(handle.result())
            self._take(ReportSettled(as_of=report.as_of, uris=uris, failure=failure))

        self._watch(REPORT_KEY, report, handle, watch())

    def _follow_up(self, follow_up: FollowUp) -> None:
        self._follow_ups += 1
        key = f"{_FOLLOW_UP}:{self._follow_ups}"
        handle = workflow.start_activity_method(
            IncidentActivities.follow_up, follow_up, **calls.IF_POSSIBLE
        )

        async def watch() -> None:
            if failure := await self._ending(key, handle):
                workflow.logger.warning("%s was not told everywhere: %s", follow_up.what, failure)

        self._watch(key, follow_up, handle, watch())

    def _pay(self, ending: Ending) -> None:
        """Write the report of an incident that went before."""
        id = ending.incident.id
        handle = workflow.start_activity_method(
            IncidentActivities.write_report, ending, **calls.REPORT
        )
        self._debts[id] = ending

        async def watch() -> None:
            failure = await self._ending(id, handle)
            self._paid(id, failure or handle.result())

        self._watch(id, None, handle, watch())

    def _paid(self, id: str, outcome: object) -> None:
        del self._debts[id]
        workflow.logger.info("report of %s: %s", id, outcome)

    def _watch(
        self,
        key: str,
        effect: Page | WriteReport | FollowUp | None,
        handle: workflow.ActivityHandle[Any],
        work: Coroutine[Any, Any, None],
    ) -> None:
        """Run beside the main loop, which raises what this raises."""
        self._running[key] = _Running(effect, handle)
        task = asyncio.create_task(work)
        self._watchers.add(task)
        task.add_done_callback(self._watched)

    def _watched(self, task: asyncio.Task[None]) -> None:
        self._watchers.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._fault = error

    async def _ending(self, key: str, handle: workflow.ActivityHandle[Any]) -> str | None:
        """Wait for an activity to end; why it failed, in a line, or None when it did not."""
        try:
            await handle
        except ActivityError as error:
            return calls.reason_of(error)
        finally:
            running = self._running.get(key)
            if running and running.handle is handle:  # and not the next one under this key
                del self._running[key]
        return None

    def _publish(self) -> None:
        """Let Temporal's lists tell what has changed."""
        wanted = attributes_of(self._incident)
        if wanted is not None and wanted != self._published:
            upsert(self._published, wanted)
            self._published = wanted
            if self._latest:
                entitle(self._incident.title)

    # How it goes on, and ends

    def _is_long(self) -> bool:
        info = workflow.info()
        if self._incident.status is Status.CLOSED:
            return False
        too_long = self._longest is not None and info.get_current_history_length() > self._longest
        return too_long or info.is_continue_as_new_suggested()

    async def _hand_over(self) -> None:
        """Go on in a new run, once what is under way has ended or has had its time."""
        end = workflow.now() + _SETTLING
        while self._running and (left := (end - workflow.now()).total_seconds()) > 0:
            await _until(lambda: self._calls_off() or not self._running or bool(self._fault), left)
            self._empty_outbox(starting=False)
            self._check()
        await self._save_timeline()
        await workflow.wait_condition(workflow.all_handlers_finished)
        self._join_waiting()
        self._empty_outbox(starting=False)
        self._publish()
        begun = [running.effect for running in self._running.values() if running.effect]
        carried = Carried(
            incident=self._incident,
            segments=self._segments,
            effects=tuple(
                effect
                for effect in (*begun, *self._outbox)
                if isinstance(effect, Page | WriteReport | FollowUp)
            ),
            unreported=(*self._owed, *self._debts.values()),
            arrivals=tuple(self._arrivals),
            continue_as_new_after=self._longest,
        )
        workflow.continue_as_new(
            args=[
                None,
                handover.with_timeline(
                    carried, self._timeline, saved=self._saved, omitted=self._omitted
                ),
            ]
        )

    def _calls_off(self) -> bool:
        return any(isinstance(effect, CallOff) for effect in self._outbox)

    async def _save_timeline(self) -> None:
        """Keep in the document store what is not kept yet; what cannot be stays in the state."""
        entries = tuple(self._timeline[self._saved :])
        if not entries:
            return
        segment = Segment(
            incident_id=self._incident.id,
            number=self._segments + 1,
            timeline=abridged(entries, _TIMELINE_BYTES),
        )
        try:
            await workflow.execute_activity_method(
                IncidentActivities.save_timeline, segment, **calls.IF_POSSIBLE
            )
        except ActivityError as error:
            workflow.logger.info("timeline not saved: %s", calls.reason_of(error))
        else:
            self._segments += 1
            self._saved += len(entries)

    async def _report_first(self) -> None:
        """Wait for this incident's end, as long as the next incident may wait for it."""
        await _until(
            lambda: (
                self._is_finished()
                or bool(self._fault)
                or handover.size_of(self._arrivals) > _ARRIVED_BYTES
            ),
            _REPORT_FIRST.total_seconds(),
        )
        self._check()

    def _succeed(self) -> None:
        """The next incident under this workflow ID; an outstanding report goes with it. It begins
        in a new run, or in this one when too much has arrived for it."""
        owed = [*self._owed, *self._debts.values()]
        if not is_finished(self._incident):
            owed.append(self._ending_of(_DEBT_BYTES))
        effects = [*self._outbox, *(running.effect for running in self._running.values())]
        carried = Carried(
            previous=self._incident.id if self._incident.opened_at else None,
            arrivals=tuple(self._arrivals),
            effects=tuple(effect for effect in effects if isinstance(effect, FollowUp)),
            unreported=tuple(owed),
            continue_as_new_after=self._longest,
        )
        if handover.fits(carried):
            workflow.continue_as_new(args=[None, carried])
        workflow.logger.warning("too much has arrived to begin a new run with it")
        self._adopt(self._kept_here(carried))

    def _kept_here(self, carried: Carried) -> Carried:
        """What a successor in this same run takes over; activities under way simply go on."""
        if REPORT_KEY in self._running:
            self._debts[self._incident.id] = self._ending_of(_DEBT_BYTES)
        return carried.model_copy(
            update={
                "effects": tuple(e for e in self._outbox if isinstance(e, FollowUp)),
                "unreported": tuple(
                    ending for ending in carried.unreported if ending.incident.id not in self._debts
                ),
            }
        )

    def _ending_of(self, limit: int) -> Ending:
        timeline = self._timeline[self._saved :]
        return Ending(
            incident=self._incident.shown(),
            timeline=abridged(timeline, limit),
            segments=self._segments,
        )

    async def _cancel(self) -> None:
        """Close the incident. What waits to be one is kept in quarantine."""
        reason = workflow.cancellation_reason()
        said = f"the workflow was cancelled: {reason}" if reason else "the workflow was cancelled"
        self._join_waiting()
        self._take(Cancel(reason=calls.in_a_line(said)))
        while self._arrivals:
            await _keep(self._arrivals.pop(0), IncidentCancelled.__name__, said)

    def _summary(self) -> dict[str, Any]:
        incident = self._incident
        return {
            "incident_id": incident.id,
            "title": incident.title,
            "status": incident.status.value,
            "close_reason": incident.close_reason.value if incident.close_reason else None,
            "severity": incident.severity.value,
            "service": incident.service,
            "assignee": incident.assignee,
            "acknowledged_by": list(incident.acknowledged_by),
            "resolved_by": incident.resolved_by,
        }


def _joining(wire: Any) -> AlertReceived | FurtherEvent:
    """An event as the domain takes it. Raises `InvalidEvent`."""
    event = Event.from_wire(wire)
    if event.type == ALERT:
        return AlertReceived(alert=read_alert(event), event_key=event.key)
    uri = event.document.uri if event.document else None
    return FurtherEvent(event_key=event.key, event_type=event.type, document=uri)


def _alert(wire: Any) -> AlertReceived | None:
    """The alert that is to open an incident; None for another event. Raises `FailureError`."""
    if not isinstance(wire, dict) or wire.get("type") != ALERT:
        return None
    try:
        event = Event.from_wire(wire)
        return AlertReceived(alert=read_alert(event), event_key=event.key)
    except InvalidEvent as error:
        raise calls.final(error.code, str(error)) from error


def _is_resolved(given: Open | AlertReceived) -> bool:
    return isinstance(given, AlertReceived) and given.alert.status is AlertStatus.RESOLVED


async def _keep(wire: Any, code: str, reason: str) -> str:
    """Quarantine an event; returns the record's URI."""
    return await workflow.execute_activity_method(
        IncidentActivities.keep_failed, args=[wire, code, reason], **calls.UNTIL_DONE
    )


async def _until(check: Callable[[], bool], seconds: float | None) -> bool:
    """Whether it came true in time."""
    try:
        await workflow.wait_condition(check, timeout=seconds)
    except TimeoutError:
        return False
    return True
