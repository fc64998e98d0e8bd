"""`make bench`: runs the benchmarks one after another, prints their table, and keeps it as JSON.

    python -m tests.benchmarks [NAME ...] [--quick] [--strict] [--out FILE]

Each benchmark runs in a process of its own. The exit code is 0 when all could run, whatever they
measured; with `--strict` it is 1 when a target was missed. See docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from infra.local.environment import outside_environment
from infra.local.processes import ROOT, LocalStackError, Processes, python, wait_until
from infra.local.signals import interruptible, uninterrupted
from tests.benchmarks.catalogue import BENCHMARKS
from tests.benchmarks.figures import Figure

RESULTS: Final = ROOT / ".bench" / "results.json"
_TIMEOUT: Final = 1200.0


def run(name: str, *, quick: bool) -> list[Figure]:
    """The figures of one benchmark. Raises `LocalStackError` with the end of its log."""
    folder = Path(tempfile.mkdtemp(prefix=f"tidegate-bench-{name}-"))
    result = folder / "figures.json"
    processes = Processes(folder)
    try:
        arguments = [name, str(folder), str(result), *(["--quick"] if quick else [])]
        command = python("tests.benchmarks.one", *arguments)
        child = processes.start(name, command, outside_environment())
        wait_until(lambda: not child.alive, _TIMEOUT, f"benchmark {name} to end")
        if not result.exists():
            raise LocalStackError(f"benchmark {name} failed\n{child.last_words(30)}")
        found = json.loads(result.read_text())
    finally:
        with uninterrupted():
            processes.stop()
            shutil.rmtree(folder, ignore_errors=True)
    return [Figure(**{k: v for k, v in figure.items() if k != "met"}) for figure in found]


def table(figures: Sequence[tuple[str, Figure]]) -> Table:
    """The figures for people to read."""
    view = Table(title="Benchmarks", title_justify="left")
    for heading in ("", "what", "against"):
        view.add_column(heading)
    for heading in ("ours", "baseline", "ratio", "range", "target", "n"):
        view.add_column(heading, justify="right")
    view.add_column("")
    before = ""
    for name, figure in figures:
        if before and name != before:
            view.add_section()
        view.add_row(name if name != before else "", *_cells(figure))
        before = name
    return view


def _cells(figure: Figure) -> list[str]:
    relative = figure.ratio is not None
    target = ""
    if figure.at_most is not None and figure.at_most == figure.at_least:
        target = f"= {figure.at_most:g}"
    elif figure.at_most is not None:
        target = f"<= {figure.at_most:g}"
    elif figure.at_least is not None:
        target = f">= {figure.at_least:g}"
    verdict = {None: "", True: "[green]met[/]", False: "[red]missed[/]"}[figure.met]
    return [
        figure.what,
        figure.against,
        f"{figure.ours:.4g} {figure.unit}",
        "" if figure.baseline is None else f"{figure.baseline:.4g} {figure.unit}",
        f"{figure.ratio:.2f}x" if relative else "",
        f"{figure.low:.2f}-{figure.high:.2f}" if figure.low is not None else "",
        f"{target}x" if target and relative else target,
        str(figure.samples),
        verdict,
    ]


def write(figures: Sequence[tuple[str, Figure]], path: Path, *, quick: bool) -> None:
    """Write the figures as JSON, with the machine that they are from."""
    path.parent.mkdir(parents=True, exist_ok=True)
    report = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": quick,
        "machine": {
            "python": platform.python_version(),
            "system": platform.platform(),
            "cpus": os.cpu_count(),
        },
        "figures": [{"benchmark": name, **figure.to_json()} for name, figure in figures],
    }
    path.write_text(json.dumps(report, indent=2) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description="Run the benchmarks.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="fewer samples")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a target is missed")
    parser.add_argument("--out", type=Path, default=RESULTS, help="default: .bench/results.json")
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(
            f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}"
        )
    console = Console(width=None if sys.stdout.isatty() else 120)
    figures: list[tuple[str, Figure]] = []
    failures: list[str] = []
    with interruptible():
        for name in options.names or BENCHMARKS:
            try:
                with console.status(f"{name} ..."):
                    figures += [(name, figure) for figure in run(name, quick=options.quick)]
            except LocalStackError as error:
                failures.append(str(error))
            except KeyboardInterrupt:
                console.print("interrupted")
                return 130
    write(figures, options.out, quick=options.quick)
    console.print(table(figures))
    console.print(f"kept in {options.out}", highlight=False)
    for failure in failures:
        console.print(failure, style="red", markup=False, highlight=False)
    missed = any(figure.met is False for _, figure in figures)
    return 1 if failures or (options.strict and missed) else 0


if __name__ == "__main__":
    sys.exit(main())
