"""The incident: a pure state machine (core.domain.incident) in a durable shell.

Handlers are synchronous: they ask the domain, keep its events and put its effects into an outbox.
One main loop empties the outbox and waits for the next deadline. Nothing here decides.

Histories of running incidents outlive every release. A change in the order of commands goes behind
`workflow.patched`; tests/histories/ holds recorded runs that must replay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.common import RetryPolicy, SearchAttributeKey
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    FailureError,
    is_cancelled_exception,
)

from core.contracts import (
    INCIDENT_WORKFLOW,
    QUERY_INCIDENT,
    QUERY_TIMELINE,
    SERVICE_ATTRIBUTE,
    SEVERITY_ATTRIBUTE,
    SIGNAL_EVENT,
    STATUS_ATTRIBUTE,
    UPDATE_ACKNOWLEDGE,
    UPDATE_RESOLVE,
)
from core.domain.event import Event
from core.domain.incident.commands import Acknowledge, C, Resolve, read_command
from core.domain.incident.effects import REPORT_KEY, CallOff, Effect, Page, WriteReport
from core.domain.incident.fold import apply
from core.domain.incident.inputs import (
    FurtherEvent,
    Input,
    Open,
    PageSettled,
    Remark,
    ReportSettled,
    Wake,
)
from core.domain.incident.lifecycle import deadline, decide, is_finished, refusal
from core.domain.incident.model import Incident, PageStatus, Status
from core.domain.incident.policy import Policy
from core.domain.incident.telling import describe
from core.domain.incident.text import one_line, shortened
from core.domain.incident.timeline import TimelineEvent, abridged
from core.errors import InvalidEvent
from workers.incident.activities import Ending, IncidentActivities, Loaded

INVALID_COMMAND: Final = "InvalidCommand"
COMMAND_REFUSED: Final = "CommandRefused"

_AT_ONCE: Final[Any] = {
    "start_to_close_timeout": timedelta(seconds=5),
    "retry_policy": RetryPolicy(maximum_attempts=1),
}
"""For a first try without a hop to the server; what it cannot do, a visible activity retries."""
_TO_ITS_END: Final = workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
"""A page that is on the wire when it is called off may still arrive: then the timeline tells it."""
_UNTIL_DONE: Final[Any] = {
    "start_to_close_timeout": timedelta(seconds=60),
    "retry_policy": RetryPolicy(maximum_interval=timedelta(seconds=60)),
}
_ONE_ROUND: Final[Any] = {
    "start_to_close_timeout": timedelta(seconds=45),
    "cancellation_type": _TO_ITS_END,
    "retry_policy": RetryPolicy(initial_interval=timedelta(seconds=2), maximum_attempts=3),
}
"""A page that fails its round is noted and tried again by the domain's own schedule."""

_TIMELINE_BYTES: Final = 1_000_000
"""Of a timeline as it leaves the workflow: Temporal takes payloads of at most 2 MB."""
_REASON_CHARS: Final = 500

_ATTRIBUTES: Final = {
    name: SearchAttributeKey.for_keyword(name)
    for name in (STATUS_ATTRIBUTE, SEVERITY_ATTRIBUTE, SERVICE_ATTRIBUTE)
}


@workflow.defn(name=INCIDENT_WORKFLOW)
class IncidentWorkflow:
    """Takes one event in its wire form; its workflow ID is the incident's ID.

    Ends when the incident is closed, with its summary; fails, with the event kept in quarantine,
    when the event brings no report.
    """

    @workflow.init
    def __init__(self, wire: Any) -> None:
        # Signals and updates may be handled before `run` begins.
        self._incident = Incident(id=workflow.info().workflow_id)
        self._timeline: list[TimelineEvent] = []
        self._outbox: list[Effect] = []
        self._early: list[Any] = []
        self._running: dict[str, workflow.ActivityHandle[Any]] = {}
        self._watchers: set[asyncio.Task[None]] = set()
        self._fault: BaseException | None = None
        self._published: dict[str, str] = {}

    @workflow.run
    async def run(self, wire: Any) -> dict[str, Any]:
        self._take(await self._opening(wire))
        while self._early:
            self._join(self._early.pop(0))
        while not is_finished(self._incident):
            self._publish()
            self._empty_outbox()
            await self._wait()
        # No await from here on: a signal that comes now makes the server refuse this completion,
        # and is handled before it is tried again.
        self._empty_outbox()
        self._publish()
        return {**self._summary(), "reports": list(self._incident.reports)}

    @workflow.signal(name=SIGNAL_EVENT)
    def event(self, wire: Any = None) -> None:
        """A further event for this incident, in its wire form."""
        if self._incident.status is Status.NEW:
            self._early.append(wire)
        else:
            self._join(wire)

    @workflow.update(name=UPDATE_ACKNOWLEDGE)
    def acknowledge(self, command: Any = None) -> dict[str, Any]:
        """Takes `{command_id, actor, incident_id?, note?}`; answers the incident's summary, with
        `changed` false when there was nothing to do."""
        return self._obey(self._checked(Acknowledge, command))

    @acknowledge.validator
    def _check_acknowledge(self, command: Any = None) -> None:
        self._checked(Acknowledge, command)

    @workflow.update(name=UPDATE_RESOLVE)
    def resolve(self, command: Any = None) -> dict[str, Any]:
        """Takes and answers the same as `acknowledge`."""
        return self._obey(self._checked(Resolve, command))

    @resolve.validator
    def _check_resolve(self, command: Any = None) -> None:
        self._checked(Resolve, command)

    @workflow.query(name=QUERY_INCIDENT)
    def incident(self) -> Incident:
        """Everything about the incident but its timeline."""
        return self._incident.shown()

    @workflow.query(name=QUERY_TIMELINE)
    def timeline(self) -> list[dict[str, Any]]:
        """What happened so far, each entry with a sentence in `text`; the middle of a very long
        timeline is left out."""
        return [
            {"text": describe(event), **event.model_dump(mode="json")}
            for event in abridged(self._timeline, _TIMELINE_BYTES)
        ]

    def _take(self, given: Input) -> bool:
        """Let the domain decide, and keep what it says; whether anything happened."""
        events, effects = decide(self._incident, given, workflow.now())
        for event in events:
            self._incident = apply(self._incident, event)
            if not event.told:
                continue
            self._timeline.append(event)
            workflow.logger.info("%s: %s", event.actor, describe(event))
        self._outbox += effects
        return bool(events)

    def _join(self, wire: Any) -> None:
        try:
            event = Event.from_wire(wire)
            document = event.document
        except InvalidEvent as error:
            said = shortened(str(one_line(error.message)), _REASON_CHARS)
            self._take(Remark(text=f"Something that is not an event was sent here: {said}"))
        else:
            uri = document.uri if document else None
            joined = FurtherEvent(event_key=event.key, event_type=event.type, document=uri)
            self._take(joined)

    def _checked(self, kind: type[C], envelope: Any) -> C:
        try:
            command = read_command(kind, envelope)
        except ValueError as error:
            raise _final(INVALID_COMMAND, str(error)) from None
        if reason := refusal(self._incident, command, workflow.now()):
            raise _final(COMMAND_REFUSED, reason)
        return command

    def _obey(self, command: Acknowledge | Resolve) -> dict[str, Any]:
        return {"changed": self._take(command), **self._summary()}

    async def _opening(self, wire: Any) -> Open:
        """The first event that brings a report. One that does not is quarantined; the workflow
        fails with it only when no other event has come for the incident in the meantime."""
        policy: Policy = await _promptly(IncidentActivities.load_policy)
        while True:
            try:
                loaded: Loaded = await _promptly(IncidentActivities.load_report, wire)
            except FailureError as error:
                if not (cause := _permanent(error)):
                    raise
                uri = await workflow.execute_activity_method(
                    IncidentActivities.keep_failed,
                    args=[wire, cause.type or "", cause.message],
                    **_UNTIL_DONE,
                )
                reason = f"{cause.message}; kept as {uri}"
                if not self._early:
                    raise _final(cause.type or "", reason) from error
                self._take(Remark(text=f"An event brought no report: {reason}"))
                wire = self._early.pop(0)
            else:
                return Open(
                    report=loaded.report,
                    policy=policy,
                    event_key=loaded.event_key,
                    document=loaded.document,
                )

    async def _wait(self) -> None:
        """Until there is something to do. What a wake was for may be over when it comes, so nothing
        is done here but to ask the domain again."""
        due = deadline(self._incident)
        seconds = (due - workflow.now()).total_seconds() if due else None
        if seconds is not None and seconds <= 0:
            self._take(Wake())
            return
        try:
            await workflow.wait_condition(
                lambda: self._has_work() or deadline(self._incident) != due, timeout=seconds
            )
        except TimeoutError:
            self._take(Wake())
        if self._fault:
            raise self._fault

    def _has_work(self) -> bool:
        return bool(
            self._outbox
            or self._fault
            or is_finished(self._incident)
            or self._attributes() != self._published
        )

    def _empty_outbox(self) -> None:
        while self._outbox:
            effect = self._outbox.pop(0)
            match effect:
                case Page():
                    page = self._incident.pages.get(effect.key)
                    if page and page.status is PageStatus.SENDING:  # still wanted
                        self._page(effect)
                case WriteReport():
                    if effect.as_of == self._incident.report_wanted:
                        self._write_report(effect)
                case CallOff():
                    for key in effect.keys:
                        if handle := self._running.get(key):
                            handle.cancel()

    def _page(self, page: Page) -> None:
        handle = workflow.start_activity_method(IncidentActivities.page, page, **_ONE_ROUND)
        self._running[page.key] = handle

        async def watch() -> None:
            failure = await self._ending(page.key, handle)
            self._take(PageSettled(key=page.key, failure=failure))

        self._watch(watch())

    def _write_report(self, report: WriteReport) -> None:
        ending = Ending(
            incident=self._incident.shown(), timeline=abridged(self._timeline, _TIMELINE_BYTES)
        )
        handle = workflow.start_activity_method(
            IncidentActivities.write_report, ending, **_UNTIL_DONE
        )
        self._running[REPORT_KEY] = handle

        async def watch() -> None:
            failure = await self._ending(REPORT_KEY, handle)
            uris = () if failure else tuple(handle.result())
            self._take(ReportSettled(as_of=report.as_of, uris=uris, failure=failure))

        self._watch(watch())

    async def _ending(self, key: str, handle: workflow.ActivityHandle[Any]) -> str | None:
        """Wait for an activity to end; why it failed, in a line, or None when it did not."""
        try:
            await handle
        except ActivityError as error:
            cause = error.cause or error
            said = cause.message if isinstance(cause, ApplicationError) else str(cause)
            return shortened(str(one_line(said)), _REASON_CHARS) or type(cause).__name__
        finally:
            if self._running.get(key) is handle:  # and not the next one under this key
                del self._running[key]
        return None

    def _watch(self, work: Coroutine[Any, Any, None]) -> None:
        """Run beside the main loop, which raises what this raises."""
        task = asyncio.create_task(work)
        self._watchers.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._watchers.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._fault = error

    def _publish(self) -> None:
        """Upsert the search attributes that have changed."""
        now = self._attributes()
        changed = [
            _ATTRIBUTES[name].value_set(value)
            for name, value in now.items()
            if self._published.get(name) != value
        ]
        if changed:
            workflow.upsert_search_attributes(changed)
            self._published = now

    def _attributes(self) -> dict[str, str]:
        incident = self._incident
        attributes = {
            STATUS_ATTRIBUTE: incident.status.value,
            SEVERITY_ATTRIBUTE: incident.severity.value,
        }
        if incident.service:
            attributes[SERVICE_ATTRIBUTE] = incident.service
        return attributes

    def _summary(self) -> dict[str, Any]:
        incident = self._incident
        return {
            "incident_id": incident.id,
            "title": incident.title,
            "status": incident.status.value,
            "severity": incident.severity.value,
            "service": incident.service,
            "acknowledged_by": list(incident.acknowledged_by),
            "resolved_by": incident.resolved_by,
        }


async def _promptly(activity: Any, *args: Any) -> Any:
    """Run an activity in this very workflow task, which saves a hop; what cannot be done at once is
    retried as an activity that operators can see. Raises `FailureError` for what never will be."""
    try:
        return await workflow.execute_local_activity_method(activity, args=args, **_AT_ONCE)
    except FailureError as error:
        if _permanent(error) or is_cancelled_exception(error):
            raise
        workflow.logger.warning("not done at once, retrying: %s", error)
    return await workflow.execute_activity_method(activity, args=args, **_UNTIL_DONE)


def _permanent(error: FailureError) -> ApplicationError | None:
    """The failure of an activity that is not to be retried; a local one's comes unwrapped."""
    cause = error.cause if isinstance(error, ActivityError) else error
    return cause if isinstance(cause, ApplicationError) and cause.non_retryable else None


def _final(code: str, message: str) -> ApplicationError:
    return ApplicationError(message, type=code, non_retryable=True)
