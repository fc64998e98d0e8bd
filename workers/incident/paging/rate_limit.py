"""Rate limits of targets: one token bucket per target and worker process.

Runs in activities: may do I/O.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from core.domain.durations import format_duration
from core.domain.targets import Rate, TargetConfig
from core.errors import NotificationFailed


@dataclass(slots=True)
class TokenBucket:
    """Holds up to `rate.count` tokens and refills within `rate.within`; `clock` is in seconds."""

    rate: Rate
    clock: Callable[[], float]
    tokens: float = field(init=False)
    refilled_at: float = field(init=False)

    def __post_init__(self) -> None:
        self.tokens, self.refilled_at = float(self.rate.count), self.clock()

    def take(self, *, at_most: float) -> float | None:
        """Take a token; returns the seconds until it may be used. None, with no token taken, when
        that would be more than `at_most`."""
        now, per_second = self.clock(), self.rate.count / self.rate.within.total_seconds()
        tokens = self.tokens + (now - self.refilled_at) * per_second
        self.tokens, self.refilled_at = min(float(self.rate.count), tokens), now
        wait = max(0.0, (1 - self.tokens) / per_second)
        if wait > at_most:
            return None
        self.tokens -= 1
        return wait


class RateLimits:
    """The buckets of all targets that have a limit, by their names in the policies file."""

    def __init__(self, targets: Mapping[str, TargetConfig]) -> None:
        self._rates = {name: target.at_most for name, target in targets.items() if target.at_most}
        self._buckets: dict[str, TokenBucket] = {}

    async def acquire(self, target: str, *, at_most: float) -> None:
        """Wait until the target's limit allows another message. Raises `NotificationFailed`, using
        up nothing of the limit, when that would take more than `at_most` seconds."""
        rate = self._rates.get(target)
        if rate is None:
            return
        clock = asyncio.get_running_loop().time
        bucket = self._buckets.setdefault(target, TokenBucket(rate, clock))
        wait = bucket.take(at_most=at_most)
        if wait is None:
            limit = f"{rate.count:,} pages in {format_duration(rate.within.total_seconds())}"
            raise NotificationFailed(f"{target}: rate limit reached, at most {limit}")
        await asyncio.sleep(wait)
