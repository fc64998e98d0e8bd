"""docs/oncall.md is true: its files load, and its picture and its table follow from them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from core.config.files import load_policies
from core.domain.oncall.commands import LONGEST_BY, LONGEST_WHY
from core.domain.oncall.file import OnCallFile, Team
from core.domain.oncall.gaps import findings
from core.domain.oncall.people import ContactRule, Person, QuietHoursRule, StepRule
from core.domain.oncall.schedules import Calendar, Layer, Rotation, Schedule
from core.domain.oncall.state import MAX_BYTES
from tests import oncall_picture
from tests.support.oncall_example import CALENDARS, FILE, FOLDER, FROM

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "oncall.md").read_text(encoding="utf-8")
PICTURE = (ROOT / "docs" / "oncall.svg").read_text(encoding="utf-8")


def test_the_example_is_a_team_of_five_in_two_time_zones() -> None:
    assert len(FILE.teams["checkout"].members) == len(FILE.people) == 5
    assert len({person.time_zone for person in FILE.people.values()}) == 2


def test_the_picture_is_what_the_examples_files_say() -> None:
    assert oncall_picture.draw() == PICTURE, "python -m tests.oncall_picture draws it anew"


def test_the_table_is_what_the_examples_files_say() -> None:
    assert oncall_picture.table() in GUIDE, "python -m tests.oncall_picture prints it anew"


def test_the_guide_shows_parts_of_the_examples_files() -> None:
    parts = re.findall(r"```yaml\n(.*?)```", GUIDE, re.S)
    assert len(parts) == 3
    for part in parts:
        assert any(part in file.read_text(encoding="utf-8") for file in FOLDER.glob("*.yaml"))


def test_the_examples_policies_page_the_examples_people() -> None:
    policies = load_policies(FOLDER / "policies.yaml", FILE)
    assert [policy.name for policy in policies.policies] == ["checkout", "everything-else"]


def test_nobody_is_missing_in_the_example() -> None:
    assert [*findings(FILE, FROM, CALENDARS)] == []


MODELS = [
    OnCallFile,
    Team,
    Person,
    ContactRule,
    StepRule,
    QuietHoursRule,
    Schedule,
    Layer,
    Rotation,
    Calendar,
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_field_of_the_on_call_file_is_documented(model: type[BaseModel]) -> None:
    for name, field in model.model_fields.items():
        assert f"`{field.alias or name}`" in GUIDE, name


def most(model: type[BaseModel], field: str) -> int:
    [bound] = [
        each.max_length
        for each in model.model_fields[field].metadata
        if hasattr(each, "max_length")
    ]
    return int(bound)


def test_the_documented_bounds_are_the_files_own() -> None:
    bounds = [
        [most(OnCallFile, name) for name in ("people", "teams", "schedules")],
        [most(Person, "contacts"), most(ContactRule, "steps")],
        [most(Schedule, "layers"), most(Rotation, "people")],
        [MAX_BYTES],
        [LONGEST_WHY, LONGEST_BY],
    ]
    table = GUIDE.partition("## Bounds")[2]
    for bound in bounds:
        first, *others = [f"{number:,}" for number in bound]
        written = ", ".join([first, *others[:-1]]) + (f"(?:,| and) {others[-1]}" if others else "")
        assert re.search(rf"\| {written}\b", table), bound
