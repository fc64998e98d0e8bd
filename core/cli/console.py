"""What every `tidegate` command shares: consoles, tables, the `--json` option and exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_UNAVAILABLE: Final = 3

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
out, err = Console(highlight=False), Console(stderr=True, highlight=False)


def print_json(value: object, *, indent: int | None = 2) -> None:
    """Print a value as one JSON document."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, default=str)
    # JSON can escape a lone surrogate, UTF-8 cannot encode one.
    sys.stdout.write(text.encode(errors="backslashreplace").decode() + "\n")
    sys.stdout.flush()


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> Table:
    """A table of rich markup that folds long cells: an ID that ends in dots cannot be copied."""
    folding = Table()
    for column in columns:
        folding.add_column(column, overflow="fold")
    for row in rows:
        folding.add_row(*row)
    return folding


def print_facts(facts: Mapping[str, str | None]) -> None:
    """Print names and values of rich markup, a line each, leaving out what has no value."""
    for name, value in facts.items():
        if value:
            out.print(f"[bold]{name:12}[/bold] {value}", soft_wrap=True)
