"""The contract in TypeScript: interfaces, and a union that `type` tells apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from core.operations.contract.events import ATTRIBUTES, EVENTS, OTHER_ABOUT, OTHER_NAME, SHAPES
from core.operations.contract.model import Field, ListOf, MapOf, OneOf, Scalar, Shape, Type
from core.operations.contract.prose import ABOUT, folded, own_types

_SCALARS: Final = {
    Scalar.TEXT: "string",
    Scalar.INTEGER: "number",
    Scalar.NUMBER: "number",
    Scalar.BOOLEAN: "boolean",
    Scalar.ANYTHING: "unknown",
}


def typescript() -> str:
    """A module with types only."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield from _comment(ABOUT, "")
    for shape in SHAPES:
        yield from _interface(shape.name, shape.about)
        yield from _fields(shape)
        yield "}"
    yield from _interface(ATTRIBUTES.name, ATTRIBUTES.about)
    yield from _fields(ATTRIBUTES)
    yield ""
    yield "  /** Extensions. */"
    yield "  [attribute: string]: unknown;"
    yield "}"
    for event in EVENTS:
        yield from _interface(f"{event.name} extends {ATTRIBUTES.name}", event.about)
        yield f'  type: "{event.type}";'
        yield f"  data{'' if event.required else '?'}: {_type(event.data)};"
        yield "}"
    yield from _interface(f"{OTHER_NAME}<Data = unknown> extends {ATTRIBUTES.name}", OTHER_ABOUT)
    yield "  type: string;"
    yield "  data?: Data;"
    yield "}"
    yield ""
    yield from _comment(
        "An event of one of Tidegate's own types: `type` tells them apart. Any event is this or an "
        f"{OTHER_NAME}.",
        "",
    )
    yield "export type OwnEvent ="
    *names, last = own_types()
    for name in names:
        yield f"  | {name}"
    yield f"  | {last};"


def _interface(head: str, about: str) -> Iterator[str]:
    yield ""
    yield from _comment(about, "")
    yield f"export interface {head} {{"


def _fields(shape: Shape) -> Iterator[str]:
    for number, field in enumerate(shape.fields):
        if number:
            yield ""
        yield from _field(field)


def _field(field: Field) -> Iterator[str]:
    yield from _comment(field.about, "  ")
    yield f"  {field.name}{'' if field.required else '?'}: {_type(field.type)};"


def _comment(text: str, indent: str) -> Iterator[str]:
    *lines, last = folded(text, f"{indent} * ", first=f"{indent}/** ", room=len(" */"))
    yield from lines
    yield f"{last} */"


def _type(type: Type) -> str:
    match type:
        case Scalar():
            return _SCALARS[type]
        case OneOf(words=words):
            return " | ".join(f'"{word}"' for word in words)
        case MapOf(values=values):
            return f"Record<string, {_SCALARS[values]}>"
        case ListOf(items=items):
            return f"{_SCALARS[items]}[]"
        case Shape(name=name):
            return name
