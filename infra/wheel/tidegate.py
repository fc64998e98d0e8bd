"""The package `tidegate`, which is all that a wheel installs: its `__init__.py`.

A wheel carries the packages of this repository (`core`, `workers`, ...) below it. They import each
other by these names, which an environment or a working folder may have as well: so the folder that
holds ours comes first on the path. In a checkout a `.pth` file puts ours on the path.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn


def program() -> NoReturn:
    """Run the `tidegate` command and exit."""
    sys.path.insert(0, str(Path(__file__).parent))
    from core.cli.program import program

    program()
