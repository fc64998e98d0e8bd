"""How the incident calls its activities: in what time, how often, and what a failure is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

from core.domain.text import one_line, shortened
from workers.runtime.activity_errors import HEARTBEAT_TIMEOUT
from workers.runtime.local_first import local_first

REASON_CHARS: Final = 500

_AT_ONCE: Final[Any] = {
    "start_to_close_timeout": timedelta(seconds=5),
    "retry_policy": RetryPolicy(maximum_attempts=1),
}
"""For a first try without a hop to the server; what it cannot do, a visible activity retries."""
UNTIL_DONE: Final[Any] = {
    "start_to_close_timeout": timedelta(seconds=60),
    "retry_policy": RetryPolicy(maximum_interval=timedelta(seconds=60)),
}
REPORT: Final[Any] = {
    "start_to_close_timeout": timedelta(seconds=120),
    "heartbeat_timeout": HEARTBEAT_TIMEOUT,
    "retry_policy": RetryPolicy(maximum_interval=timedelta(seconds=60)),
}
PAGE: Final[Any] = {
    "start_to_close_timeout": timedelta(seconds=150),
    "heartbeat_timeout": HEARTBEAT_TIMEOUT,
    # A page that is on the wire when it is called off may still arrive: then the timeline tells it.
    "cancellation_type": workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    "retry_policy": RetryPolicy(initial_interval=timedelta(seconds=2), maximum_attempts=3),
}
"""One round; one that fails is noted and tried again by the domain's own schedule."""
IF_POSSIBLE: Final[Any] = {
    "start_to_close_timeout": timedelta(seconds=25),
    "schedule_to_close_timeout": timedelta(seconds=60),
    "heartbeat_timeout": HEARTBEAT_TIMEOUT,
    "retry_policy": RetryPolicy(initial_interval=timedelta(seconds=2), maximum_attempts=3),
}


async def promptly(activity: Any, *args: Any) -> Any:
    """Run an activity in this very workflow task, which saves a hop; what cannot be done at once is
    retried as an activity that operators can see. Raises `FailureError` for what never will be."""
    return await local_first(activity, *args, at_once=_AT_ONCE, until_done=UNTIL_DONE)


def reason_of(error: ActivityError) -> str:
    """Why an activity failed, in a line."""
    cause = error.cause or error
    said = cause.message if isinstance(cause, ApplicationError) else str(cause)
    return in_a_line(said) or type(cause).__name__


def in_a_line(text: str) -> str:
    return shortened(str(one_line(text)), REASON_CHARS)


def final(code: str, message: str) -> ApplicationError:
    """The failure that ends a workflow or an update for good."""
    return ApplicationError(message, type=code, non_retryable=True)
