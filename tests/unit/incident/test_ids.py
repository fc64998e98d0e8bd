from __future__ import annotations

from datetime import timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.incident.ids import incident_id, parse_id
from tests.unit.incident.examples import ID, KEY, START


def test_an_id_is_made_of_the_key_and_the_start() -> None:
    assert incident_id(KEY, START) == ID
    assert incident_id(KEY, START.astimezone(timezone(timedelta(hours=5)))) == ID
    assert incident_id(KEY, START + timedelta(milliseconds=1)) != ID


@pytest.mark.parametrize(
    "key", ["a", "incident:s3:docs/incidents/a.json@0062B9D8", f"{ID}", "a\nb"]
)
def test_an_id_parses_into_its_key_and_itself(key: str) -> None:
    id = incident_id(key, START)
    assert parse_id(id) == (key, id)


@given(st.text())
def test_any_other_text_is_a_key(text: str) -> None:
    key, id = parse_id(text)
    assert (key, id) == (text, None) or id == text


def test_a_document_key_is_not_an_id() -> None:
    assert parse_id("incident:s3:docs/a.json@0062B9D8") == (
        "incident:s3:docs/a.json@0062B9D8",
        None,
    )
