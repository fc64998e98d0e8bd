"""Bicep files as data, for tests that hold the templates to their promises.

A reader, not a compiler: the language's published tree-sitter grammar makes the tree, this module
makes values of it. Nothing is evaluated. Literals, objects and arrays become Python's own; every
other expression keeps its text and the values inside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

_PARSER = Parser(Language(tree_sitter_bicep.language()))

Value: TypeAlias = Any
"""dict, list, str, int, bool or None as Bicep says it literally, or one of the classes below."""


class NotBicep(ValueError):
    """The grammar has no rule for what stands there; the message says where."""


@dataclass(frozen=True, slots=True)
class Expression:
    """What only a deployment can work out; `parts` are the values inside, in the order written."""

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
        """The only one of its type that the file makes."""
        [found] = [r for r in self.resources if r.type == type and not r.existing]
        return found


def read(path: Path) -> BicepFile:
    """Raises `NotBicep`."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".bicepparam":
        # The grammar knows a parameter file only as a template whose assignments lack their types.
        text = "".join(_as_variable(line) for line in text.splitlines(keepends=True))
    root = _PARSER.parse(text.encode()).root_node
    for node in walk(root):
        if node.is_error or node.is_missing:
            raise NotBicep(f"{path.name}:{node.start_point[0] + 1}: {said(node)[:60]!r}")
    file = BicepFile(path, root)
    decorators: dict[str, Value] = {}
    for node in root.named_children:
        if node.type == "decorators":
            decorators = dict(_decorator(each) for each in node.named_children)
            continue
        _declare(file, node, decorators)
        decorators = {}
    return file


def _as_variable(line: str) -> str:
    return "var " + line.removeprefix("param ") if line.startswith("param ") else line


def _declare(file: BicepFile, node: Node, decorators: dict[str, Value]) -> None:
    children = node.named_children
    match node.type:
        case "target_scope_assignment":
            file.scope = value(children[0])
        case "parameter_declaration":
            name, type, *default = children
            file.params[said(name)] = Param(
                said(name),
                said(type),
                value(default[0]) if default else None,
                not default and not said(type).endswith("?"),
                decorators,
            )
        case "variable_declaration":
            file.variables[said(children[0])] = value(children[-1])
        case "output_declaration":
            file.outputs[said(children[0])] = value(children[-1])
        case "resource_declaration":
            file.resources += _resources(node, "")
        case "module_declaration":
            body, _, condition = _unwrapped(children[-1])
            path = file.path.parent / value(children[1])
            file.modules.append(Module(said(children[0]), path, value(body), condition))


def _resources(node: Node, within: str) -> Iterator[Resource]:
    """The resource that is declared, and those declared inside it."""
    name, reference, inside = node.named_children
    type, _, version = str(value(reference)).partition("@")
    if within:
        parent, version = within.split("@")
        type = f"{parent}/{type}"
    existing = any(child.type == "existing" for child in node.children)
    body, over, condition = _unwrapped(inside)
    yield Resource(said(name), type, version, existing, value(body), over, condition)
    for child in body.named_children:
        for nested in child.named_children:
            if nested.type == "resource_declaration":
                yield from _resources(nested, f"{type}@{version}")


def _unwrapped(node: Node) -> tuple[Node, Value, Value]:
    """The object behind a loop and a condition; what is looped over; the condition."""
    over = condition = None
    if node.type == "for_statement":
        over, node = value(node.named_children[1]), node.named_children[-1]
    if node.type == "if_statement":
        condition, node = value(node.named_children[0]), node.named_children[1]
    return node, over, condition


def _decorator(node: Node) -> tuple[str, Value]:
    call = node.named_children[0]
    arguments = [value(each) for each in call.named_children[1].named_children]
    return said(call.named_children[0]), arguments[0] if arguments else True


def value(node: Node) -> Value:
    children = [child for child in node.named_children if child.type != "comment"]
    match node.type:
        case "string":
            if any(child.type == "interpolation" for child in children):
                return Expression(said(node), tuple(value(child) for child in children))
            return "".join(_unescaped(child) for child in children)
        case "string_content" | "escape_sequence":
            return _unescaped(node)
        case "number":
            return int(said(node))
        case "boolean":
            return said(node) == "true"
        case "null":
            return None
        case "array":
            return [value(child) for child in children]
        case "object":
            return dict(_property(child) for child in children if len(child.named_children) == 2)
        case "ternary_expression":
            return Choice(*(value(child) for child in children))
        case "for_statement":
            return Each(value(children[1]), value(children[-1]))
        case _:
            return Expression(said(node), tuple(value(child) for child in children))


def _property(node: Node) -> tuple[str, Value]:
    key, content = node.named_children
    return said(key) if key.type == "identifier" else said(key)[1:-1], value(content)


def _unescaped(node: Node) -> str:
    text = said(node)
    return text[1:] if node.type == "escape_sequence" else text


def said(node: Node) -> str:
    """The node's text."""
    return (node.text or b"").decode()


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it."""
    yield node
    for child in node.children:
        yield from walk(child)


def inside(given: Value) -> Iterator[Value]:
    """The value and all values inside it, however deep."""
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
