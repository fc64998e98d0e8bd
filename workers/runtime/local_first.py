"""Local first: what a workflow decides by is fetched without a hop to the server, where it can be.

A local activity runs in the very workflow task that asks for it. But nobody sees one that fails,
and none may run for long: what cannot be done at once, as when a store is away or this worker lacks
a setting, is tried again as an activity that operators can see, until it is done.
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


async def local_first(
    activity: Any, *args: Any, at_once: dict[str, Any], until_done: dict[str, Any]
) -> Any:
    """The result of an activity (a method), run with the options `at_once`, else `until_done`.

    Raises `FailureError` for what never will be done.
    """
    try:
        return await workflow.execute_local_activity_method(activity, args=args, **at_once)
    except FailureError as error:
        if permanent(error) or is_cancelled_exception(error):
            raise
        workflow.logger.warning("not done at once, retrying: %s", error)
    return await workflow.execute_activity_method(activity, args=args, **until_done)


def permanent(error: FailureError) -> ApplicationError | None:
    """The failure of an activity that is not to be retried; a local one's comes unwrapped."""
    cause = error.cause if isinstance(error, ActivityError) else error
    return cause if isinstance(cause, ApplicationError) and cause.non_retryable else None
