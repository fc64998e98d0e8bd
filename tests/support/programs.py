"""Programs that tests need and that may be missing from this machine."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

MISSING = "MISSING_PROGRAMS"
"""`fail` in this variable makes a missing program a failure; `.ci/run` sets it."""


def program(*names: str, package: str) -> str:
    """The path of the first of these programs that is on PATH. Skips the test without one, and says
    which Debian package has it."""
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        missing(f"{names[0]} is not on PATH (Debian and Ubuntu: apt-get install {package})")
    return path


def missing(reason: str) -> NoReturn:
    """Skips the test, or fails it where MISSING_PROGRAMS is `fail`."""
    if os.environ.get(MISSING) == "fail":
        pytest.fail(reason)
    pytest.skip(reason)
