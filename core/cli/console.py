"""What every `tidegate` command shares: consoles, the `--json` option and exit codes."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Annotated, Final

import typer
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.markup import escape
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from core.cli.layout import fact_lines
from core.domain.printable import printable, printable_line, to_json

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_UNAVAILABLE: Final = 3
EXIT_INTERRUPTED: Final = 130
"""As shells have it: 128 and the number of the signal that Ctrl-C sends."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


class _Printable:
    """A renderable whose text has no control characters; its styles keep theirs."""

    def __init__(self, whole: ConsoleRenderable) -> None:
        self._whole = whole

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._whole, options):
            text = segment.text if segment.control else printable(segment.text)
            yield Segment(text, segment.style, segment.control)


class _AllPrintable(RenderHook):
    """Whatever senders wrote, a terminal gets no control character of theirs."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Printable(each) for each in renderables]


out, err = Console(highlight=False), Console(stderr=True, highlight=False)
for _console in (out, err):
    _console.push_render_hook(_AllPrintable())


def terminal_width() -> int | None:
    """How many columns the terminal has; None when the output goes elsewhere."""
    return out.width if out.is_terminal else None


def print_lines(lines: Iterable[Text]) -> None:
    """Print lines that `core.cli.layout` has made for `terminal_width()`."""
    for line in lines:
        if out.is_terminal:
            out.print(line, soft_wrap=True)
        else:
            print_text(line.plain)  # rich makes spaces of tabs


def print_json(value: object, *, indent: int | None = 2) -> None:
    """Print a value as one JSON document, with control characters escaped."""
    print_text(to_json(value, indent=indent, default=str))


def print_text(text: str) -> None:
    """Print text as it is, but for control characters, and end it with a line break."""
    sys.stdout.write(printable(text).removesuffix("\n") + "\n")
    sys.stdout.flush()


def print_next(step: str, *, to: Console = out, indent: int = 2) -> None:
    """Print what to type or to do next, below what it follows from."""
    to.print(f"{' ' * indent}next: {escape(step)}", soft_wrap=True)


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> Table:
    """A table of rich markup that folds long cells: an ID that ends in dots cannot be copied."""
    folding = Table()
    for column in columns:
        folding.add_column(column, overflow="fold")
    for row in rows:
        folding.add_row(*row)
    return folding


def print_facts(facts: Mapping[str, str | None]) -> None:
    """Print names and values of rich markup, leaving out what has no value. No value begins a line
    of its own: that could look like another fact."""
    texts = [
        (name, Text.from_markup(printable_line(value))) for name, value in facts.items() if value
    ]
    print_lines(fact_lines(texts, terminal_width(), indent=0))
