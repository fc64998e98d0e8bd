"""Whether an event's data satisfies the JSON Schema of its route.

Loaded where a route has a schema, with its first event: jsonschema takes longer to load than all
else that a listener needs. Whoever sends an event chooses how much there is to check, so a check
has a budget, as expressions have. Regular expressions are beyond it: they are the operator's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import cache
from itertools import islice
from typing import Any, Final

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from jsonschema.exceptions import ValidationError, best_match  # type: ignore[import-untyped]
from jsonschema.validators import extend, validator_for  # type: ignore[import-untyped]
from referencing import Registry

from core.domain.event import Event
from core.domain.expressions.expression import CHARS_PER_UNIT, Budget, OverBudget
from core.domain.text import shortened
from core.errors import InvalidData, InvalidEvent

_UNITS_PER_KEYWORD: Final = 10
_ERRORS: Final = 10
"""Most problems of an event among which the one that is reported is chosen."""
_SHOWN_CHARS: Final = 300
_left: ContextVar[Budget] = ContextVar("left")

Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]


def check_data(event: Event, route: str, schema: str) -> None:
    """Raises `InvalidData` where the event's data does not satisfy the schema, and `InvalidEvent`
    where that takes too long to say."""
    where = f"event {event.key}: its data does not satisfy the schema of route {route}"
    reset = _left.set(Budget())
    try:
        problem = best_match(islice(validator(schema).iter_errors(event.data), _ERRORS))
    except OverBudget:
        raise InvalidEvent(
            f"event {event.key}: the schema of route {route} takes too long over its data",
            fix="write a simpler schema, then replay it with `tidegate quarantine replay`",
        ) from None
    except (RecursionError, ArithmeticError, ValueError) as error:
        # It is nested too deeply, or has numbers that no float holds.
        raise InvalidData(f"{where}: it cannot be checked: {error}") from None
    finally:
        _left.reset(reset)
    if problem is not None:
        texts = problem.json_path, problem.message
        place, what = (shortened(text, _SHOWN_CHARS) for text in texts)
        raise InvalidData(f"{where}: at {place}: {what}")


@cache
def validator(schema: str) -> Any:
    """What checks data against a schema, written as JSON, that is one."""
    value = json.loads(schema)
    kind = validator_for(value, default=Draft202012Validator)
    keywords = {**kind.VALIDATORS, "uniqueItems": _unique_items}
    charged = {name: _charged(keyword) for name, keyword in keywords.items()}
    return extend(kind, charged)(value, registry=Registry())


def _charged(keyword: Keyword) -> Keyword:
    def run(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        budget = _left.get(None) or Budget()
        budget.spend(_UNITS_PER_KEYWORD)
        if isinstance(instance, str):
            budget.spend(len(instance) // CHARS_PER_UNIT)
        elif isinstance(instance, list | dict):
            budget.spend(len(instance))
        for error in keyword(validator, value, instance, schema) or ():
            budget.spend(len(error.message) // CHARS_PER_UNIT)
            yield error

    return run


def _unique_items(
    validator: Any, unique: Any, instance: Any, schema: Any
) -> Iterator[ValidationError]:
    """As JSON Schema has it, in time that grows with the list and not with its square."""
    if unique and validator.is_type(instance, "array"):
        known: set[str] = set()
        for place, item in enumerate(instance):
            text = json.dumps(_canonical(item), sort_keys=True)
            (_left.get(None) or Budget()).spend(len(text) // CHARS_PER_UNIT)
            if text in known:
                yield ValidationError(f"item {place} is there twice")
                return
            known.add(text)


def _canonical(value: Any) -> Any:
    """The value, in which 1.0 is 1: they are equal in JSON Schema."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, dict):
        return {name: _canonical(item) for name, item in value.items()}
    return value
