"""How the incident workflow calls its activities: timeouts, retries, and how failures read.

Deterministic: runs in the workflow sandbox.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, FailureError

from core.domain.text import one_line, shortened
from workers.runtime.heartbeats import HEARTBEAT_TIMEOUT

REASON_CHARS: Final = 500

UNTIL_DONE: Final[Any] = {
    "start_to_close_timeout": timedelta(seconds=60),
    "retry_policy": RetryPolicy(maximum_interval=timedelta(seconds=60)),
}
LOCAL_FIRST: Final[Any] = {
    "local": {
        "start_to_close_timeout": timedelta(seconds=5),
        "retry_policy": RetryPolicy(maximum_attempts=1),
    },
    "remote": UNTIL_DONE,
}
RECALL: Final[Any] = {
    "local": LOCAL_FIRST["local"],
    "remote": {
        "start_to_close_timeout": timedelta(seconds=30),
        "schedule_to_close_timeout": timedelta(minutes=5),
        "retry_policy": RetryPolicy(maximum_interval=timedelta(seconds=20)),
    },
}
"""Not until it is done: somebody is to be paged, and it is better to page twice than not at all."""
FIND_ON_CALL: Final[Any] = {
    "start_to_close_timeout": timedelta(seconds=10),
    "schedule_to_close_timeout": timedelta(seconds=15),
    "retry_policy": RetryPolicy(maximum_attempts=1),
}
"""Of a local activity. The domain asks again after one that fails."""
REPORT: Final[Any] = {
    "start_to_close_timeout": timedelta(seconds=120),
    "heartbeat_timeout": HEARTBEAT_TIMEOUT,
    "retry_policy": RetryPolicy(maximum_interval=timedelta(seconds=60)),
}
PAGE: Final[Any] = {
    "start_to_close_timeout": timedelta(seconds=150),
    "heartbeat_timeout": HEARTBEAT_TIMEOUT,
    # A page that is being sent when it is cancelled may still arrive; the timeline then says so.
    "cancellation_type": workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    "retry_policy": RetryPolicy(initial_interval=timedelta(seconds=2), maximum_attempts=3),
}
"""One round; a round that fails is noted, and the domain schedules the next."""
FOLLOW_UP: Final[Any] = {
    "start_to_close_timeout": timedelta(seconds=150),
    "schedule_to_close_timeout": timedelta(minutes=5),
    "heartbeat_timeout": HEARTBEAT_TIMEOUT,
    "retry_policy": RetryPolicy(initial_interval=timedelta(seconds=2), maximum_attempts=6),
}
"""It may wait for a rate limit; after that nobody needs the news."""
UPDATE_POST: Final[Any] = {
    "start_to_close_timeout": timedelta(seconds=60),
    "schedule_to_close_timeout": timedelta(minutes=10),
    "heartbeat_timeout": HEARTBEAT_TIMEOUT,
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(seconds=2), maximum_interval=timedelta(seconds=60)
    ),
}
"""What is not shown by then is shown with the next change."""
BEST_EFFORT: Final[Any] = {
    "start_to_close_timeout": timedelta(seconds=25),
    "schedule_to_close_timeout": timedelta(seconds=60),
    "heartbeat_timeout": HEARTBEAT_TIMEOUT,
    "retry_policy": RetryPolicy(initial_interval=timedelta(seconds=2), maximum_attempts=3),
}


def reason_of(error: FailureError) -> str:
    """Why an activity failed, in one line."""
    cause = error.cause or error
    message = cause.message if isinstance(cause, ApplicationError) else str(cause)
    return in_one_line(message) or type(cause).__name__


def code_of(error: FailureError) -> str | None:
    """The code of the error by which an activity failed, where it has one."""
    cause = error.cause or error
    return cause.type if isinstance(cause, ApplicationError) else None


def is_final(error: FailureError) -> bool:
    """Whether an activity failed for good: not for want of time or attempts."""
    cause = error.cause or error
    return isinstance(cause, ApplicationError) and cause.non_retryable


def in_one_line(text: str) -> str:
    return shortened(str(one_line(text)), REASON_CHARS)


def permanent_failure(code: str, message: str, *details: object) -> ApplicationError:
    """The failure that ends a workflow or rejects an update, not to be retried."""
    return ApplicationError(message, *details, type=code, non_retryable=True)
