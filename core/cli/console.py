"""What the parts of the `tidegate` command share: how they print, wait and end."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine
from typing import Annotated, Any, Final, TypeVar

import typer
from rich.console import Console
from rich.table import Table

Answer = TypeVar("Answer")

BAD_NEWS: Final = 1
WRONG: Final = 2
AWAY: Final = 3

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
out, err = Console(highlight=False), Console(stderr=True, highlight=False)


def run(work: Coroutine[Any, Any, Answer]) -> Answer:
    return asyncio.run(work)


def print_json(value: object, *, indent: int | None = 2) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=False, default=str)
    # A lone surrogate is no text, but JSON can say it.
    sys.stdout.write(text.encode(errors="backslashreplace").decode() + "\n")
    sys.stdout.flush()


def table(*columns: str) -> Table:
    """A table that folds what is long: nobody can copy an ID that ends in dots."""
    found = Table()
    for column in columns:
        found.add_column(column, overflow="fold")
    return found
