"""How soon incidents are acknowledged and resolved: means by service and week."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple

_WEEK: Final = timedelta(days=7)


class Response(NamedTuple):
    """When an incident began, and when it was acknowledged first and resolved last."""

    incident_id: str
    service: str | None
    began: datetime
    acknowledged: datetime | None
    resolved: datetime


class Means(NamedTuple):
    """Of the incidents that began in one week: how many were resolved, how many of these had been
    acknowledged, and the mean times that it took from their beginning, in seconds. None where there
    is no such incident."""

    resolved: int = 0
    acknowledged: int = 0
    to_acknowledge: float | None = None
    to_resolve: float | None = None


def weeks(now: datetime, count: int) -> tuple[date, ...]:
    """The Mondays, in UTC, of this week and those before it, the oldest first."""
    today = now.astimezone(UTC).date()
    monday = today - timedelta(days=today.weekday())
    return tuple(monday - _WEEK * back for back in range(count - 1, -1, -1))


def midnight(day: date) -> datetime:
    """When a day begins in UTC."""
    return datetime.combine(day, time(0), UTC)


def means(
    responses: Iterable[Response], mondays: Sequence[date]
) -> Mapping[str | None, Sequence[Means]]:
    """For each service the means of each week, in their order; those of incidents without a service
    under None. The service with the most incidents comes first. What took less than nothing, by
    clocks that differ, is left out."""
    numbers = {monday: number for number, monday in enumerate(mondays)}
    found: dict[str | None, list[list[Response]]] = {}
    for response in responses:
        began = response.began.astimezone(UTC).date()
        number = numbers.get(began - timedelta(days=began.weekday()))
        if number is not None:
            found.setdefault(response.service, [[] for _ in mondays])[number].append(response)
    order = sorted(found, key=lambda name: (-sum(map(len, found[name])), name or ""))
    return {service: [_means(week) for week in found[service]] for service in order}


def _means(responses: Sequence[Response]) -> Means:
    acknowledged = [
        (each.acknowledged - each.began).total_seconds()
        for each in responses
        if each.acknowledged and each.acknowledged >= each.began
    ]
    resolved = [
        (each.resolved - each.began).total_seconds()
        for each in responses
        if each.resolved >= each.began
    ]
    return Means(
        resolved=len(resolved),
        acknowledged=len(acknowledged),
        to_acknowledge=sum(acknowledged) / len(acknowledged) if acknowledged else None,
        to_resolve=sum(resolved) / len(resolved) if resolved else None,
    )
