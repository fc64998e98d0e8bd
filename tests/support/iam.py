"""What IAM policies of a template allow: as much of IAM's evaluation as our policies need."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from tests.support.cloudformation import many
from tests.support.nested_stack import NO_VALUE

Statement = dict[str, Any]


def resolved(value: Any, values: Mapping[str, Any], conditions: Mapping[str, bool]) -> Any:
    """A value of a template with its references filled in: `values` by what `text` makes of a
    reference, e.g. `Queue.Arn`."""
    match value:
        case {"Ref": name}:
            return values[name]
        case {"Fn::GetAtt": parts}:
            return values[".".join(parts)]
        case {"Fn::Sub": str(pattern)}:
            return re.sub(r"\$\{([^}]+)\}", lambda found: str(values[found[1]]), pattern)
        case {"Fn::Sub": [pattern, variables]}:
            own = {name: resolved(each, values, conditions) for name, each in variables.items()}
            return resolved({"Fn::Sub": pattern}, {**values, **own}, conditions)
        case {"Fn::If": [name, yes, no]}:
            return resolved(yes if conditions[name] else no, values, conditions)
        case dict():
            return {key: resolved(child, values, conditions) for key, child in value.items()}
        case list():
            kept = [child for child in value if _chosen(child, conditions) != NO_VALUE]
            return [resolved(child, values, conditions) for child in kept]
        case _:
            return value


def _chosen(value: Any, conditions: Mapping[str, bool]) -> Any:
    match value:
        case {"Fn::If": [name, yes, no]}:
            return _chosen(yes if conditions[name] else no, conditions)
        case _:
            return value


def allows(
    statements: Iterable[Statement],
    action: str,
    resource: str,
    context: Mapping[str, str | list[str]],
) -> bool:
    """Whether a statement allows the action on the resource, and none denies it."""
    effects = {
        statement["Effect"]
        for statement in statements
        if any(_like(action.lower(), each.lower()) for each in many(statement["Action"]))
        and any(_like(resource, each) for each in many(statement["Resource"]))
        and all(
            _meets(operator, context.get(key), many(expected))
            for operator, keys in statement.get("Condition", {}).items()
            for key, expected in keys.items()
        )
    }
    return effects == {"Allow"}


def _meets(operator: str, value: str | list[str] | None, expected: list[str]) -> bool:
    """A key that the request does not have meets none of these operators, except that of a set,
    which every member has to meet."""
    match operator, value:
        case "ForAllValues:StringEquals", _:
            return set(many(value or [])) <= set(expected)
        case "StringEquals", str() | None:
            return value in expected
        # IAM takes the last two for the same
        case "StringLike" | "ArnLike" | "ArnEquals", str() | None:
            return value is not None and any(_like(value, each) for each in expected)
        case _:
            raise AssertionError(f"no policy of ours has had {operator} yet")


def _like(value: str, pattern: str) -> bool:
    return fnmatchcase(value, pattern.replace("[", "[[]"))
