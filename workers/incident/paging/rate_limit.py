"""How fast one target may be told things: a bucket of tokens per target and worker process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from core.domain.durations import format_duration
from core.domain.incident.policies.targets import Rate, TargetConfig
from core.errors import NotificationFailed


@dataclass(slots=True)
class Bucket:
    """Holds `rate.count` tokens, and fills up within `rate.within`. `clock` is in seconds."""

    rate: Rate
    clock: Callable[[], float]
    tokens: float = field(init=False)
    filled_at: float = field(init=False)

    def __post_init__(self) -> None:
        self.tokens, self.filled_at = float(self.rate.count), self.clock()

    def take(self, *, at_most: float) -> float | None:
        """Takes a token; in how many seconds it may be used. None, and nothing taken, when that
        would be longer than `at_most`."""
        now, per_second = self.clock(), self.rate.count / self.rate.within.total_seconds()
        filled = self.tokens + (now - self.filled_at) * per_second
        self.tokens, self.filled_at = min(float(self.rate.count), filled), now
        wait = max(0.0, (1 - self.tokens) / per_second)
        if wait > at_most:
            return None
        self.tokens -= 1
        return wait


class Limits:
    """The buckets of all targets that have a limit, by the names of the policies' file."""

    def __init__(self, targets: Mapping[str, TargetConfig]) -> None:
        self._rates = {name: target.at_most for name, target in targets.items() if target.at_most}
        self._buckets: dict[str, Bucket] = {}

    async def turn(self, target: str, *, at_most: float) -> None:
        """Wait for the target's next free moment. Raises `NotificationFailed` when that is more
        than `at_most` seconds away, which leaves the turn to others."""
        rate = self._rates.get(target)
        if rate is None:
            return
        bucket = self._buckets.setdefault(target, Bucket(rate, asyncio.get_running_loop().time))
        wait = bucket.take(at_most=at_most)
        if wait is None:
            limit = f"{rate.count:,} pages in {format_duration(rate.within.total_seconds())}"
            raise NotificationFailed(f"{target} has its fill: at most {limit}")
        await asyncio.sleep(wait)
