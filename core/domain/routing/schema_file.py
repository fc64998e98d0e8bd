"""What a route may have for a JSON Schema: checked when the routing table is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from jsonschema.exceptions import SchemaError  # type: ignore[import-untyped]
from jsonschema.validators import validator_for  # type: ignore[import-untyped]
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012, specification_with

from core.domain.problems import ProblemAt
from core.domain.routing.schema import validator
from core.domain.text import shortened

SCHEMA_BYTES: Final = 256 * 1024
"""Most that a schema has as JSON."""

_SHOWN_CHARS: Final = 300
_VALUES: Final = frozenset(("const", "default", "enum", "examples"))
"""Keywords that hold values and no schemas."""
_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")


def parse_schema(text: str) -> dict[str, Any]:
    """The schema that a file holds, as JSON. Raises `ValueError` for what is no object in JSON, and
    for what `check_schema` refuses."""
    if len(text) > SCHEMA_BYTES:
        raise ValueError(f"it has more than {SCHEMA_BYTES:,} characters")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError("it is not a JSON object")
    try:
        return check_schema(value)
    except ProblemAt as problem:
        place = "".join(
            f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem.location
        )
        raise ValueError(f"at ${place}: {problem}") from None


def check_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema as JSON has it. Raises `ProblemAt` for what is no schema, or refers to anything
    outside itself, and `ValueError` for what is too large or has no JSON form."""
    try:
        text = json.dumps(schema, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"it has no JSON form: {error}") from None
    if len(text) > SCHEMA_BYTES:
        raise ValueError(f"it has {len(text):,} characters, over the limit of {SCHEMA_BYTES:,}")
    value: dict[str, Any] = json.loads(text)
    kind = validator_for(value, default=None if "$schema" in value else Draft202012Validator)
    if kind is None:
        raise ProblemAt("not a dialect of JSON Schema that is known here", "$schema")
    try:
        kind.check_schema(value)
    except SchemaError as error:
        what = f"not a JSON Schema: {shortened(error.message, _SHOWN_CHARS)}"
        raise ProblemAt(what, *error.absolute_path) from None
    specification = specification_with(value["$schema"]) if "$schema" in value else DRAFT202012
    resolver = Registry[Any]().resolver_with_root(specification.create_resource(value))
    for place, name, target in _ids(value, ()):
        if name == "$id":
            raise ProblemAt("a schema within a schema has no `$id`", *place, name)
        if not target.startswith("#"):
            what = "nothing outside the schema is read: refer to a part of it, as #/$defs/name"
            raise ProblemAt(what, *place, name)
        try:
            resolver.lookup(target)
        except Unresolvable:
            raise ProblemAt("there is no such part of the schema", *place, name) from None
    instances: tuple[Any, ...] = (None, {}, [])
    for data in instances:
        try:
            next(validator(text).iter_errors(data), None)
        except RecursionError:
            raise ValueError("it refers to itself without end") from None
    return value


def _ids(schema: Any, place: tuple[str | int, ...]) -> Iterator[tuple[Any, str, str]]:
    """Where the schema refers to something, or a schema within it has a name: the place, the
    keyword and its text."""
    if isinstance(schema, dict):
        for name, value in schema.items():
            if isinstance(value, str) and (name in _REFERENCES or (name == "$id" and place)):
                yield place, name, value
            elif name not in _VALUES:
                yield from _ids(value, (*place, name))
    elif isinstance(schema, list):
        for position, value in enumerate(schema):
            yield from _ids(value, (*place, position))
