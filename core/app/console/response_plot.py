"""MTTA and MTTR of services by week as plots: how high each bar is, pure numbers. The template
draws them.

All plots of one measure have one scale, so that services can be compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from core.domain.incident.reports.response_times import Means

_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """The mean of one week, of `incidents` incidents, with its bar: places and sizes in percent of
    the plot. None for a week that had no such incident."""

    week: date
    incidents: int
    seconds: float | None
    left: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """One measure of one service, the oldest week first; `scale` is what its full height means, in
    seconds."""

    columns: tuple[Column, ...]
    scale: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePlots:
    """The plots of a service; None stands for the incidents without one."""

    service: str | None
    resolved: int
    to_acknowledge: Plot
    to_resolve: Plot


def plots(
    services: Mapping[str | None, Sequence[Means]], mondays: Sequence[date]
) -> list[ServicePlots]:
    """The plots of each service, in the order of the services."""
    every = [means for weeks in services.values() for means in weeks]
    acknowledge = _scale(each.to_acknowledge for each in every)
    resolve = _scale(each.to_resolve for each in every)
    return [
        ServicePlots(
            service=service,
            resolved=sum(each.resolved for each in weeks),
            to_acknowledge=_plot(
                [(each.acknowledged, each.to_acknowledge) for each in weeks], mondays, acknowledge
            ),
            to_resolve=_plot(
                [(each.resolved, each.to_resolve) for each in weeks], mondays, resolve
            ),
        )
        for service, weeks in services.items()
    ]


def short(seconds: float) -> str:
    """A duration that fits above a bar: `45 s`, `12 min`, `3.5 h`, `2 d`."""
    size, unit = next((each for each in _UNITS if round(seconds) >= each[0]), _UNITS[-1])
    number = seconds / size
    text = f"{number:.1f}" if unit in "dh" and number < 10 else f"{number:.0f}"
    return f"{text.removesuffix('.0')} {unit}"


def _scale(values: Iterable[float | None]) -> float:
    return max((value for value in values if value is not None), default=0.0)


def _plot(weeks: Sequence[tuple[int, float | None]], mondays: Sequence[date], scale: float) -> Plot:
    each = 100 / len(mondays)
    return Plot(
        scale=scale,
        columns=tuple(
            Column(
                week=monday,
                incidents=incidents,
                seconds=seconds,
                left=round(number * each, 3),
                width=round(each, 3),
                height=round(100 * seconds / scale, 3) if seconds and scale else 0.0,
            )
            for number, (monday, (incidents, seconds)) in enumerate(
                zip(mondays, weeks, strict=True)
            )
        ),
    )
