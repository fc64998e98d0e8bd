"""Figures: what a benchmark reports, and how they are computed from samples.

Absolute speeds depend on the machine, so a figure is a ratio: ours over a baseline measured in the
same run. The two take turns, so that noise affects both alike.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Final, TypeVar

_BLOCKS: Final = 5

Sample = TypeVar("Sample")
Statistic = Callable[[Sequence[float]], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the report.

    `ours` and `baseline` are in `unit`, over the whole run. The run is split into five consecutive
    parts, each with a ratio of ours over the baseline: `ratio` is the median of these, `low` and
    `high` their range, so a machine that slows down half-way changes none of them much. A target
    applies to the ratio, or to `ours` where there is no baseline.
    """

    what: str
    against: str
    unit: str
    ours: float
    baseline: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    at_most: float | None = None
    at_least: float | None = None
    samples: int

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without a target."""
        value = self.ours if self.ratio is None else self.ratio
        if self.at_most is None and self.at_least is None:
            return None
        return (self.at_most is None or value <= self.at_most) and (
            self.at_least is None or value >= self.at_least
        )

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "met": self.met}


def take_turns(
    cases: Mapping[str, Callable[[], Sample]], rounds: int, *, warm_up: int = 1
) -> dict[str, list[Sample]]:
    """Samples of each case. Every round runs all cases, starting with another one each time."""
    names = list(cases)
    samples: dict[str, list[Sample]] = {name: [] for name in names}
    for number in range(-warm_up, rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            sample = cases[name]()
            if number >= 0:
                samples[name].append(sample)
    return samples


def p50(samples: Sequence[float]) -> float:
    return statistics.median(samples)


def p95(samples: Sequence[float]) -> float:
    """The sample that 95 % of them do not exceed."""
    return _percentile(samples, 95)


def p99(samples: Sequence[float]) -> float:
    """The sample that 99 % of them do not exceed."""
    return _percentile(samples, 99)


def _percentile(samples: Sequence[float], percent: int) -> float:
    return sorted(samples)[max(0, -(-len(samples) * percent // 100) - 1)]


def alone(
    what: str,
    samples: Sequence[float],
    *,
    unit: str,
    against: str = "",
    statistic: Statistic = p50,
    at_most: float | None = None,
) -> Figure:
    """The figure of samples without a baseline."""
    return Figure(
        what=what,
        against=against,
        unit=unit,
        ours=statistic(samples),
        at_most=at_most,
        samples=len(samples),
    )


def compare(
    what: str,
    ours: Sequence[float],
    baseline: Sequence[float],
    *,
    against: str,
    unit: str,
    statistic: Statistic = p50,
    at_most: float | None = None,
    at_least: float | None = None,
) -> Figure:
    """The figure of samples that were taken in turns."""
    parts = [
        statistic(ours[part]) / statistic(baseline[part])
        for part in _parts(min(len(ours), len(baseline)))
    ]
    return Figure(
        what=what,
        against=against,
        unit=unit,
        ours=statistic(ours),
        baseline=statistic(baseline),
        ratio=statistics.median(parts),
        low=min(parts),
        high=max(parts),
        at_most=at_most,
        at_least=at_least,
        samples=len(ours),
    )


def _parts(count: int) -> list[slice]:
    edges = [count * number // _BLOCKS for number in range(_BLOCKS + 1)]
    return [slice(low, high) for low, high in pairwise(edges) if high > low]
