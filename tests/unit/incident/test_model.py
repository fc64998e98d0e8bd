from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.incident.model import folder_name


@pytest.mark.parametrize(
    ("id", "name"),
    [
        ("INC-2026.01_7", "INC-2026.01_7"),
        ("incident:s3:docs/incidents/a.json@1", "incident-s3-docs-incidents-a.json-1-"),
        ("../../etc/passwd", "etc-passwd-"),
        ("..", ""),
    ],
)
def test_an_id_becomes_a_readable_folder(id: str, name: str) -> None:
    assert folder_name(id).startswith(name)
    assert (folder_name(id) == id) == (id == name)


@given(st.text(min_size=1))
def test_a_folder_is_one_safe_path_segment(id: str) -> None:
    name = folder_name(id)
    assert 1 <= len(name) <= 120
    assert name.isascii()
    assert not set(name) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert not name.startswith(".")


@given(st.text(min_size=1), st.text(min_size=1))
def test_two_ids_never_share_a_folder(one: str, other: str) -> None:
    assert (folder_name(one) == folder_name(other)) == (one == other)
