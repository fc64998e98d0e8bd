"""Draws docs/oncall.svg, the picture in docs/oncall.md, and makes the table below it: layers of a
schedule, an override, and who is on call in the end.

    python -m tests.oncall_picture

Both follow from the example's files, so they are the same each time.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from html import escape
from pathlib import Path
from typing import Final

from core.domain.oncall.rota import Shift, shifts
from infra.local.processes import ROOT
from tests.support.oncall_example import (
    BERLIN,
    CALENDARS,
    FILE,
    FROM,
    NEW_YORK,
    SCHEDULE,
    UNTIL,
    week,
)

PICTURE: Final = ROOT / "docs" / "oncall.svg"
_COLOURS: Final = {
    "ana": "#c6dcf5",
    "ben": "#fbd8b4",
    "carla": "#cfe8cc",
    "dan": "#e5d0ee",
    "eve": "#f6e39b",
}
_LEFT, _TOP, _DAY, _ROW, _BAR = 110, 40, 92, 40, 28


def table() -> str:
    """The week as a table in Markdown."""
    lines = ["| From, in Berlin | In New York | On call | Decided by |", "|---|---|---|---|"]
    for shift in week():
        start = max(shift.start, FROM)
        berlin, new_york = (
            f"{start.astimezone(zone):%a %d %b %H:%M}" for zone in (BERLIN, NEW_YORK)
        )
        people = ", ".join(FILE.people[person].name for person in shift.people)
        lines.append(f"| {berlin} | {new_york} | {people} | {shift.reason} |")
    return "\n".join(lines)


def draw() -> str:
    """The picture, an SVG that loads nothing."""
    rows: list[tuple[str, Sequence[Shift]]] = []
    for layer in SCHEDULE.layers:
        alone = SCHEDULE.model_copy(update={"layers": [layer]})
        rows.append((layer.name, shifts(alone, FROM, UNTIL, (), CALENDARS)))
    overridden = [shift for shift in week() if shift.override]
    rows += [("override", overridden), ("on call", week())]
    days = round((UNTIL - FROM) / timedelta(days=1))
    width, height = _LEFT + days * _DAY + 10, _TOP + len(rows) * _ROW + 20
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            'font-family="sans-serif" font-size="13">',
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            *_days(days, height),
            *(line for number, row in enumerate(rows) for line in _drawn(number, *row)),
            "</svg>\n",
        ]
    )


def _days(count: int, height: int) -> Iterator[str]:
    for day in range(count):
        moment = FROM + timedelta(days=day)
        x = _x(moment)
        yield f'<line x1="{x}" y1="24" x2="{x}" y2="{height - 12}" stroke="#dddddd"/>'
        yield f'<text x="{x + 4}" y="20" fill="#555555">{moment:%a %d %b}</text>'


def _drawn(number: int, name: str, shown: Sequence[Shift]) -> Iterator[str]:
    y = _TOP + number * _ROW + (10 if name == "on call" else 0)
    weight = ' font-weight="bold"' if name == "on call" else ""
    yield f'<text x="8" y="{y + 19}" fill="#222222"{weight}>{escape(name)}</text>'
    for shift in shown:
        left, right = _x(max(shift.start, FROM)), _x(min(shift.end, UNTIL))
        yield (
            f'<rect x="{left}" y="{y}" width="{right - left - 1}" height="{_BAR}" rx="3" '
            f'fill="{_COLOURS[shift.people[0]]}" stroke="#888888"/>'
        )
        yield (
            f'<text x="{(left + right) // 2}" y="{y + 19}" text-anchor="middle" '
            f'fill="#222222">{escape(", ".join(shift.people))}</text>'
        )


def _x(moment: datetime) -> int:
    """Where a moment is, by Berlin's clocks: each day is equally wide."""
    passed = moment.astimezone(BERLIN).replace(tzinfo=None) - FROM.replace(tzinfo=None)
    return _LEFT + round(passed / timedelta(days=1) * _DAY)


def main(path: Path = PICTURE) -> None:
    path.write_text(draw(), encoding="utf-8")
    sys.stdout.write(f"{table()}\n")


if __name__ == "__main__":
    main()
