"""The contract in Go: structs with JSON tags, and a generic `Event` of any of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from core.operations.contract.events import ATTRIBUTES, EVENTS, OTHER_ABOUT, OTHER_NAME, SHAPES
from core.operations.contract.model import (
    EventType,
    Field,
    ListOf,
    MapOf,
    OneOf,
    Scalar,
    Shape,
    Type,
)
from core.operations.contract.prose import ABOUT, folded

_SCALARS: Final = {
    Scalar.TEXT: "string",
    Scalar.INTEGER: "int64",
    Scalar.NUMBER: "float64",
    Scalar.BOOLEAN: "bool",
    Scalar.ANYTHING: "any",
}
_POINTERS: Final = (Scalar.INTEGER, Scalar.NUMBER)
"""Of these the zero says something else than that there is none."""
_INITIALISMS: Final = ("id", "uri", "etag")
_OWN: Final = "tidegate"
_RAW: Final = "json.RawMessage"
_SPELT: Final = {"etag": "ETag"}


def go() -> str:
    """A file for Go 1.18 and later, as gofmt formats it."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield from folded(f"Package {_OWN} has {ABOUT}", "// ")
    yield f"package {_OWN}"
    yield ""
    yield 'import "encoding/json"'
    yield ""
    yield "// The types of Tidegate's own events."
    yield "const ("
    for number, event in enumerate(EVENTS):
        if number:
            yield ""
        yield from folded(event.about, "\t// ")
        yield f'\tType{event.name} = "{event.type}"'
    yield ")"
    yield ""
    yield from folded(
        f"Event is an event with its data. {ATTRIBUTES.about} To read an extension, embed Event in "
        "a struct that has a field for it.",
        "// ",
    )
    yield "type Event[Data any] struct {"
    for field in (*ATTRIBUTES.fields, Field("type", Scalar.TEXT, "What happened.", required=True)):
        yield from _field(field)
        yield ""
    yield "\t// What its type says; nothing where an event has no data."
    yield '\tData Data `json:"data"`'
    yield "}"
    for event in EVENTS:
        yield from _alias(event.name, event.about, _data(event))
    yield from _alias(OTHER_NAME, OTHER_ABOUT, _RAW)
    for shape in SHAPES:
        yield ""
        yield from folded(f"{shape.name}: {shape.about}", "// ")
        yield f"type {shape.name} struct {{"
        for number, field in enumerate(shape.fields):
            if number:
                yield ""
            yield from _field(field)
        yield "}"


def _alias(name: str, about: str, data: str) -> Iterator[str]:
    yield ""
    yield from folded(f"{name}: {about}", "// ")
    yield f"type {name} = Event[{data}]"


def _data(event: EventType) -> str:
    return _RAW if event.data is Scalar.ANYTHING else _type(event.data)


def _field(field: Field) -> Iterator[str]:
    pointer = "*" if not field.required and field.type in _POINTERS else ""
    omitted = "" if field.required else ",omitempty"
    yield from folded(field.about, "\t// ")
    yield f'\t{_exported(field.name)} {pointer}{_type(field.type)} `json:"{field.name}{omitted}"`'


def _exported(name: str) -> str:
    """The name as Go exports it: `StartsAt`, `CommandID`, `TidegateKey`."""
    own = name.removeprefix(_OWN)
    words = [_OWN, own] if own != name else name.split("_")
    return "".join(_word(each) for each in words)


def _word(word: str) -> str:
    if word in _SPELT:
        return _SPELT[word]
    return word.upper() if word in _INITIALISMS else word.capitalize()


def _type(type: Type) -> str:
    match type:
        case Scalar():
            return _SCALARS[type]
        case OneOf():
            return "string"
        case MapOf(values=values):
            return f"map[string]{_SCALARS[values]}"
        case ListOf(items=items):
            return f"[]{_SCALARS[items]}"
        case Shape(name=name):
            return name
