"""The contract as JSON Schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from core.operations.contract.events import (
    ATTRIBUTES,
    EVENTS,
    OTHER_ABOUT,
    OTHER_NAME,
    SHAPES,
)
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

_SCALARS: Final[dict[Scalar, dict[str, Any]]] = {
    Scalar.TEXT: {"type": "string"},
    Scalar.INTEGER: {"type": "integer"},
    Scalar.NUMBER: {"type": "number"},
    Scalar.BOOLEAN: {"type": "boolean"},
    Scalar.ANYTHING: {},
}
_EXTENSION_VALUE: Final = {"type": ["string", "integer", "boolean"]}
_ATTRIBUTE_NAME: Final = {"pattern": "^[a-z0-9]{1,64}$"}


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of an event as a workflow gets it."""
    other = {
        "type": "string",
        "minLength": 1,
        "not": {"enum": [each.type for each in EVENTS]},
    }
    definitions = {
        ATTRIBUTES.name: {**_object(ATTRIBUTES), "propertyNames": _ATTRIBUTE_NAME},
        **{shape.name: _object(shape) for shape in SHAPES},
        **{each.name: _event(each) for each in EVENTS},
        OTHER_NAME: _with_attributes(OTHER_ABOUT, {"type": other, "data": {}}, ["type"]),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tidegate event",
        "description": "An event as workflows get it. A signal carries a list of them.",
        "oneOf": [_reference(name) for name in (*(each.name for each in EVENTS), OTHER_NAME)],
        "$defs": definitions,
    }


def _event(event: EventType) -> dict[str, Any]:
    data = _type(event.data)
    required = ["type", "data"] if event.required else ["type"]
    return _with_attributes(event.about, {"type": {"const": event.type}, "data": data}, required)


def _with_attributes(
    about: str, properties: dict[str, Any], required: Sequence[str]
) -> dict[str, Any]:
    return {
        "description": about,
        "type": "object",
        "allOf": [_reference(ATTRIBUTES.name)],
        "properties": properties,
        "required": list(required),
        "unevaluatedProperties": _EXTENSION_VALUE,
    }


def _object(shape: Shape) -> dict[str, Any]:
    return {
        "description": shape.about,
        "type": "object",
        "properties": {each.name: _property(each) for each in shape.fields},
        "required": [each.name for each in shape.fields if each.required],
    }


def _property(field: Field) -> dict[str, Any]:
    return {"description": field.about, **_type(field.type), **field.limits}


def _type(type: Type) -> dict[str, Any]:
    match type:
        case Scalar():
            return _SCALARS[type]
        case OneOf(words=[word]):
            return {"const": word}
        case OneOf(words=words):
            return {"enum": list(words)}
        case MapOf(values=values):
            return {"type": "object", "additionalProperties": _SCALARS[values]}
        case ListOf(items=items):
            return {"type": "array", "items": _SCALARS[items]}
        case Shape(name=name):
            return _reference(name)


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}
