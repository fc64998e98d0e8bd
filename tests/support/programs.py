"""Programs that tests need and that neither pip nor npm installs."""

from __future__ import annotations

import os
import shutil

import pytest

MISSING = "MISSING_PROGRAMS"
"""`fail` in this variable makes a missing program a failure; `.ci/run` sets it."""


def program(*names: str, package: str) -> str:
    """The path of the first of these programs that is on PATH. Skips the test without one, and says
    which Debian package has it."""
    for name in names:
        if path := shutil.which(name):
            return path
    reason = f"{names[0]} is not on PATH (Debian and Ubuntu: apt-get install {package})"
    if os.environ.get(MISSING) == "fail":
        pytest.fail(reason)
    pytest.skip(reason)
