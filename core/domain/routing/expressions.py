"""JMESPath over an event: the conditions of routes, and the values in their templates.

A listener evaluates the routing table at its cold start, and most expressions are plain names such
as `data.key`. Those are looked up here; JMESPath is loaded for the first that is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any


def search(expression: str, value: object) -> Any:
    """What the expression yields. One that cannot be evaluated over this value yields None: a
    function or a comparison of other types, for which JMESPath raises whatever Python does."""
    if names := _names(expression):
        found: Any = value
        for name in names:
            found = found.get(name) if isinstance(found, Mapping) else None
        return found
    import jmespath

    try:
        return jmespath.search(expression, value)
    except (TypeError, ValueError, ArithmeticError, RecursionError):
        return None


@cache
def _names(expression: str) -> tuple[str, ...]:
    """The names of an expression that is nothing else; empty for any other. The expressions of a
    process are those of its routing table."""
    names = expression.split(".")
    plain = all(name.isascii() and name.isidentifier() for name in names)
    return tuple(names) if plain else ()


def is_true(value: object) -> bool:
    """JMESPath's truth: everything but null, false and what is empty. Zero is true."""
    return value is not None and value is not False and value not in ("", [], {})
