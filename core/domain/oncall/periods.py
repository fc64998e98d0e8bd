"""Periods of time: which of several claims on the same moment wins, and what two sets share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from heapq import heappop, heappush
from typing import Generic, NamedTuple, TypeVar

Holder = TypeVar("Holder")


class Period(NamedTuple):
    """From one moment to another, the end excluded."""

    start: datetime
    end: datetime


class Claim(NamedTuple, Generic[Holder]):
    """A period that a holder claims."""

    start: datetime
    end: datetime
    holder: Holder


def union(periods: Iterable[Period]) -> list[Period]:
    """The same moments in the fewest periods, in order. Empty periods have none."""
    merged: list[Period] = []
    for start, end in sorted(periods):
        if end <= start:
            continue
        if merged and start <= merged[-1].end:
            merged[-1] = Period(merged[-1].start, max(end, merged[-1].end))
        else:
            merged.append(Period(start, end))
    return merged


def outside(periods: Sequence[Period], start: datetime, end: datetime) -> Iterator[Period]:
    """What a union leaves of the time from `start` to `end`."""
    for period in periods:
        if start < period.start:
            yield Period(start, min(period.start, end))
        start = max(start, period.end)
        if start >= end:
            return
    yield Period(start, end)


def within(claims: Iterable[Claim[Holder]], periods: Sequence[Period]) -> Iterator[Claim[Holder]]:
    """The parts of claims that lie in the periods of a union. The claims are in order, and do not
    overlap."""
    first = 0
    for start, end, holder in claims:
        while first < len(periods) and periods[first].end <= start:
            first += 1
        number = first
        while number < len(periods) and periods[number].start < end:
            period = periods[number]
            yield Claim(max(start, period.start), min(end, period.end), holder)
            number += 1


def overlay(claims: Iterable[tuple[int, Claim[Holder]]]) -> Iterator[Claim[Holder]]:
    """Who holds each moment, where of several claims the one with the highest rank wins. The parts
    of a claim that others interrupt come one by one."""
    ordered = sorted(
        ((claim.start, -rank, number, claim) for number, (rank, claim) in enumerate(claims)),
        reverse=True,
    )
    moments = sorted({moment for _, _, _, claim in ordered for moment in claim[:2]})
    open: list[tuple[int, int, Claim[Holder]]] = []
    held: Claim[Holder] | None = None
    since = moments[0] if moments else None
    for moment in moments:
        while ordered and ordered[-1][0] <= moment:
            _, rank, number, claim = ordered.pop()
            heappush(open, (rank, number, claim))
        while open and open[0][2].end <= moment:
            heappop(open)
        holds = open[0][2] if open else None
        if holds is not held:
            if held is not None and since is not None:
                yield Claim(since, moment, held.holder)
            held, since = holds, moment
