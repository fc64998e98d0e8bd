"""How our errors end an activity: what is retried, and when."""

from __future__ import annotations

from datetime import timedelta

import pytest
from temporalio.exceptions import ApplicationError

from core.errors import InvalidReport, NotificationFailed, StoreUnavailable, TidegateError
from workers.runtime.activity_errors import LONGEST_RETRY_AFTER, typed_failures

LONGEST = timedelta(seconds=LONGEST_RETRY_AFTER)


@pytest.mark.parametrize(
    ("error", "final", "after"),
    [
        (InvalidReport("x"), True, None),
        (StoreUnavailable("x"), False, None),
        (NotificationFailed("x"), False, None),
        (NotificationFailed("x", final=True), True, None),
        (NotificationFailed("x", retry_after=30), False, timedelta(seconds=30)),
        (NotificationFailed("x", retry_after=86_400), False, LONGEST),
    ],
)
def test_an_error_is_a_failure_of_its_type_that_is_retried_when_it_may_work(
    error: TidegateError, final: bool, after: timedelta | None
) -> None:
    with pytest.raises(ApplicationError) as failed, typed_failures():
        raise error
    failure = failed.value
    assert (failure.type, failure.non_retryable) == (error.code, final)
    assert failure.next_retry_delay == after


def test_several_failures_are_final_if_each_is_and_wait_as_long_as_the_longest() -> None:
    final, limited, plain = (
        NotificationFailed("a", final=True),
        NotificationFailed("b", retry_after=30),
        NotificationFailed("c", retry_after=10),
    )
    both = NotificationFailed.together("both", [final, final])
    assert (both.final, both.retry_after) == (True, None)
    mixed = NotificationFailed.together("mixed", [final, limited, plain])
    assert (mixed.final, mixed.retry_after) == (False, 30)
