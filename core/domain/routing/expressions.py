"""JMESPath over an event: the conditions of routes, and the values in their templates.

A listener loads a table whose expressions were checked when it was built, so each is compiled here
when it is first needed.
"""

from __future__ import annotations

from typing import Any

from core.domain.expressions.expression import Budget, OverBudget, Unevaluable, compiled
from core.errors import InvalidEvent, quoted


def search(text: str, value: object) -> Any:
    """What the expression yields; None where it cannot be evaluated over this value. Raises
    `InvalidEvent` where that takes too long: without its result nobody can say where the event
    goes."""
    try:
        return evaluated(text, value, Budget())
    except Unevaluable:
        return None


def evaluated(text: str, value: object, budget: Budget) -> Any:
    """What the expression yields. Raises `Unevaluable`, which says why, and `InvalidEvent` as
    `search` does."""
    try:
        return compiled(text).search(value, value, budget)
    except OverBudget:
        raise InvalidEvent(
            f"the routing table's expression {quoted(text)} takes too long over this event",
            fix="write a simpler expression, then replay it with `tidegate quarantine replay`",
        ) from None
