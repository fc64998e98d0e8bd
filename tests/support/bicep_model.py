"""The parts of a Bicep file, as tests/support/bicep.py parses it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from tree_sitter import Node

Value: TypeAlias = Any
"""A literal (dict, list, str, int, bool or None), or one of the classes below."""


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression that only a deployment evaluates; `parts` are the values inside, in order."""

    text: str
    parts: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """`condition ? yes : no`"""

    condition: Value
    yes: Value
    no: Value


@dataclass(frozen=True, slots=True)
class Each:
    """`[for ... in over: body]`"""

    over: Value
    body: Value


@dataclass(frozen=True, slots=True)
class Param:
    name: str
    type: str
    default: Value
    required: bool
    decorators: dict[str, Value]


@dataclass(frozen=True, slots=True)
class Resource:
    """`body` is the object, also of a loop or a condition; `over` and `condition` say which."""

    name: str
    type: str
    version: str
    existing: bool
    body: dict[str, Value]
    over: Value = None
    condition: Value = None


@dataclass(frozen=True, slots=True)
class Module:
    name: str
    path: Path
    body: dict[str, Value]
    condition: Value = None

    @property
    def params(self) -> dict[str, Value]:
        given: dict[str, Value] = self.body.get("params", {})
        return given


@dataclass(slots=True)
class BicepFile:
    path: Path
    root: Node
    scope: str = "resourceGroup"
    params: dict[str, Param] = field(default_factory=dict)
    variables: dict[str, Value] = field(default_factory=dict)
    resources: list[Resource] = field(default_factory=list)
    modules: list[Module] = field(default_factory=list)
    outputs: dict[str, Value] = field(default_factory=dict)

    def resource(self, type: str) -> Resource:
        """The only resource of a type in the file."""
        [found] = [r for r in self.resources if r.type == type and not r.existing]
        return found


def inside(given: Value) -> Iterator[Value]:
    """The value and all values inside it."""
    yield given
    match given:
        case dict():
            parts: tuple[Value, ...] = tuple(given.values())
        case list():
            parts = tuple(given)
        case Expression():
            parts = given.parts
        case Choice():
            parts = (given.condition, given.yes, given.no)
        case Each():
            parts = (given.over, given.body)
        case _:
            parts = ()
    for part in parts:
        yield from inside(part)


def inside_strings(file: BicepFile) -> Iterator[str]:
    """Every literal string of a file's variables."""
    for given in file.variables.values():
        yield from (each for each in inside(given) if isinstance(each, str))
