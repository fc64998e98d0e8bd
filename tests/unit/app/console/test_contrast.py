"""Colours of drawings: text on them can be read in the light and in the dark."""

from __future__ import annotations

import re
from typing import Final

import pytest

from core.app.console.static import _FOLDER
from core.app.console.week_picture import COLOURS

LEAST: Final = 4.5
"""The contrast that WCAG 2.2, criterion 1.4.3, asks of text."""


def _variables() -> dict[str, dict[str, str]]:
    """The colours of each scheme, by name; a later rule wins."""
    style = (_FOLDER / "console.css").read_text(encoding="utf-8")
    dark = "".join(
        re.findall(r"@media \(prefers-color-scheme: dark\) \{\s*:root \{(.*?)\}", style, re.S)
    )
    light = "".join(re.findall(r"^:root \{(.*?)\}", style, re.S | re.M))
    schemes = {"light": light, "dark": light + dark}
    pattern = re.compile(r"--([\w-]+): (#[0-9a-f]{3,6})\b")
    return {name: dict(pattern.findall(rules)) for name, rules in schemes.items()}


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) > 4 else "".join(2 * each for each in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_names_can_be_read_on_every_colour(scheme: str) -> None:
    colours = _variables()[scheme]
    for number in range(COLOURS):
        assert _contrast(colours["ink"], colours[f"colour-{number}"]) >= LEAST, number


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_gap_and_the_present_moment_stand_out_from_the_ground(scheme: str) -> None:
    colours = _variables()[scheme]
    assert _contrast(colours["bad"], colours["ground"]) >= LEAST


def test_no_two_people_who_follow_each_other_have_one_colour() -> None:
    for colours in _variables().values():
        assert len({colours[f"colour-{number}"] for number in range(COLOURS)}) == COLOURS
