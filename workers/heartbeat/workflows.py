"""The workflow of one heartbeat: it waits for beats, and has an alert accepted when one is missed.

Every decision is in `core.domain.heartbeat.decisions`. Handlers change the state, and wait for
nothing but a declaration that is being read; one main loop has the effects done, and waits for the
next deadline. A beat is one Action, and restarts no timer: one that has become too early is left to
fire, and starts the next.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.common import RetryPolicy, SearchAttributeKey, SearchAttributeUpdate
from temporalio.exceptions import ApplicationError, FailureError, is_cancelled_exception

from core.contracts import (
    HEARTBEAT_WORKFLOW,
    QUERY_HEARTBEAT,
    SERVICE_ATTRIBUTE,
    SEVERITY_ATTRIBUTE,
    SIGNAL_EVENT,
    SIGNAL_SYNC,
    STATUS_ATTRIBUTE,
    UPDATE_PAUSE,
    UPDATE_RESUME,
)
from core.domain.event import Event
from core.domain.heartbeat import decisions
from core.domain.heartbeat.beats import read_beat
from core.domain.heartbeat.declaration import Declaration
from core.domain.heartbeat.model import Heartbeat, Pause, Status
from core.domain.heartbeat.names import KEY_PREFIX
from core.domain.heartbeat.witnesses import Sighting
from core.errors import InvalidEvent
from workers.heartbeat.activities import HeartbeatActivities
from workers.runtime.local_first import run_local_first
from workers.runtime.waiting import wait_until

HISTORY_EVENTS: Final = 500
"""Events after which a run continues as a new one. Short histories are replayed fast: a worker that
serves more heartbeats than it can keep in memory replays one for each beat."""

_PAUSE: Final = timedelta(minutes=1)
"""Before an alert is tried anew that was not accepted."""
_LOCAL: Final[Any] = {
    "start_to_close_timeout": timedelta(seconds=5),
    "retry_policy": RetryPolicy(maximum_attempts=1),
}
_READ: Final[Any] = {
    "start_to_close_timeout": timedelta(seconds=30),
    "retry_policy": RetryPolicy(maximum_interval=timedelta(seconds=60)),
}
_ALERT: Final[Any] = {
    "start_to_close_timeout": timedelta(seconds=30),
    # Not for ever: beats go on, and the run must be able to continue as a new one.
    "schedule_to_close_timeout": timedelta(minutes=10),
    "retry_policy": RetryPolicy(maximum_interval=timedelta(seconds=30)),
}
_ASK: Final[Any] = {
    "start_to_close_timeout": timedelta(seconds=10),
    "schedule_to_close_timeout": timedelta(seconds=25),
    "retry_policy": RetryPolicy(maximum_attempts=2),
}

_STATUS, _SEVERITY, _SERVICE = map(
    SearchAttributeKey.for_keyword, (STATUS_ATTRIBUTE, SEVERITY_ATTRIBUTE, SERVICE_ATTRIBUTE)
)


@workflow.defn(name=HEARTBEAT_WORKFLOW)
class HeartbeatWorkflow:
    """One heartbeat, whose name is the rest of its workflow ID.

    Returns its state when it is no longer declared, or never was for a day.
    """

    @workflow.init
    def __init__(self, state: Heartbeat | None = None) -> None:
        # Signals and updates may be handled before `run` starts.
        name = workflow.info().workflow_id.removeprefix(KEY_PREFIX)
        self._state = state or Heartbeat(name=name, since=workflow.now())
        self._unread = state is None
        self._reading = False
        attributes = workflow.info().typed_search_attributes
        self._published = {key: attributes.get(key) for key in (_STATUS, _SEVERITY, _SERVICE)}

    @workflow.run
    async def run(self, state: Heartbeat | None = None) -> Heartbeat:
        while True:
            if self._must_read():
                await self._read()
            self._publish()
            if not workflow.all_handlers_finished():
                await workflow.wait_condition(
                    lambda: workflow.all_handlers_finished() or self._must_read()
                )
                continue
            if _should_continue_as_new():
                workflow.continue_as_new(self._state)
            if self._state.notices:
                await self._alert()
            elif self._state.asking:
                await self._ask()
            elif self._state.over and not self._unread:
                # No await after this: a signal that arrives now makes the server reject the
                # completion, and is handled before the next attempt.
                return self._state
            elif not self._has_work():
                await self._wait()

    @workflow.signal(name=SIGNAL_EVENT)
    def event(self, wires: Any = None) -> None:
        """A beat: an event in its wire form, or a list of them, in their order."""
        for wire in wires if isinstance(wires, list) else [wires]:
            try:
                beat = read_beat(Event.from_wire(wire), workflow.now())
            except (InvalidEvent, ValueError) as error:
                workflow.logger.warning(
                    "heartbeat %s: a signal is not an event: %s", self._state.name, error
                )
                continue
            if beat is not None:
                self._state = decisions.heard(self._state, beat, workflow.now())

    @workflow.signal(name=SIGNAL_SYNC)
    def sync(self) -> None:
        """Read the declaration again: the on-call file may have changed."""
        self._unread = True

    @workflow.update(name=UPDATE_PAUSE)
    async def pause(self, pause: dict[str, Any]) -> Heartbeat:
        """Expect nothing for a while. `pause` has `by`, and may have `why` and `until`."""
        if not self._is_read():  # one that has just begun, or a file that was just rolled out
            await workflow.wait_condition(self._is_read)
            self._must_be_declared()
        self._state = decisions.paused(self._state, self._pause_of(pause))
        return self._state

    @pause.validator
    def _may_pause(self, pause: dict[str, Any]) -> None:
        if self._is_read():
            self._must_be_declared()
        asked = self._pause_of(pause)
        if asked.until and asked.until <= asked.at:
            raise _refused("the pause ends in the past: give an `until` in the future")

    @workflow.update(name=UPDATE_RESUME)
    def resume(self) -> Heartbeat:
        """Expect beats again."""
        self._state = decisions.resumed(self._state, workflow.now())
        return self._state

    @resume.validator
    def _may_resume(self) -> None:
        if self._state.pause is None:
            raise _refused(f"heartbeat {self._state.name} is not paused")

    @workflow.query(name=QUERY_HEARTBEAT)
    def heartbeat(self) -> Heartbeat:
        """Everything about it."""
        return self._state

    def _pause_of(self, fields: dict[str, Any]) -> Pause:
        try:
            return Pause.model_validate({**fields, "at": workflow.now()})
        except ValueError as error:
            raise _refused(f"the pause is invalid: {error}") from None

    def _must_be_declared(self) -> None:
        if self._state.declaration is None or self._state.over:
            raise _refused(f"heartbeat {self._state.name} is not in the on-call file")

    def _is_read(self) -> bool:
        """Whether its declaration is as the on-call file has it."""
        return not self._unread and not self._reading

    # What the main loop does

    def _must_read(self) -> bool:
        state = self._state
        waits = state.status is Status.UNDECLARED and state.deadline
        return self._unread or bool(waits and waits <= workflow.now())

    async def _read(self) -> None:
        self._unread, self._reading = False, True
        declaration: Declaration | None = await run_local_first(
            HeartbeatActivities.read_declaration, self._state.name, local=_LOCAL, remote=_READ
        )
        self._reading = False
        before = self._state
        self._state = decisions.declared(before, declaration, workflow.now())
        if self._state.status is Status.UNDECLARED and before.deadline is None:
            workflow.logger.warning(
                "heartbeat %s is heard and not declared: it waits for a day", before.name
            )

    async def _alert(self) -> None:
        """Have the first notice accepted, or try it again later."""
        try:
            await workflow.execute_activity_method(
                HeartbeatActivities.alert, args=[self._state, self._state.notices[0]], **_ALERT
            )
        except FailureError as error:
            if is_cancelled_exception(error):
                raise
            workflow.logger.error("the alert is not accepted yet: %s", error.cause or error)
            await workflow.sleep(_PAUSE)
        else:
            self._state = decisions.accepted(self._state)

    async def _ask(self) -> None:
        """Ask the witnesses; without their answer nobody speaks for a beat that did not come."""
        sightings: list[Sighting] = []
        try:
            sightings = await workflow.execute_activity_method(
                HeartbeatActivities.ask_witnesses, self._state.name, **_ASK
            )
        except FailureError as error:
            if is_cancelled_exception(error):
                raise
            workflow.logger.warning("the witnesses cannot be asked: %s", error.cause or error)
        self._state = decisions.answered(self._state, tuple(sightings), workflow.now())

    async def _wait(self) -> None:
        """Wait until there is something to do, or a deadline has passed. A later deadline than the
        one that is waited for keeps the timer, which then finds nothing due."""
        due = self._state.deadline
        seconds = (due - workflow.now()).total_seconds() if due else None
        passed = seconds is not None and seconds <= 0
        if passed or not await wait_until(lambda: self._has_work() or self._is_stale(due), seconds):
            self._state = decisions.woken(self._state, workflow.now())

    def _has_work(self) -> bool:
        state = self._state
        return bool(
            state.notices
            or state.asking
            or self._must_read()
            or state.over
            or self._attributes() != self._published
            or _should_continue_as_new()
        )

    def _is_stale(self, due: datetime | None) -> bool:
        """Whether an earlier deadline than `due` is the next."""
        now = self._state.deadline
        return now is not None and (due is None or now < due)

    def _attributes(self) -> dict[SearchAttributeKey[str], str | None]:
        declaration = self._state.declaration
        return {
            _STATUS: self._state.status.value,
            _SEVERITY: declaration.severity.value if declaration else None,
            _SERVICE: declaration.service if declaration else None,
        }

    def _publish(self) -> None:
        """Update what Temporal's lists show, if it has changed."""
        now = self._attributes()
        changes: list[SearchAttributeUpdate[Any]] = [
            key.value_set(value) if value else key.value_unset()
            for key, value in now.items()
            if value != self._published[key]
        ]
        if changes:
            workflow.upsert_search_attributes(changes)
            self._published = now


def _should_continue_as_new() -> bool:
    info = workflow.info()
    return (
        info.is_continue_as_new_suggested() or info.get_current_history_length() >= HISTORY_EVENTS
    )


def _refused(message: str) -> ApplicationError:
    return ApplicationError(message, type="CommandRefused", non_retryable=True)
