"""`make costs`: writes the tables of docs/costs.md and its picture.

With a file of assumptions of your own, it prints the tables and writes nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.costs import chart, page
from tests.costs.figures import BadFigures, load


def main(arguments: list[str]) -> int:
    try:
        figures = load(Path(arguments[0]) if arguments else None)
    except BadFigures as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    made = page.tables(figures, page.counted())
    if arguments:
        sys.stdout.write("\n".join(f"{name}\n\n{table}" for name, table in made.items()))
        return 0
    page.PAGE.write_text(page.filled(page.PAGE.read_text(encoding="utf-8"), made), encoding="utf-8")
    chart.PICTURE.write_text(page.picture(figures, page.counted()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
