"""Local first: an activity that usually succeeds immediately saves a round trip to the server.

A local activity runs within the workflow task that calls it. But its failures are not visible to
operators, and it may not run for long: what fails there, because a store is unavailable or this
worker lacks a setting, is retried as a regular activity until it succeeds.

Deterministic: runs in the workflow sandbox.
"""

from __future__ import annotations

from typing import Any

from temporalio import workflow
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    FailureError,
    is_cancelled_exception,
)


async def run_local_first(
    activity: Any, *args: Any, local: dict[str, Any], remote: dict[str, Any]
) -> Any:
    """The result of an activity method, run with the options `local` and, if that fails, `remote`.

    Raises `FailureError` when it fails permanently or is cancelled.
    """
    try:
        return await workflow.execute_local_activity_method(activity, args=args, **local)
    except FailureError as error:
        if permanent(error) or is_cancelled_exception(error):
            raise
        workflow.logger.warning("local activity failed, retrying as a regular one: %s", error)
    return await workflow.execute_activity_method(activity, args=args, **remote)


def permanent(error: FailureError) -> ApplicationError | None:
    """The cause of an activity's failure, if it is not to be retried. A local activity's failure
    is its own cause."""
    cause = error.cause if isinstance(error, ActivityError) else error
    return cause if isinstance(cause, ApplicationError) and cause.non_retryable else None
