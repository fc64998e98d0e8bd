"""The root orchestrator: validates and routes an event, starts the child, and ends.

One short workflow per event. It completes with what it did, or quarantines the event and fails with
a typed error.

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
from core.domain.routing.table import Deliver, Target, WhenRunning
from core.errors import ChildAlreadyRunning
from workers.root_orchestrator.activities import RootActivities
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


@workflow.defn(name=ROOT_WORKFLOW)
class RootOrchestratorWorkflow:
    """Takes one event in its wire form; the result is `{route, workflow, child_id, run_id, action}`
    where the action is `started` or `signalled`."""

    @workflow.run
    async def run(self, wire: Any) -> dict[str, Any]:
        try:
            target: Target = await run_local_first(
                RootActivities.validate_and_route, wire, **_LOCAL_FIRST
            )
        except FailureError as error:
            if cause := permanent(error):
                await self._give_up(wire, cause.type or "", cause.message)
            raise
        action, id, run_id = await self._hand_over(wire, target)
        return {
            "route": target.route,
            "workflow": target.workflow,
            "child_id": id,
            "run_id": run_id,
            "action": action,
        }

    async def _hand_over(self, wire: dict[str, Any], target: Target) -> tuple[str, str, str | None]:
        """Start the child or, when it is already running, do what its route says.

        Returns the action, the child's workflow ID and, if known, its run ID.
        """
        for _ in range(_ROUNDS):
            try:
                return "started", target.id, await _start(wire, target, target.id)
            except WorkflowAlreadyStartedError:
                if target.deliver is Deliver.START:
                    return (
                        "started",
                        target.id,
                        None,
                    )  # its ID is the event's own: it was this event
                if target.when_running is WhenRunning.REJECT and target.signal is None:
                    break
            if target.when_running is WhenRunning.START_NEW:
                return "started", target.next_id, await _start_once(wire, target)
            running = workflow.get_external_workflow_handle(target.id)
            try:
                await running.signal(target.signal or "", wire)
            except FailureError:
                workflow.logger.info("child %s closed before its signal", target.id)
            else:
                return "signalled", target.id, None
        reason = f"child {target.id} of route {target.route} is already running"
        return await self._give_up(
            wire, ChildAlreadyRunning.__name__, f"event {wire.get('tidegatekey')}: {reason}"
        )

    async def _give_up(self, wire: dict[str, Any], code: str, reason: str) -> NoReturn:
        uri = await workflow.execute_activity_method(
            RootActivities.quarantine,
            args=[wire, code, reason],
            start_to_close_timeout=_QUARANTINE_TIMEOUT,
        )
        workflow.logger.warning("given up (%s): %s; kept as %s", code, reason, uri)
        raise ApplicationError(f"{reason}; kept as {uri}", type=code, non_retryable=True)


async def _start(wire: dict[str, Any], target: Target, id: str) -> str | None:
    handle = await workflow.start_child_workflow(
        target.workflow,
        wire,
        id=id,
        task_queue=target.task_queue,
        parent_close_policy=ParentClosePolicy.ABANDON,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        execution_timeout=_duration(target.execution_timeout),
        run_timeout=_duration(target.run_timeout),
        task_timeout=_duration(target.task_timeout),
        static_summary=f"{wire.get('type')} {wire.get('subject') or wire.get('id')}"[:200],
    )
    return handle.first_execution_run_id


async def _start_once(wire: dict[str, Any], target: Target) -> str | None:
    """Start it under the event's own ID; if that is running already, this event started it."""
    try:
        return await _start(wire, target, target.next_id)
    except WorkflowAlreadyStartedError:
        return None


def _duration(seconds: float | None) -> timedelta | None:
    return timedelta(seconds=seconds) if seconds else None
