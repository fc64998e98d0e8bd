"""The contract in Python: `TypedDict`s, which the data converter of Temporal's SDK reads and which
need nothing but the standard library."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from core.operations.contract.events import ATTRIBUTES, EVENTS, OTHER_ABOUT, OTHER_NAME, SHAPES
from core.operations.contract.model import ListOf, MapOf, OneOf, Scalar, Shape, Type
from core.operations.contract.prose import ABOUT, folded, own_types

_SCALARS: Final = {
    Scalar.TEXT: "str",
    Scalar.INTEGER: "int",
    Scalar.NUMBER: "float",
    Scalar.BOOLEAN: "bool",
    Scalar.ANYTHING: "Any",
}


def python() -> str:
    """A module for Python 3.11 and later."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield from _docstring(ABOUT, "")
    yield ""
    yield "from typing import Any, Literal, NotRequired, TypedDict"
    for shape in (*SHAPES, ATTRIBUTES):
        yield from _class(shape.name, "TypedDict", shape.about)
        for field in shape.fields:
            yield ""
            yield f"    {field.name}: {_optional(_type(field.type), field.required)}"
            yield from _docstring(field.about, "    ")
    for event in EVENTS:
        yield from _class(event.name, ATTRIBUTES.name, event.about)
        yield ""
        yield f'    type: Literal["{event.type}"]'
        yield f"    data: {_optional(_type(event.data), event.required)}"
    yield from _class(OTHER_NAME, ATTRIBUTES.name, OTHER_ABOUT)
    yield ""
    yield "    type: str"
    yield "    data: NotRequired[Any]"
    yield ""
    yield ""
    yield "OwnEvent = ("
    for number, name in enumerate(own_types()):
        yield f"    {'| ' if number else ''}{name}"
    yield ")"
    yield from _docstring(
        "An event of one of Tidegate's own types: `type` tells them apart. Any event is this or an "
        f"{OTHER_NAME}.",
        "",
    )


def _class(name: str, base: str, about: str) -> Iterator[str]:
    yield ""
    yield ""
    yield f"class {name}({base}):"
    yield from _docstring(about, "    ")


def _docstring(text: str, indent: str) -> Iterator[str]:
    quotes = '"""'
    *lines, last = folded(text, indent, first=f"{indent}{quotes}", room=len(quotes))
    yield from lines
    yield f"{last}{quotes}"


def _optional(type: str, required: bool) -> str:
    return type if required else f"NotRequired[{type}]"


def _type(type: Type) -> str:
    match type:
        case Scalar():
            return _SCALARS[type]
        case OneOf(words=words):
            quoted = (f'"{word}"' for word in words)
            return f"Literal[{', '.join(quoted)}]"
        case MapOf(values=values):
            return f"dict[str, {_SCALARS[values]}]"
        case ListOf(items=items):
            return f"list[{_SCALARS[items]}]"
        case Shape(name=name):
            return name
