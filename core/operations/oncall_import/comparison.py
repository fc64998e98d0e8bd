"""Whether an imported schedule has on call whom the product itself says, where the export says it.

This also shows what no remark could: that the API means something else than its documentation, or
that the schedule has been changed by hand.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby, pairwise
from typing import Final, NamedTuple

from core.domain.oncall.file import OnCallFile
from core.domain.oncall.overrides import Override
from core.domain.oncall.rota import shifts
from core.domain.text import counted
from core.operations.oncall_import.draft import Draft, Expected, Remark, Schedule

_SHOWN: Final = 3
_TODO: Final = "compare the layers, and correct them"


class _Difference(NamedTuple):
    start: datetime
    end: datetime
    theirs: frozenset[str]
    ours: frozenset[str]

    def __str__(self) -> str:
        span = f"from {self.start:%Y-%m-%dT%H:%MZ} to {self.end:%Y-%m-%dT%H:%MZ}"
        return f"{span} it has {_names(self.theirs)} on call, ours {_names(self.ours)}"


def differences(draft: Draft, file: OnCallFile) -> Iterator[Remark]:
    """A remark for each of the first differences in a schedule, from now on."""
    for key, expected in draft.expected.items():
        parts = draft.schedules.get(key, ())
        found = _differences(draft, file, parts, key, expected) if parts else []
        place = expected[0].place
        for difference in found[:_SHOWN]:
            yield Remark(place, str(difference), _TODO)
        if len(found) > _SHOWN:
            more = counted(len(found) - _SHOWN, "more difference")
            yield Remark(place, f"there are {more}", _TODO)


def _differences(
    draft: Draft,
    file: OnCallFile,
    parts: Sequence[Schedule],
    key: str,
    expected: Sequence[Expected],
) -> list[_Difference]:
    start = max(draft.now, min(each.start for each in expected))
    end = max(each.end for each in expected)
    if end <= start:
        return []
    overrides = [
        Override(
            id=each.place, schedule=key, people=each.people, start=each.start, end=each.end, by=""
        )
        for each in draft.overrides
        if each.schedule == key and each.start < each.end
    ]
    spans = [
        (shift.start, shift.end, shift.people)
        for part in parts
        for shift in shifts(file.schedules[part.id], start, end, overrides)
    ]
    edges = {start, end}
    edges |= {moment for since, until, _ in spans for moment in (since, until)}
    edges |= {moment for each in expected for moment in (each.start, each.end)}
    moments = sorted(moment for moment in edges if start <= moment <= end)
    ours = _held(moments, spans)
    theirs = _held(moments, [(each.start, each.end, each.people) for each in expected])
    pieces = [
        _Difference(since, until, frozenset(theirs[n]), frozenset(ours[n]))
        for n, (since, until) in enumerate(pairwise(moments))
    ]
    found = []
    for (who, mine), same in groupby(pieces, key=lambda piece: (piece.theirs, piece.ours)):
        if who != mine:
            together = list(same)
            found.append(_Difference(together[0].start, together[-1].end, who, mine))
    return found


def _held(
    moments: Sequence[datetime], spans: Sequence[tuple[datetime, datetime, tuple[str, ...]]]
) -> list[set[str]]:
    """Whom the spans have from each moment to the next."""
    held: list[set[str]] = [set() for _ in moments]
    for start, end, people in spans:
        for number in range(bisect(moments, start) - 1, bisect(moments, end)):
            if number >= 0 and start <= moments[number] < end:
                held[number].update(people)
    return held


def _names(people: frozenset[str]) -> str:
    return " and ".join(sorted(people)) or "nobody"
