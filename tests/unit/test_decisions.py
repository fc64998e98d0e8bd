"""The decision records share one form, so that each can be read in a minute."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

RECORDS = sorted((Path(__file__).parents[2] / "docs" / "decisions").glob("*.md"))


def test_the_records_are_numbered_in_order() -> None:
    numbers = [int(record.name[:4]) for record in RECORDS]
    assert numbers == list(range(1, len(RECORDS) + 1))


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_a_record_has_a_title_a_context_a_decision_and_its_consequence(record: Path) -> None:
    lines = record.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith(f"# {int(record.name[:4])}. ")
    sections = re.findall(r"^\*\*(\w+)\.\*\*", "\n".join(lines), re.M)
    assert sections == ["Context", "Decision", "Consequence"]
    assert 10 <= len(lines) <= 20
