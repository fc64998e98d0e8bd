"""On-call at run time: one long-lived workflow that keeps overrides, silences and turns.

Handlers are synchronous: they ask the domain, and keep what it answers. One main loop publishes the
state as a memo, has open incidents ask again, and tells people of hand-overs. Readers take the memo
and need no worker. An incident that read it just before a change is asked to read it again.

Deterministic: runs in the workflow sandbox. The workflow outlives every release, so a change in the
order of commands goes behind `workflow.patched`; the recorded runs in tests/histories must replay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final, NoReturn

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from core.contracts import (
        ON_CALL_MEMO,
        ON_CALL_WORKFLOW,
        SIGNAL_FILE_CHANGED,
        UPDATE_TAKE_TURN,
    )
    from core.domain.command import read_command
    from core.domain.oncall import commands
    from core.domain.oncall.changes import Refusal, change
    from core.domain.oncall.handovers import Handover
    from core.domain.oncall.state import OnCallState
    from core.domain.oncall.turns import TakeTurn
    from workers.oncall.activities import OnCallActivities
    from workers.oncall.handovers import Handovers
    from workers.oncall.payloads import RunState, Upcoming, remembered
    from workers.runtime.heartbeats import HEARTBEAT_TIMEOUT
    from workers.runtime.local_first import run_local_first

INVALID_COMMAND: Final = "InvalidCommand"
COMMAND_REFUSED: Final = "CommandRefused"

MAX_EVENTS: Final = 2_000
"""Of one run's history; Temporal takes 2,000 updates of one run."""
VISIBILITY_LAG: Final = timedelta(seconds=30)
"""After which open incidents are told again: what visibility lists lags."""

_EXAMINE: Final[Any] = {
    "local": {
        "start_to_close_timeout": timedelta(seconds=10),
        "retry_policy": RetryPolicy(maximum_attempts=1),
    },
    "remote": {
        "start_to_close_timeout": timedelta(seconds=60),
        "schedule_to_close_timeout": timedelta(minutes=10),
    },
}
_TELL: Final[Any] = {
    "start_to_close_timeout": timedelta(seconds=60),
    "schedule_to_close_timeout": timedelta(minutes=15),
    "heartbeat_timeout": HEARTBEAT_TIMEOUT,
    "retry_policy": RetryPolicy(initial_interval=timedelta(seconds=2)),
}
_ANNOUNCE: Final[Any] = {
    "start_to_close_timeout": timedelta(minutes=2),
    "schedule_to_close_timeout": timedelta(minutes=10),
    "heartbeat_timeout": HEARTBEAT_TIMEOUT,
    "retry_policy": RetryPolicy(maximum_interval=timedelta(seconds=30)),
}


def _update(kind: type[commands.AnyCommand]) -> Any:
    """The update that carries a command: `{command_id, actor, ...}`. Its result is what the command
    added or ended, as `core.domain.oncall.changes.Change.facts` gives it."""

    def handle(self: Any, command: Any = None) -> dict[str, Any]:
        return dict(self._handle(kind, command))

    def validate(self: Any, command: Any = None) -> None:
        self._validate(kind, command)

    update = workflow.update(name=kind.name, description=kind.__doc__)(handle)
    update.validator(validate)
    return update


@workflow.defn(name=ON_CALL_WORKFLOW)
class OnCallWorkflow:
    """Takes the state that an earlier run hands over, and runs for ever."""

    add_override = _update(commands.AddOverride)
    remove_override = _update(commands.RemoveOverride)
    swap = _update(commands.Swap)
    add_silence = _update(commands.AddSilence)
    end_silence = _update(commands.EndSilence)

    @workflow.init
    def __init__(self, run_state: RunState | None = None) -> None:
        # Signals and updates may be handled before `run` starts.
        handed = run_state or RunState()
        self._state = handed.state
        self._turns = handed.turns
        self._done = handed.done
        self._announcing = list(handed.announcing)
        self._handovers = Handovers(since=handed.since or workflow.now())
        self._continue_as_new_after = handed.continue_as_new_after or MAX_EVENTS
        self._telling = set[asyncio.Task[None]]()
        published = workflow.memo_value(ON_CALL_MEMO, OnCallState(), type_hint=OnCallState)
        if published != self._state:
            self._publish()

    @workflow.run
    async def run(self, run_state: RunState | None = None) -> None:
        while True:
            now = workflow.now()
            if self._announcing and self._announcing[0] <= now:
                await self._announce()
            elif self._handovers.examine_at <= now:
                await self._examine()
            elif due := self._handovers.take(now):
                self._tell(due)
            elif self._should_continue_as_new():
                await self._continue_as_new()
            else:
                await self._wait()

    # Commands

    @workflow.update(name=UPDATE_TAKE_TURN)
    def take_turn(self, fields: Any = None) -> int:
        """Which turn of a team an incident has, from 0: `{team, incident_id}`."""
        taken = _read_turn(fields)
        self._turns, number = self._turns.take(taken.team, taken.incident_id)
        return number

    @take_turn.validator
    def _validate_turn(self, fields: Any = None) -> None:
        _read_turn(fields)

    @workflow.signal(name=SIGNAL_FILE_CHANGED)
    def file_changed(self) -> None:
        """The on-call file may have changed: look again for the next hand-over."""
        self._handovers.examine_again(workflow.now())

    def _validate(self, kind: type[commands.AnyCommand], envelope: Any) -> None:
        command = _read(kind, envelope)
        if command.command_id in self._done:
            return
        outcome = change(self._state, command, workflow.now())
        if isinstance(outcome, Refusal):
            _refuse(outcome)

    def _handle(self, kind: type[commands.AnyCommand], envelope: Any) -> dict[str, Any]:
        command, now = _read(kind, envelope), workflow.now()
        if (before := self._done.get(command.command_id)) is not None:
            return before
        outcome = change(self._state, command, now)
        if isinstance(outcome, Refusal):
            _refuse(outcome)
        self._state = outcome.state
        self._done = remembered(self._done, command.command_id, outcome.facts())
        self._announcing = [now, now + VISIBILITY_LAG]
        if outcome.overrides:
            self._handovers.examine_again(now)
        self._publish()
        return outcome.facts()

    def _publish(self) -> None:
        """Within the workflow task of the change: whoever has its answer can read it."""
        workflow.upsert_memo({ON_CALL_MEMO: self._state.to_json()})

    # The main loop

    async def _announce(self) -> None:
        """Have open incidents ask again. One that could not be told asks at its next page."""
        del self._announcing[0]
        try:
            await workflow.execute_activity_method(OnCallActivities.announce, **_ANNOUNCE)
        except FailureError as error:
            _unless_cancelled(error, "incidents were not told of a change")

    async def _examine(self) -> None:
        """Look for the next hand-overs, and look again in a day, or soon if that fails."""
        since = self._handovers.start_examining(workflow.now())
        try:
            found: Upcoming = await run_local_first(
                OnCallActivities.next_handovers, self._state, since, **_EXAMINE
            )
        except FailureError as error:
            _unless_cancelled(error, "the next hand-over is unknown")
            self._handovers.not_examined(workflow.now())
            return
        self._continue_as_new_after = found.continue_as_new_after or MAX_EVENTS
        self._handovers.examined(found.handovers)

    def _tell(self, due: Sequence[Handover]) -> None:
        """Tell people of hand-overs, beside the main loop."""
        for handover in due:
            for person in (*handover.leaving, *handover.coming):
                task = asyncio.create_task(self._tell_one(handover, person))
                self._telling.add(task)
                task.add_done_callback(self._telling.discard)

    async def _tell_one(self, handover: Handover, person: str) -> None:
        try:
            await workflow.execute_activity_method(
                OnCallActivities.tell_of_handover, args=[handover, person], **_TELL
            )
        except FailureError as error:
            _unless_cancelled(error, f"{person} was not told of a hand-over")

    async def _wait(self) -> None:
        """Wait for a change, or for what is due next."""
        due = min([self._handovers.due_at, *self._announcing[:1]])
        before = self._state, due
        with suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: (
                    (self._state, min([self._handovers.due_at, *self._announcing[:1]])) != before
                    or self._should_continue_as_new()
                ),
                timeout=max(0.0, (due - workflow.now()).total_seconds()),
            )

    def _should_continue_as_new(self) -> bool:
        """Not while people are told of a hand-over: that may take long, and commands come."""
        info = workflow.info()
        return not self._telling and (
            info.is_continue_as_new_suggested()
            or info.get_current_history_length() > self._continue_as_new_after
        )

    async def _continue_as_new(self) -> None:
        await workflow.wait_condition(workflow.all_handlers_finished)
        state = self._state.at(workflow.now())
        workflow.continue_as_new(
            RunState(
                state=state,
                turns=self._turns,
                done=self._done,
                announcing=tuple(self._announcing),
                since=self._handovers.since,
                continue_as_new_after=self._continue_as_new_after,
            ),
            # Its own would be the one with which this run has started, until the first task of the
            # next: without a worker, readers would miss overrides and silences.
            memo={ON_CALL_MEMO: state.to_json()},
        )


def _read(kind: type[commands.AnyCommand], envelope: Any) -> commands.AnyCommand:
    try:
        return read_command(kind, envelope)
    except ValueError as error:
        raise _failure(INVALID_COMMAND, str(error)) from None


def _read_turn(fields: Any) -> TakeTurn:
    try:
        return TakeTurn.model_validate(fields)
    except ValueError:
        what = "a turn is taken with `team` and `incident_id`"
        raise _failure(INVALID_COMMAND, what) from None


def _refuse(refusal: Refusal) -> NoReturn:
    raise _failure(COMMAND_REFUSED, str(refusal), refusal.model_dump(mode="json"))


def _failure(type: str, message: str, *details: object) -> ApplicationError:
    return ApplicationError(message, *details, type=type, non_retryable=True)


def _unless_cancelled(error: FailureError, what: str) -> None:
    """Log what has failed; the workflow goes on."""
    if is_cancelled_exception(error):
        raise error
    workflow.logger.warning("%s: %s", what, error.cause or error)
