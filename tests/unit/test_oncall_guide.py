"""docs/oncall.md is true: its files load, and its picture and its table follow from them."""

from __future__ import annotations

from pathlib import Path

from tests import oncall_picture
from tests.support.oncall_example import FILE

ROOT = Path(__file__).parents[2]
PICTURE = (ROOT / "docs" / "oncall.svg").read_text(encoding="utf-8")


def test_the_example_is_a_team_of_five_in_two_time_zones() -> None:
    assert len(FILE.teams["checkout"].members) == len(FILE.people) == 5
    assert len({person.time_zone for person in FILE.people.values()}) == 2


def test_the_picture_is_what_the_examples_files_say() -> None:
    assert oncall_picture.draw() == PICTURE, "python -m tests.oncall_picture draws it anew"
