"""Activities know how much of the function's time is left: one that may not end within it is not
begun, and one that still runs just before the deadline is cut off, so that Temporal hears of it.

Polling stops the drain timeout before the deadline. So with a drain timeout as long as the longest
activity may take, only what arrives while the function ends is ever refused, and nothing is cut
off. With a shorter one an activity has that long: it is begun, because another invocation could not
offer it more, and it is cut off if it takes longer.

Both are failures that Temporal retries immediately, on another invocation. Each counts as one of
the activity's attempts.

An activity that fails and is retried soon is waited for: a retry that is due when the idle timeout
ends would find the invocation ending, and need a cold start.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from workers.serverless.slots import Work

log = logging.getLogger("tidegate.worker")

OUT_OF_TIME: Final = "OutOfTime"
"""The type of both failures."""
_ON_ITS_WAY: Final = 0.5
"""Seconds that a retry may be late."""
_SOON: Final = timedelta(milliseconds=100)


class TimeLeft(Interceptor):
    """`ends_at` is when the last activity is cut off, on `clock`; `drain` is the drain timeout, in
    seconds. A retry that is due within `longest_wait` seconds is waited for. `work` learns of both.
    """

    def __init__(
        self,
        *,
        ends_at: float,
        drain: float,
        longest_wait: float,
        work: Work,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ends_at, self._drain, self._longest_wait = ends_at, drain, longest_wait
        self._work, self._clock = work, clock

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Inbound(next, self)

    async def run(self, next: ActivityInboundInterceptor, input: ExecuteActivityInput) -> Any:
        """The activity's result. Raises `ApplicationError` for what does not fit."""
        info, left = activity.info(), self._ends_at - self._clock()
        bound = info.start_to_close_timeout
        needed = min(bound.total_seconds(), self._drain) if bound else self._drain
        if left < needed:
            raise _retried(
                f"{info.activity_type} is not begun: it may take {needed:g} s, and the function "
                f"has {max(left, 0):.1f}"
            )
        deadline = asyncio.timeout(left)
        try:
            async with deadline:
                return await next.execute_activity(input)
        except Exception as error:
            if isinstance(error, TimeoutError) and deadline.expired():
                self._work.cut_off += 1
                message = f"{info.activity_type} is cut off: the function is near its deadline"
                log.warning(message)
                raise _retried(message) from None
            delay = retry_delay(info, error)
            if delay is not None and delay <= self._longest_wait:
                self._work.expect(self._clock() + delay + _ON_ITS_WAY)
            raise


def retry_delay(info: activity.Info, error: Exception) -> float | None:
    """Seconds after which Temporal retries an activity that failed by this error; None when it does
    not, as far as this worker can know."""
    policy = info.retry_policy
    if policy is None or info.is_local or 0 < policy.maximum_attempts <= info.attempt:
        return None
    if isinstance(error, ApplicationError):
        if error.non_retryable:
            return None
        if error.next_retry_delay:
            return error.next_retry_delay.total_seconds()
    longest = policy.maximum_interval or 100 * policy.initial_interval
    delay = policy.initial_interval.total_seconds()
    delay *= policy.backoff_coefficient ** min(info.attempt - 1, 30)
    return min(delay, longest.total_seconds())


class _Inbound(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, time_left: TimeLeft) -> None:
        super().__init__(next)
        self._time_left = time_left

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        return await self._time_left.run(self.next, input)


def _retried(message: str) -> ApplicationError:
    return ApplicationError(message, type=OUT_OF_TIME, next_retry_delay=_SOON)
