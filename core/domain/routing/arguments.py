"""The arguments that a route makes of an event, for a workflow that has an input of its own.

Expressions see the event and nothing else, and all of a route's share one budget of time. What they
build has a bound of its own: a short expression can build much out of little.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from core.domain.event import Event, encode
from core.domain.expressions.expression import Budget, Unevaluable
from core.domain.routing.expressions import evaluated
from core.errors import InvalidInput, quoted

MAX_ARGUMENTS: Final = 20
"""Most expressions of one route."""
ARGUMENTS_BYTES: Final = 1024 * 1024
"""Most bytes that a workflow's arguments have as JSON, all together."""


def arguments(event: Event, route: str, expressions: Sequence[str]) -> list[Any]:
    """What each expression yields over the event. Raises `InvalidInput` for one that yields nothing
    and for what is too large, and `InvalidEvent` as `evaluated` does."""
    wire, budget = event.to_wire(), Budget()
    found = []
    for expression in expressions:
        where = f"event {event.key}: input {quoted(expression)} of route {route}"
        try:
            value = evaluated(expression, wire, budget)
        except Unevaluable as error:
            raise InvalidInput(f"{where} cannot be evaluated: {error}; {_seen(wire)}") from None
        if value is None:
            raise InvalidInput(f"{where} yields nothing; {_seen(wire)}")
        found.append(value)
    if (size := len(encode(found))) > ARGUMENTS_BYTES:
        raise InvalidInput(
            f"event {event.key}: the input of route {route} has {size:,} bytes, over the limit of "
            f"{ARGUMENTS_BYTES:,}"
        )
    return found


def _seen(wire: dict[str, Any]) -> str:
    names = ", ".join(name for name in wire if name != "data")
    return f"the event has {names}, and its data is {quoted(wire.get('data'))}"
