"""How the contract is written down: shapes of JSON, out of which JSON Schema and the types of each
language are made.

Only what events need: no field is ever null, and every shape may get more fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Scalar(Enum):
    """A value without parts; `ANYTHING` is any JSON."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    ANYTHING = "anything"


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of these words."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MapOf:
    """An object with names that nobody knows beforehand."""

    values: Scalar


@dataclass(frozen=True, slots=True)
class ListOf:
    items: Scalar


@dataclass(frozen=True, slots=True)
class Shape:
    """An object with these fields, and its name as a type."""

    name: str
    about: str
    fields: tuple[Field, ...]


Type = Scalar | OneOf | MapOf | ListOf | Shape


@dataclass(frozen=True, slots=True)
class Field:
    """`limits` are what JSON Schema can say of it besides its type."""

    name: str
    type: Type
    about: str
    required: bool = False
    limits: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EventType:
    """Events of one type, with what their `data` is. `name` is the name of the type in code. Where
    `required` is false, an event may have no data."""

    name: str
    type: str
    about: str
    data: Shape | Scalar
    required: bool = True
