"""The baseline of `end-to-end`: the pattern that people write first.

    listener   starts a workflow without input, then signals it the event: two calls
    root       waits for the signal; validates and routes in two activities, each through the
               server; starts the child and waits for it, as long as the incident takes

Everything else is Tidegate's: the same checks and routes, the same incident workflow on the same
worker, the same worker process. So the figures differ by the pattern alone.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from temporalio import workflow

from core.domain.routing.table import Target
from tests.benchmarks.naive.activities import NaiveActivities

TASK_QUEUE: Final = "naive-root"
ACTIVITY_TASK_QUEUE: Final = "naive-activities"
_ACTIVITY: Final[Any] = {
    "task_queue": ACTIVITY_TASK_QUEUE,
    "start_to_close_timeout": timedelta(seconds=10),
}


@workflow.defn
class NaiveRoot:
    """Takes its event by signal; ends when its child has ended."""

    def __init__(self) -> None:
        self._wire: dict[str, Any] | None = None

    @workflow.signal
    def event(self, wire: dict[str, Any]) -> None:
        self._wire = wire

    @workflow.run
    async def run(self) -> Any:
        await workflow.wait_condition(lambda: self._wire is not None)
        wire = self._wire
        await workflow.execute_activity_method(NaiveActivities.validate, wire, **_ACTIVITY)
        child: Target = await workflow.execute_activity_method(
            NaiveActivities.route, wire, **_ACTIVITY
        )
        return await workflow.execute_child_workflow(
            child.workflow, wire, id=child.id, task_queue=child.task_queue
        )
