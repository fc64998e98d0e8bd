"""Windows of the week, in minutes since Monday 00:00, local: what restrictions of other products
become, whatever shape they have there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from core.domain.windows import WEEK

DAY: Final = 24 * 60
WEEK_MINUTES: Final = 7 * DAY

Window = tuple[int, int]
"""Start and end; the end is after the start and at most a week later."""


def daily(start: int, minutes: int, days: Iterable[int] = range(7)) -> list[Window]:
    """Windows that begin at that minute of some days (0 is Monday)."""
    return [(day * DAY + start, day * DAY + start + minutes) for day in days]


def merged(windows: Iterable[Window]) -> tuple[Window, ...]:
    """The same windows without overlaps, in order; none of them if they are the whole week."""
    cut: list[Window] = []
    for start, end in windows:
        if end - start >= WEEK_MINUTES:
            return ()
        first, length = start % WEEK_MINUTES, end - start
        rest = first + length - WEEK_MINUTES
        cut += [(first, first + length)] if rest <= 0 else [(first, WEEK_MINUTES), (0, rest)]
    joined: list[Window] = []
    for start, end in sorted(cut):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    if joined == [(0, WEEK_MINUTES)]:
        return ()
    if len(joined) > 1 and joined[0][0] == 0 and joined[-1][1] == WEEK_MINUTES:
        (_, end), *joined = joined
        joined[-1] = (joined[-1][0], WEEK_MINUTES + end)
    return tuple(joined)


def overlap(one: Sequence[Window], other: Sequence[Window]) -> bool:
    """Whether the windows have a minute in common; without any, they are the whole week."""
    return (
        not one
        or not other
        or any(
            a < d + shift and c + shift < b
            for a, b in one
            for c, d in other
            for shift in (-WEEK_MINUTES, 0, WEEK_MINUTES)
        )
    )


def hours(windows: Sequence[Window]) -> list[dict[str, Any]]:
    """The windows as `hours` of a layer: one entry for the days that have the same hours."""
    entries: dict[tuple[str, str], list[int]] = {}
    for start, end in windows:
        for a, b in _by_day(start, end):
            entries.setdefault((_clock(a), _clock(b)), []).append(a // DAY % 7)
    ordered = sorted(entries.items(), key=lambda entry: (sorted(entry[1]), entry[0]))
    return [
        {
            **({} if len(days) == 7 else {"days": [WEEK[day].value for day in sorted(days)]}),
            "from": start,
            "to": end,
        }
        for (start, end), days in ordered
    ]


def _by_day(start: int, end: int) -> list[Window]:
    """Parts of at most 24 hours: a night is one part, what is longer is cut at midnight."""
    if end - start <= DAY:
        return [(start, end)]
    midnight = (start // DAY + 1) * DAY
    return [(start, midnight), *_by_day(midnight, end)]


def _clock(minute: int) -> str:
    return f"{minute % DAY // 60:02}:{minute % 60:02}"
