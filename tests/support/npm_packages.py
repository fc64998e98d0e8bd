"""npm packages of the tests: htmx, a file of which the console ships, and axe-core, which tests
its pages; Temporal's TypeScript SDK and the compiler, for workers and types in TypeScript.

    python -m tests.support.npm_packages         installs them now
    python -m tests.support.npm_packages lock    renews the pins after a package.json changed
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from infra.local import npm
from infra.local.npm import Packages

AXE: Final = Path("node_modules/axe-core/axe.min.js")
HTMX: Final = Path("node_modules/htmx.org/dist/htmx.min.js")
TSC: Final = Path("node_modules/typescript/bin/tsc")

CONSOLE: Final = Packages("Console", Path(__file__).with_name("npm"), AXE)
TYPESCRIPT: Final = Packages("TypeScript", Path(__file__).with_name("typescript"), TSC)

if __name__ == "__main__":
    for packages in (CONSOLE, TYPESCRIPT):
        npm.main(packages, sys.argv[1:])
