"""The npm packages of the console: htmx, a file of which it ships, and axe-core, which tests its
pages.

    python -m tests.support.npm_packages         installs them now
    python -m tests.support.npm_packages lock    renews the pins after npm/package.json changed
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from infra.local import npm
from infra.local.npm import Packages

AXE: Final = Path("node_modules/axe-core/axe.min.js")
HTMX: Final = Path("node_modules/htmx.org/dist/htmx.min.js")

PACKAGES: Final = Packages("Console", Path(__file__).with_name("npm"), AXE)

if __name__ == "__main__":
    npm.main(PACKAGES, sys.argv[1:])
