"""A workflow with one activity, which fails as often as a test wants.

In a module of its own: the workflow sandbox loads it for every run.
"""

from __future__ import annotations

from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError


@activity.defn
async def succeed_at(attempt: int) -> int:
    """Fails before this attempt."""
    if activity.info().attempt < attempt:
        raise ApplicationError("not yet")
    return activity.info().attempt


@workflow.defn(name="Once")
class Once:
    """Runs one activity, which succeeds at this attempt."""

    @workflow.run
    async def run(self, attempt: int) -> int:
        return await workflow.execute_activity(
            succeed_at,
            attempt,
            start_to_close_timeout=timedelta(seconds=5),
            retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1)),
        )
