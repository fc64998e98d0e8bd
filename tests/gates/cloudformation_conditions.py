"""Which combinations of a CloudFormation template's conditions are possible.

A condition compares terms: parameters, or parts of them. A question is answered by trying every
value that the comparisons in it can tell apart, for only those terms that it depends on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import product
from typing import Any, Final

OTHER: Final = "another value"
"""Stands for every value that a term is compared with nowhere."""

Guard = tuple[Any, bool]
"""A condition, by its name or as an expression, and whether it has to be met."""


class Conditions:
    """The conditions of one template. `tried` is how many combinations of values were tried."""

    def __init__(self, template: Mapping[str, Any]) -> None:
        self.defined: Mapping[str, Any] = template.get("Conditions", {})
        self._parameters: Mapping[str, Any] = template.get("Parameters", {})
        self.tried = 0

    def possible(self, guards: list[Guard]) -> str | None:
        """Values of parameters under which all guards hold, for a message; None if there are
        none."""
        values: dict[str, set[str]] = {}
        for condition, _ in guards:
            self._collect(condition, values)
        terms = sorted(values)
        for chosen in product(*(self._domain(term, values[term]) for term in terms)):
            self.tried += 1
            world = dict(zip(terms, chosen, strict=True))
            if all(self._holds(condition, world) is met for condition, met in guards):
                return " and ".join(f"{name_of(t)} is {v!r}" for t, v in world.items()) or "always"
        return None

    def circle(self) -> list[str] | None:
        """Names of conditions of which each consists of the next, and the last is the first; None
        if there are none. Nothing else can be asked of such conditions."""
        return circle(
            (name, other)
            for name, condition in self.defined.items()
            for other in _named_in(condition)
        )

    def used_by(self, condition: Any) -> Iterator[str]:
        """The names of all conditions that an expression consists of."""
        match condition:
            case str(name) | {"Condition": str(name)}:
                yield name
                yield from self.used_by(self.defined.get(name))
            case {"Fn::Not": parts} | {"Fn::And": parts} | {"Fn::Or": parts}:
                for part in parts:
                    yield from self.used_by(part)
            case _:
                pass

    def _collect(self, condition: Any, values: dict[str, set[str]]) -> None:
        """Adds the terms that a condition compares, each with the values that matter."""
        match condition:
            case str(name) | {"Condition": str(name)}:
                self._collect(self.defined[name], values)
            case {"Fn::Not": parts} | {"Fn::And": parts} | {"Fn::Or": parts}:
                for part in parts:
                    self._collect(part, values)
            case {"Fn::Equals": sides} | {"Fn::EachMemberEquals": sides}:
                literals = {str(side) for side in sides if not isinstance(side, dict)}
                terms = [json.dumps(side) for side in sides if isinstance(side, dict)]
                if len(terms) == 2:
                    literals = {*values.get(terms[0], ()), *values.get(terms[1], ())}
                for term in terms:
                    values.setdefault(term, set()).update(literals)
            case _:
                raise ValueError(f"not a condition: {condition}")

    def _domain(self, term: str, compared: set[str]) -> list[str]:
        spec = self._parameters.get(json.loads(term).get("Ref"), {})
        if "AllowedValues" in spec:
            allowed = {str(value) for value in spec["AllowedValues"]}
            return sorted(allowed & compared) + sorted(allowed - compared)[:1]
        pattern = spec.get("AllowedPattern", "(?s:.*)")
        return [*sorted(value for value in compared if re.fullmatch(pattern, value)), OTHER]

    def _holds(self, condition: Any, world: Mapping[str, str]) -> bool:
        match condition:
            case str(name) | {"Condition": str(name)}:
                return self._holds(self.defined[name], world)
            case {"Fn::Not": [part]}:
                return not self._holds(part, world)
            case {"Fn::And": parts}:
                return all(self._holds(part, world) for part in parts)
            case {"Fn::Or": parts}:
                return any(self._holds(part, world) for part in parts)
            case {"Fn::Equals": sides} | {"Fn::EachMemberEquals": sides}:
                one, other = (
                    world[json.dumps(side)] if isinstance(side, dict) else str(side)
                    for side in sides
                )
                return one == other
            case _:
                raise ValueError(f"not a condition: {condition}")


def _named_in(condition: Any) -> Iterator[str]:
    """The names of the conditions that an expression itself has."""
    match condition:
        case {"Condition": str(name)}:
            yield name
        case {"Fn::Not": parts} | {"Fn::And": parts} | {"Fn::Or": parts}:
            for part in parts:
                yield from _named_in(part)
        case _:
            pass


def circle(edges: Iterable[tuple[str, str]]) -> list[str] | None:
    """Nodes of which each leads to the next, and the last is the first; None if there are none."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for one, other in edges:
        sorter.add(one, other)
    try:
        sorter.prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return None


def name_of(term: str) -> str:
    """A term as a message has it: the parameter's name, or the expression."""
    parsed = json.loads(term)
    return str(parsed["Ref"]) if set(parsed) == {"Ref"} else term
