"""The Bicep compiler in tests, and copies of templates with a change."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gates import bicep_compiler

COMPILER = bicep_compiler.find()
needs_compiler = pytest.mark.skipif(
    COMPILER is None, reason=f"There is no Bicep compiler. {bicep_compiler.HOW_TO_GET_IT}"
)
"""Skips the test without one, in `.ci/run` too, which cannot install it."""


def rewrite(path: Path, old: str, new: str) -> None:
    """Replaces a text in a file, which must have it."""
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{path.name} no longer contains {old!r}"
    path.write_text(text.replace(old, new), encoding="utf-8")
