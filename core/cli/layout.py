"""Text laid out for a terminal of any width, or for a pipe: lists, names with values, sentences.

Pure functions of what is shown and of the width, in columns, which is None for a pipe: that gets a
line for each item or entry, with nothing shortened. Text is a sender's, so control characters in it
are spelled out before it is measured.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from rich.cells import cell_len, chop_cells
from rich.text import Text

from core.domain.printable import printable_line

GAP: Final = "  "
_NAME_COLUMNS: Final = 12
_WORD: Final = re.compile(r"\S+\s*|^\s+")


class Item(NamedTuple):
    """An item of a list: its handle, what it is, and short facts, the same ones for each item.
    Only `what`, and the last fact where there is no other way, are ever shortened."""

    handle: str
    what: str
    facts: Sequence[Text]


def line(text: str, style: str = "") -> Text:
    """The text in one line, with its control characters spelled out."""
    return Text(printable_line(" ".join(text.split())), style)


def item_lines(items: Sequence[Item], width: int | None) -> list[Text]:
    """A line for each item if they all fit, else two. For a pipe, a line for each, with a tab
    between handle, facts and what it is."""
    if width is None:
        tab = Text("\t")
        return [tab.join([Text(i.handle), *i.facts, line(i.what)]) for i in items]
    rows = [[Text(item.handle, "bold"), *item.facts] for item in items]
    table = _aligned(rows)
    lines = [
        Text.assemble(row, GAP, line(item.what)) for row, item in zip(table, items, strict=True)
    ]
    if _fit(lines, width):
        return [_shortened(each, width) for each in lines]
    indent = Text(" " * max((cell_len(f"{item.handle}{GAP}") for item in items), default=0))
    facts = [indent + row for row in _aligned([list(item.facts) for item in items])]
    if not _fit(facts, width):
        facts = [_joined(item.facts) for item in items]
    lines = []
    for item, row in zip(items, facts, strict=True):
        first = Text.assemble((item.handle, "bold"), GAP)
        rest = width - first.cell_len
        lines += [first + _shortened(line(item.what), rest), _shortened(row, width)]
    return lines


def fact_lines(
    facts: Iterable[tuple[str, Text | None]], width: int | None, indent: int = 2
) -> list[Text]:
    """Names and values in two columns, leaving out what has no value. A value stands below its
    name where the name is long, or where one of its words, like a URL, is too long for its column:
    that is not broken."""
    lines: list[Text] = []
    for name, value in facts:
        if not value:
            continue
        label = Text(" " * indent).append_text(line(name, "dim"))
        column = indent + _NAME_COLUMNS
        long = label.cell_len > column
        beside = label + Text(" " * max(1, column + 1 - label.cell_len))
        lines_beside = hanging(beside, value, width)
        if width is None or (not long and _fit(lines_beside, width)):
            lines += lines_beside
        else:
            below = Text(" " * (indent + 2))
            lines += [label, *hanging(below, value, width)]
    return lines


def hanging(label: Text, text: Text, width: int | None) -> list[Text]:
    """The text beside its label, and the rest of it below its beginning."""
    if width is None:
        return [Text.assemble(label, text)]
    indent = Text(" " * label.cell_len)
    lines = wrapped(text, width - label.cell_len)
    return [Text.assemble(indent if number else label, each) for number, each in enumerate(lines)]


def wrapped(text: Text, width: int) -> list[Text]:
    """The text in lines of at most `width` columns. A word that is longer is a line of its own, so
    that it can be copied; one of wide characters, which need no spaces, is broken."""
    breaks: list[int] = []
    used = 0
    for match in _WORD.finditer(text.plain):
        word = match[0].rstrip()
        if used and used + cell_len(word) > width:
            breaks.append(match.start())
            used = 0
        if cell_len(word) > max(width, 2) and cell_len(word) > len(word):
            position = match.start()
            for part in chop_cells(word, max(width, 2)):
                breaks += [position] if position > match.start() else []
                position += len(part)
                used = cell_len(part)
            used += cell_len(match[0]) - cell_len(word)
        else:
            used += cell_len(match[0])
    lines = list(text.divide(breaks))
    for each in lines:
        each.rstrip()
    return lines


def _aligned(rows: Sequence[Sequence[Text]]) -> list[Text]:
    """The rows with their columns aligned, leaving out those that are empty in each row."""
    columns = [column for column in zip(*rows, strict=True) if any(column)]
    widths = [max(cell.cell_len for cell in column) for column in columns]
    lines = [Text() for _ in rows]
    for number, (column, width) in enumerate(zip(columns, widths, strict=True)):
        for text, cell in zip(lines, column, strict=True):
            text.append(GAP if number else "").append_text(cell)
            text.append(" " * (width - cell.cell_len))
    return lines


def _joined(facts: Sequence[Text]) -> Text:
    return Text(GAP) + Text(GAP).join([fact for fact in facts if fact])


def _fit(lines: Sequence[Text], width: int) -> bool:
    return all(cell_len(each.plain.rstrip()) <= width for each in lines)


def _shortened(text: Text, width: int) -> Text:
    text = text.copy()
    text.rstrip()
    text.truncate(max(width, 1), overflow="ellipsis")
    return text
