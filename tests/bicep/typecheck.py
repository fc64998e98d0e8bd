"""Resources against Azure's type definitions: version, properties, what is required, literals.

These are the compiler's BCP035, BCP036, BCP037 and BCP073. An expression is of any type, so one
that stands for a whole object passes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from tests.bicep.definitions import Definition
from tests.support.bicep_model import Choice, Each, Expression, Resource, Value

PREVIEWS: Final = {
    "Microsoft.Insights/diagnosticSettings": "2021-05-01-preview",
}
"""Types whose newest stable version lacks a feature that is needed: the one of 2016 has no category
groups."""

_BICEPS_OWN: Final = {"parent", "scope", "dependsOn"}


def problems(resource: Resource, definition: Definition) -> Iterator[str]:
    expected = PREVIEWS.get(resource.type, definition.version)
    if resource.version != expected:
        yield f"version {resource.version}: the newest stable one is {expected}"
    if definition.body is not None and not resource.existing:
        body = {name: given for name, given in resource.body.items() if name not in _BICEPS_OWN}
        yield from _object(definition.body, body, definition, "")


def _object(
    type: dict[str, Any], given: dict[str, Value], definition: Definition, at: str
) -> Iterator[str]:
    if type["$type"] == "DiscriminatedObject":
        key = type["discriminator"]
        kinds = {_literal(element, key): element for element in type["elements"]}
        if (kind := given.get(key)) not in kinds:
            yield f"{at}.{key}: {kind!r} is none of {sorted(kinds)}"
            return
        type = {**kinds[kind], "properties": kinds[kind]["properties"] + type["baseProperties"]}
    properties = {each["name"]: each for each in type["properties"]}
    rest = type.get("additionalPropertiesType")
    for name, each in properties.items():
        if "Required" in each.get("flags", "") and name not in given:
            yield f"{at}.{name} is required"
    for name, content in given.items():
        where = f"{at}.{name}"
        if name not in properties:
            if rest is None:
                yield f"{where}: there is no such property"
            else:
                yield from _value(rest, "", content, definition, where)
        elif "ReadOnly" in properties[name].get("flags", ""):
            yield f"{where} cannot be set"
        else:
            each = properties[name]
            yield from _value(each["type"], each.get("modifiers", ""), content, definition, where)


def _literal(element: dict[str, Any], key: str) -> str:
    [found] = [p["type"] for p in element["properties"] if p["name"] == key]
    return str(found)


def _value(
    type: str, modifiers: str, given: Value, definition: Definition, at: str
) -> Iterator[str]:
    match given:
        case Choice():
            yield from _value(type, modifiers, given.yes, definition, at)
            yield from _value(type, modifiers, given.no, definition, at)
        case Each():
            yield from _value(type, modifiers, [given.body], definition, at)
        case Expression() | None:
            return
        case list():
            if type == "any":
                return
            if not type.endswith("[]"):
                yield f"{at}: an array, where {type} is wanted"
                return
            for i, each in enumerate(given):
                yield from _value(type.removesuffix("[]"), "", each, definition, f"{at}[{i}]")
        case dict():
            if type in definition.types:
                yield from _object(definition.types[type], given, definition, at)
            elif type not in {"any", "object"}:
                yield f"{at}: an object, where {type} is wanted"
        case bool():
            if type not in {"bool", "any"}:
                yield f"{at}: a boolean, where {type} is wanted"
        case int():
            if type not in {"int", "any"}:
                yield f"{at}: a number, where {type} is wanted"
            yield from _bounds(given, modifiers, "Value", at)
        case str():
            choices = type.split(" | ")
            if type in definition.types or type in {"int", "bool"} or type.endswith("[]"):
                yield f"{at}: a string, where {type} is wanted"
            elif given not in choices and type not in {"string", "any"}:
                yield f"{at}: {given!r} is none of {type}"
            yield from _bounds(len(given), modifiers, "Length", at)
            if (wanted := re.search(r"pattern: (.*)$", modifiers)) and not re.search(
                wanted[1], given
            ):
                yield f"{at}: {given!r} does not match {wanted[1]}"
        case _:
            raise AssertionError(f"{at}: {given!r} is not a value of Bicep")


def _bounds(size: int, modifiers: str, what: str, at: str) -> Iterator[str]:
    for bound in re.finditer(rf"(min|max){what}: (\d+)", modifiers):
        limit = int(bound[2])
        if size < limit if bound[1] == "min" else size > limit:
            yield f"{at}: {size} is beyond {bound[0]}"
