"""The picture in docs/costs.md: dollars a month by events a second, both in powers of ten."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil, floor, log10
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from tests.costs.model import RATES

PICTURE: Final = Path(__file__).parents[2] / "docs" / "costs" / "chart.svg"
_WIDTH: Final = 830
_HEIGHT: Final = 400
_LEFT: Final = 64
_RIGHT: Final = 520
_TOP: Final = 44
_BOTTOM: Final = 350
_COLOURS: Final = ("#0072b2", "#56b4e9", "#e69f00", "#d55e00", "#555555", "#009e73", "#cc79a7")
"""Told apart by most people who see colours differently. Source: Okabe and Ito, "Color Universal
Design"."""
_LABEL: Final = 15
"""Least distance between two labels."""
_STEPS: Final = 4
"""Points of a line between two rates."""


def draw(series: Mapping[str, Callable[[float], float]]) -> str:
    """An SVG of a line for each series, which gives dollars for a rate. It loads nothing."""
    low, high = log10(RATES[0]), log10(RATES[-1])
    count = round((high - low) * _STEPS)
    rates = [10 ** (low + (high - low) * step / count) for step in range(count + 1)]
    values = {name: [dollars(rate) for rate in rates] for name, dollars in series.items()}
    every = [value for row in values.values() for value in row]
    bottom, top = floor(log10(min(every))), ceil(log10(max(every)))

    def x(rate: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * (log10(rate) - low) / (high - low)

    def y(dollars: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * (log10(dollars) - bottom) / (top - bottom)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"'
        ' font-family="sans-serif" font-size="13">',
        "<title>Dollars a month by events a second</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        _text(_LEFT, 24, "Dollars a month", weight="bold"),
        _text(
            (_LEFT + _RIGHT) / 2, _HEIGHT - 12, "Events a second", anchor="middle", weight="bold"
        ),
    ]
    for power in range(bottom, top + 1):
        at = y(10**power)
        parts.append(_line(_LEFT, at, _RIGHT, at))
        parts.append(_text(_LEFT - 8, at + 4, f"{10**power:,}", anchor="end"))
    for rate in RATES:
        parts.append(_line(x(rate), _TOP, x(rate), _BOTTOM))
        parts.append(_text(x(rate), _BOTTOM + 20, f"{rate:g}", anchor="middle"))
    ends = _apart({name: y(row[-1]) for name, row in values.items()})
    for (name, row), colour in zip(values.items(), _COLOURS, strict=False):
        points = " ".join(f"{x(r):.1f},{y(v):.1f}" for r, v in zip(rates, row, strict=True))
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2.5"/>'
        )
        parts.append(_text(_RIGHT + 10, ends[name] + 4, name, fill=colour, weight="bold"))
    return "\n".join([*parts, "</svg>\n"])


def _apart(places: Mapping[str, float]) -> dict[str, float]:
    """The same order of heights, each label below the one above it."""
    found: dict[str, float] = {}
    last = float("-inf")
    for name, place in sorted(places.items(), key=lambda each: each[1]):
        last = max(place, last + _LABEL)
        found[name] = last
    return found


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#dddddd"/>'


def _text(
    x: float,
    y: float,
    text: str,
    *,
    anchor: str = "start",
    fill: str = "#222222",
    weight: str = "normal",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" '
        f'font-weight="{weight}">{escape(text)}</text>'
    )
