"""JMESPath expressions that operators write and that read what senders send.

Most are plain names such as `alert.id`, or objects of them such as `{id: alert.id}`. Those are
looked up here; JMESPath is loaded for the first that is neither.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

MAX_CHARS: Final = 1_000
"""Longest expression."""
CHARS_PER_UNIT: Final = 16
"""Characters of text that are copied or compared for one unit of a `Budget`."""

Search = Callable[[object, object, "Budget"], Any]

_NAME: Final = r"[A-Za-z_]\w*"
_ENTRY: Final = re.compile(rf"\s*({_NAME})\s*:\s*({_NAME}(?:\.{_NAME})*)\s*", re.ASCII)


class Unevaluable(Exception):
    """The expression has no result over this value: a function gets another type than it takes."""


class OverBudget(Exception):
    """The expression, or those before it, took all the work that one delivery is worth."""


@dataclass(slots=True)
class Budget:
    """The work that is left, in units of roughly a microsecond."""

    left: int = 1_500_000

    def spend(self, units: int) -> None:
        """Raises `OverBudget` if it is more than what is left."""
        self.left -= units
        if self.left < 0:
            raise OverBudget


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression. `str()` is what the operator wrote."""

    text: str
    _search: Search = field(repr=False, compare=False)

    def __str__(self) -> str:
        return self.text

    def search(self, value: object, root: object, budget: Budget) -> Any:
        """What the expression yields over a value; `$` in it is the root. Raises `Unevaluable` or
        `OverBudget`."""
        return self._search(value, root, budget)


@cache
def compiled(text: str) -> Expression:
    """The expression; a process compiles each once. Raises `ValueError` that says what is wrong."""
    if len(text) > MAX_CHARS:
        raise ValueError(f"longer than {MAX_CHARS:,} characters")
    names = text.split(".")
    if all(name.isascii() and name.isidentifier() for name in names):
        return Expression(text, _lookup(names))
    if text.startswith("{") and text.endswith("}"):
        entries = [_ENTRY.fullmatch(entry) for entry in text[1:-1].split(",")]
        named = [(entry[1], _lookup(entry[2].split("."))) for entry in entries if entry]
        if len(named) == len(entries):
            return Expression(text, _object(named))
    from core.domain.expressions.jmespath_search import search_of

    return Expression(text, search_of(text))


def _lookup(names: list[str]) -> Search:
    def search(value: object, root: object, budget: Budget) -> Any:
        found: Any = value
        for name in names:
            found = found.get(name) if isinstance(found, Mapping) else None
        return found

    return search


def _object(named: list[tuple[str, Search]]) -> Search:
    def search(value: object, root: object, budget: Budget) -> Any:
        if value is None:
            return None
        return {name: lookup(value, root, budget) for name, lookup in named}

    return search


def is_true(value: object) -> bool:
    """JMESPath's truth: everything but null, false and what is empty. Zero is true."""
    return value is not None and value is not False and value not in ("", [], {})
