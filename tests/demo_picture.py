"""Draws docs/demo.svg, the picture in the README, from what a run of the demo prints.

    make demo-picture

Run it after a change to the demo's output: tests/e2e/test_demo.py compares the two. What differs
from run to run (times, ports, generated IDs) is replaced by fixed values, and the post-incident
report is left out for its length, so that the same story always gives the same picture.
"""

from __future__ import annotations

import re
import sys
from html import unescape
from io import StringIO
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

from infra.local.demo import run_demo
from infra.local.processes import ROOT

PICTURE: Final = ROOT / "docs" / "demo.svg"
_COLUMNS: Final = 100
_COLUMN_WIDTH: Final = 12.2  # rich's, in the picture's units
_STEP: Final = re.compile(r"[A-Z][a-z]+ {2,}\S")
_REPORT: Final = re.compile(r"^╭[^\n]*The post-incident report.*?^╰[^\n]*$", re.M | re.S)
_ANSI: Final = re.compile(r"\x1b\[[\d;]*m")
_VARYING: Final = (
    (r"(?m)^((?:\x1b\[2m)?) *\d+\.\d s((?:\x1b\[0m)?)  ", r"\1\2"),
    (r"(?m)^[^\n]*ready in [^\n]*\n", ""),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "2026-03-01 09:00:00"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d", "2026-03-01 09:00"),
    (r"(?<=until )\d\d:\d\d:\d\d", "09:01:00"),
    (r"\d{8}T\d{6}\.\d{3}Z", "20260301T090000.000Z"),
    (r"(?<=000Z-)[0-9a-f]{12}", "5d2f0c9ab7e1"),
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "0b8a3c52-7d14-4f6e-9a21-c5e07f9d3b68"),
    (r"@[0-9A-F]{18}\b", "@0018EBD74F383EC168"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:8080"),
    (r"(?<=incident ack )\w{6}\b|(?<=Page: )\w{6}(?=/)", "k7m2qx"),
    (r"(?<=acknowledged for )\d s", "3 s"),
)


def steady(output: str) -> str:
    """The demo's output, with or without colours, less what differs from run to run."""
    text = _REPORT.sub("  ...", output)
    for pattern, fixed in _VARYING:
        text = re.sub(pattern, fixed, text)
    return text


def draw(output: str) -> str:
    """The output as an SVG that loads nothing; lines that are too long end in dots."""
    screen = Console(record=True, file=StringIO(), width=_COLUMNS, force_terminal=True)
    for line in steady(output).splitlines():
        screen.print(Text.from_ansi(line), no_wrap=True, overflow="ellipsis", highlight=False)
    svg = screen.export_svg(title="make demo", unique_id="demo")
    return re.sub(r"\s*@font-face \{.*?\}\n", "", svg, flags=re.S)


def steps(output: str) -> list[str]:
    """The story's lines in a run's output: the name of each hop and what it says."""
    plain = _ANSI.sub("", steady(output)).splitlines()
    return [_shown(line) for line in plain if _STEP.match(line)]


def drawn_steps(svg: str) -> list[str]:
    """The story's lines as the picture shows them."""
    rows: dict[str, str] = {}
    for x, y, content in re.findall(r'<text [^>]*?x="(.*?)" y="(.*?)"[^>]*>(.*?)</text>', svg):
        column = round(float(x) / _COLUMN_WIDTH)
        rows[y] = rows.get(y, "").ljust(column) + unescape(content).replace("\xa0", " ")
    return [_shown(line) for line in rows.values() if _STEP.match(line)]


def _shown(line: str) -> str:
    """A line as far as the picture shows it, whatever its spaces."""
    return " ".join(line[: _COLUMNS - 1].split())


def main(path: Path = PICTURE) -> int:
    output = StringIO()
    console = Console(
        file=output,
        force_terminal=True,
        force_interactive=False,
        color_system="truecolor",
        width=_COLUMNS,
    )
    code = run_demo(console=console)
    if code == 0:
        path.write_text(draw(output.getvalue()), encoding="utf-8")
    else:
        sys.stderr.write(output.getvalue())
    return code


if __name__ == "__main__":
    sys.exit(main())
