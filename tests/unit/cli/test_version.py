"""`tidegate --version`, and `-h` for every command."""

from __future__ import annotations

import platform
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.support.bad_input import COMMANDS
from tests.support.cli import Tidegate

PROJECT = Path(__file__).parents[3] / "pyproject.toml"


def test_the_version_is_that_of_the_project_with_python_and_the_sdk(tidegate: Tidegate) -> None:
    result = tidegate("--version")
    assert result.code == 0
    own = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["version"]
    python, sdk = platform.python_version(), version("temporalio")
    assert result.out == f"tidegate {own} (Python {python}, temporalio {sdk})\n"


@pytest.mark.parametrize("name", ["", "incident", "quarantine", *COMMANDS])
def test_h_is_the_short_form_of_help(name: str, tidegate: Tidegate) -> None:
    short, long = tidegate(*name.split(), "-h"), tidegate(*name.split(), "--help")
    assert (short.code, short.err) == (0, "")
    assert short.out == long.out
    assert f"Usage: tidegate {name}".rstrip() in short.out
