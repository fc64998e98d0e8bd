"""How fast one target may be paged."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.domain.targets import AppriseTarget, Rate
from core.errors import NotificationFailed
from workers.incident.paging.rate_limit import RateLimits, TokenBucket

TWO_A_MINUTE = Rate(count=2, within=timedelta(minutes=1))


class Clock:
    """A clock that a test moves, in seconds."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_pages_within_the_limit_go_immediately_and_the_next_one_waits() -> None:
    bucket = TokenBucket(TWO_A_MINUTE, Clock())
    assert [bucket.take(at_most=60) for _ in range(3)] == [0, 0, pytest.approx(30)]


def test_a_bucket_refills_up_to_its_limit() -> None:
    clock = Clock()
    bucket = TokenBucket(TWO_A_MINUTE, clock)
    for _ in range(2):
        assert bucket.take(at_most=0) == 0
    assert bucket.take(at_most=0) is None
    clock.now += 30
    assert bucket.take(at_most=0) == 0
    clock.now += 3600
    assert [bucket.take(at_most=0) for _ in range(3)] == [0, 0, None]


def test_a_page_that_would_wait_too_long_takes_no_token() -> None:
    bucket = TokenBucket(TWO_A_MINUTE, Clock())
    assert [bucket.take(at_most=20) for _ in range(4)] == [0, 0, None, None]
    assert bucket.take(at_most=30) == pytest.approx(30)


async def test_a_rate_limited_target_is_named_and_delays_no_other() -> None:
    limited = AppriseTarget(url_env="ON_CALL", at_most=TWO_A_MINUTE)
    limits = RateLimits({"on-call": limited, "open": AppriseTarget(url_env="OPEN")})
    for _ in range(2):
        await limits.acquire("on-call", at_most=0)
    with pytest.raises(NotificationFailed, match="on-call: rate limit reached, at most 2 pages in"):
        await limits.acquire("on-call", at_most=0)
    for _ in range(5):
        await limits.acquire("open", at_most=0)
