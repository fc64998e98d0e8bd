"""The root orchestrator: validates and routes an event, starts the child, and ends.

One short workflow per event. It completes with what it did, or quarantines the event and fails with
a typed error. A smoke event has no child: it ends here (`core.domain.smoke`).

Deterministic: runs in the workflow sandbox.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final, NoReturn

from temporalio import workflow
from temporalio.common import RetryPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, FailureError, WorkflowAlreadyStartedError
from temporalio.workflow import ParentClosePolicy

from core.contracts import ROOT_WORKFLOW
from core.domain.event import KEY_ATTRIBUTE, TABLE_ATTRIBUTE, Event
from core.domain.routing.table import Deliver, Target, WhenMissing, WhenRunning
from core.domain.signalled import check_arguments, signalled
from core.domain.smoke import is_smoke_wire
from core.errors import (
    ChildAlreadyRunning,
    ChildMissing,
    PermanentError,
    quoted,
)
from workers.root_orchestrator.activities import RootActivities
from workers.root_orchestrator.child_options import child_options
from workers.runtime.local_first import permanent, run_local_first

_LOCAL_FIRST: Final[Any] = {
    "local": {
        "start_to_close_timeout": timedelta(seconds=10),
        "retry_policy": RetryPolicy(maximum_attempts=3),
    },
    # Retried without a limit: the event is acknowledged, so only the workflow has it.
    "remote": {
        "start_to_close_timeout": timedelta(seconds=10),
        "retry_policy": RetryPolicy(maximum_interval=timedelta(seconds=60)),
    },
}
_QUARANTINE_TIMEOUT: Final = timedelta(seconds=20)
"""For one attempt; it bounds how long a worker that dies during it delays the next."""
_ROUNDS: Final = 10
"""How often a child may turn out running, then closed, before the orchestrator gives up."""
_REUSE: Final = WorkflowIDReusePolicy.ALLOW_DUPLICATE
_REUSE_FAILED: Final = WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY
"""As the listener starts a workflow whose ID is the event's own."""

_Done = tuple[str, str, str | None]
"""What was done, with which child, in which run."""


@workflow.defn(name=ROOT_WORKFLOW)
class RootOrchestratorWorkflow:
    """Takes one event in its wire form; the result is `{route, workflow, child_id, run_id, action}`
    where the action is `started`, `signalled` or `ignored`, `{way, table, action}` where it is
    `smoke`, or `{action}` where it is `dropped`."""

    @workflow.run
    async def run(self, wire: Any) -> dict[str, Any]:
        if is_smoke_wire(wire):
            answer: dict[str, Any] = await self._examine(RootActivities.validate_smoke, wire)
            return {**answer, "action": "smoke"}
        target: Target | None = await self._examine(RootActivities.validate_and_route, wire)
        if target is None:
            return {"action": "dropped"}
        event = {name: value for name, value in wire.items() if name != TABLE_ATTRIBUTE}
        action, id, run_id = await self._hand_over(event, target)
        return {
            "route": target.route,
            "workflow": target.workflow,
            "child_id": id,
            "run_id": run_id,
            "action": action,
        }

    async def _examine(self, activity: Any, wire: Any) -> Any:
        """The result of an activity that validates the event, which is given up if it fails."""
        try:
            return await run_local_first(activity, wire, **_LOCAL_FIRST)
        except FailureError as error:
            if cause := permanent(error):
                await self._give_up(wire, cause.type or "", cause.message)
            raise

    async def _hand_over(self, wire: dict[str, Any], target: Target) -> _Done:
        """Start the child, or do what its route says when it runs already. An event that a route
        delivers without the orchestrator comes here where the listener had another table."""
        match target.deliver:
            case Deliver.START:
                await _wait(target)
                run_id = await _start_once(wire, target, target.id, _REUSE_FAILED)
                return "started", target.id, run_id
            case Deliver.SIGNAL:
                return await self._signal(wire, target)
            case Deliver.ORCHESTRATE:
                return await self._start_or_else(wire, target)

    async def _start_or_else(self, wire: dict[str, Any], target: Target) -> _Done:
        reuse = _REUSE
        if target.when_running is WhenRunning.TERMINATE_EXISTING:
            reuse = WorkflowIDReusePolicy.TERMINATE_IF_RUNNING
        for _ in range(_ROUNDS):
            try:
                run_id = await _start(wire, target, target.id, *_input(wire, target), reuse=reuse)
                return "started", target.id, run_id
            except WorkflowAlreadyStartedError:
                pass
            match target.when_running:
                case WhenRunning.REJECT | WhenRunning.TERMINATE_EXISTING:
                    break
                case WhenRunning.IGNORE:
                    workflow.logger.info("ignored: child %s is running", target.id)
                    return "ignored", target.id, None
                case WhenRunning.START_NEW:
                    run_id = await _start_once(wire, target, target.next_id)
                    return "started", target.next_id, run_id
                case WhenRunning.SIGNAL:
                    if await _signalled(target, _input(wire, target)):
                        return "signalled", target.id, None
        return await self._reject(wire, target)

    async def _signal(self, wire: dict[str, Any], target: Target) -> _Done:
        """As a listener does it: the child starts without an event and gets it by a signal, unless
        the route is for children that run already."""
        arguments: list[Any]
        try:
            if target.input is None:
                arguments = [[signalled(Event.from_wire(wire))]]
            else:
                check_arguments(arguments := target.input, wire[KEY_ATTRIBUTE])
        except PermanentError as error:
            return await self._give_up(wire, error.code, str(error))
        if target.when_missing is WhenMissing.QUARANTINE:
            if await _signalled(target, arguments):
                return "signalled", target.id, None
            return await self._give_up(
                wire, ChildMissing.__name__, f"no workflow {quoted(target.id)} is running"
            )
        if _delay(target):
            if await _signalled(target, arguments):
                return "signalled", target.id, None
            await _wait(target)
        for _ in range(_ROUNDS):
            run_id, action = None, "signalled"
            try:
                run_id = await _start(wire, target, target.id, reuse=_REUSE)
                action = "started"
            except WorkflowAlreadyStartedError:
                pass
            if await _signalled(target, arguments):
                return action, target.id, run_id
        return await self._reject(wire, target)

    async def _reject(self, wire: dict[str, Any], target: Target) -> NoReturn:
        error = ChildAlreadyRunning(
            f"event {quoted(wire.get(KEY_ATTRIBUTE))}: child {target.id} of route {target.route} "
            "is already running"
        )
        await self._give_up(wire, error.code, error.message)

    async def _give_up(self, wire: dict[str, Any], code: str, reason: str) -> NoReturn:
        reason = PermanentError(reason).message  # shortened: the event itself is with it
        uri = await workflow.execute_activity_method(
            RootActivities.quarantine,
            args=[wire, code, reason],
            start_to_close_timeout=_QUARANTINE_TIMEOUT,
        )
        workflow.logger.warning("given up (%s): %s; kept as %s", code, reason, uri)
        raise ApplicationError(f"{reason}; kept as {uri}", type=code, non_retryable=True)


def _delay(target: Target) -> float:
    """Seconds until the child is to start."""
    return target.options.delay(workflow.now()) if target.options else 0.0


async def _wait(target: Target) -> None:
    """Wait until the child is to start: a child is started immediately, unlike what a listener
    starts."""
    if seconds := _delay(target):
        await workflow.sleep(seconds)


async def _start(
    wire: dict[str, Any], target: Target, id: str, *inputs: Any, reuse: WorkflowIDReusePolicy
) -> str | None:
    """Start the child with these inputs; returns its run. Raises `WorkflowAlreadyStartedError`."""
    handle = await workflow.start_child_workflow(
        target.workflow,
        args=inputs,
        id=id,
        task_queue=target.task_queue,
        parent_close_policy=ParentClosePolicy.ABANDON,
        id_reuse_policy=reuse,
        **child_options(wire, target),
    )
    return handle.first_execution_run_id


async def _start_once(
    wire: dict[str, Any], target: Target, id: str, reuse: WorkflowIDReusePolicy = _REUSE
) -> str | None:
    """Start it under an ID that is the event's own; one that has it already was started by this
    event."""
    try:
        return await _start(wire, target, id, *_input(wire, target), reuse=reuse)
    except WorkflowAlreadyStartedError:
        return None


def _input(wire: dict[str, Any], target: Target) -> list[Any]:
    """The arguments of a child that takes the event: what its route makes of it, or all of it."""
    return [wire] if target.input is None else target.input


async def _signalled(target: Target, arguments: list[Any]) -> bool:
    """Signal the running child; False if it does not run."""
    running = workflow.get_external_workflow_handle(target.id)
    try:
        await running.signal(target.signal or "", args=arguments)
    except FailureError:
        workflow.logger.info("child %s does not run", target.id)
        return False
    return True
