"""Activities of a serverless worker: which are begun, which are cut off, and which retries are
waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from workers.serverless.slots import Sizes, Work
from workers.serverless.time_left import OUT_OF_TIME, TimeLeft, retry_delay

NOW = 0.0
INFO = replace(
    ActivityEnvironment.default_info(),
    start_to_close_timeout=timedelta(seconds=60),
    retry_policy=RetryPolicy(initial_interval=timedelta(seconds=2), maximum_attempts=3),
)


class Body(ActivityInboundInterceptor):
    """The activity itself."""

    def __init__(self, body: Callable[[], Awaitable[Any]]) -> None:
        self._body = body

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        return await self._body()


async def run(
    body: Callable[[], Awaitable[Any]],
    *,
    left: float,
    drain: float = 100,
    info: activity.Info = INFO,
    work: Work | None = None,
) -> Any:
    """Run an activity when the function has so many seconds left."""
    time_left = TimeLeft(
        ends_at=NOW + left,
        drain=drain,
        longest_wait=4,
        work=work or Work(lambda: NOW),
        clock=lambda: NOW,
    )
    environment = ActivityEnvironment()
    environment.info = info
    inbound = time_left.intercept_activity(Body(body))
    call = ExecuteActivityInput(fn=body, args=[], executor=None, headers={})
    return await environment.run(inbound.execute_activity, call)


async def page() -> str:
    return "on-call"


async def never() -> None:
    await asyncio.Event().wait()


async def test_an_activity_that_fits_is_run() -> None:
    assert await run(page, left=60) == "on-call"


@pytest.mark.parametrize("left", [59.9, 0, -3])
async def test_one_that_may_not_end_in_time_is_not_begun(left: float) -> None:
    begun = []

    async def body() -> None:
        begun.append(1)

    with pytest.raises(ApplicationError, match="it may take 60 s, and the function has") as failed:
        await run(body, left=left)
    assert not begun
    assert (failed.value.type, failed.value.non_retryable) == (OUT_OF_TIME, False)
    assert failed.value.next_retry_delay == timedelta(milliseconds=100)


async def test_one_that_no_invocation_could_offer_more_is_begun() -> None:
    assert await run(page, left=25, drain=25) == "on-call"
    with pytest.raises(ApplicationError, match="is not begun"):
        await run(page, left=24, drain=25)


async def test_one_that_still_runs_at_the_end_is_cut_off_and_counted() -> None:
    work = Work(lambda: NOW)
    with pytest.raises(ApplicationError, match="is cut off") as failed:
        await run(never, left=0.05, drain=0.05, work=work)
    assert failed.value.next_retry_delay
    assert work.cut_off == 1


async def test_a_time_out_of_the_activity_s_own_is_its_failure() -> None:
    async def body() -> None:
        raise TimeoutError("the store")

    work = Work(lambda: NOW)
    with pytest.raises(TimeoutError, match="the store"):
        await run(body, left=60, work=work)
    assert not work.cut_off


async def test_what_cannot_be_stopped_may_still_succeed() -> None:
    async def body() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "taken"
        raise AssertionError

    work = Work(lambda: NOW)
    assert await run(body, left=0.05, drain=0.05, work=work) == "taken"
    assert not work.cut_off


@pytest.mark.parametrize(
    ("attempt", "error", "policy", "delay"),
    [
        (1, OSError(), INFO.retry_policy, 2),
        (2, OSError(), INFO.retry_policy, 4),
        (3, OSError(), INFO.retry_policy, None),
        (9, OSError(), RetryPolicy(maximum_interval=timedelta(seconds=60)), 60),
        (9, OSError(), RetryPolicy(), 100),
        (5000, OSError(), RetryPolicy(), 100),
        (1, ApplicationError("no", non_retryable=True), INFO.retry_policy, None),
        (1, ApplicationError("no"), INFO.retry_policy, 2),
        (
            1,
            ApplicationError("no", next_retry_delay=timedelta(seconds=0.5)),
            INFO.retry_policy,
            0.5,
        ),
        (1, OSError(), None, None),
    ],
)
def test_when_an_activity_is_retried(
    attempt: int, error: Exception, policy: RetryPolicy | None, delay: float | None
) -> None:
    assert retry_delay(replace(INFO, attempt=attempt, retry_policy=policy), error) == delay


def test_the_workflow_decides_about_a_local_activity() -> None:
    assert retry_delay(replace(INFO, is_local=True), OSError()) is None


@pytest.mark.parametrize(("attempt", "due"), [(1, 2.5), (2, 4.5), (3, 0)])
async def test_a_retry_that_is_due_soon_is_waited_for(attempt: int, due: float) -> None:
    async def body() -> None:
        raise OSError("no route")

    work = Work(lambda: NOW)
    with pytest.raises(OSError, match="no route"):
        await run(body, left=60, info=replace(INFO, attempt=attempt), work=work)
    assert work.due_in() == due


async def test_a_retry_that_is_due_later_is_left_to_another_invocation() -> None:
    async def body() -> None:
        raise OSError("no route")

    work = Work(lambda: NOW)
    policy = RetryPolicy(initial_interval=timedelta(seconds=5))
    with pytest.raises(OSError, match="no route"):
        await run(body, left=60, info=replace(INFO, retry_policy=policy), work=work)
    assert work.due_in() == 0


@pytest.mark.parametrize(
    ("memory", "sizes"),
    [
        (128, Sizes(4, 4, 20)),
        (512, Sizes(4, 7, 78)),
        (1024, Sizes(10, 20, 206)),
        (10_240, Sizes(20, 40, 500)),
    ],
)
def test_what_a_worker_does_concurrently_fits_the_function_s_memory(
    memory: int, sizes: Sizes
) -> None:
    assert Sizes.of(memory) == sizes
