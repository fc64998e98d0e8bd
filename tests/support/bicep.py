"""Bicep files as data, for tests that hold the templates to their promises.

A reader, not a compiler: the language's published tree-sitter grammar makes the tree, this module
makes values of it. Nothing is evaluated. Literals, objects and arrays become Python's own; every
other expression keeps its text and the values inside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

from tests.support.bicep_model import (
    BicepFile,
    Choice,
    Each,
    Expression,
    Module,
    Param,
    Resource,
    Value,
)

_PARSER = Parser(Language(tree_sitter_bicep.language()))


class NotBicep(ValueError):
    """The grammar cannot parse the file; the message says where."""


def read(path: Path) -> BicepFile:
    """Raises `NotBicep`."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".bicepparam":
        # The grammar parses a parameter file only as a template whose parameters lack their types.
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
        case _:
            pass  # comments and diagnostics


def _resources(node: Node, within: str) -> Iterator[Resource]:
    """A declared resource, and those declared inside it."""
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
    """The object inside a loop and a condition, what is looped over, and the condition."""
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
        case "member_expression" if children[0].type == "ternary_expression":
            # The grammar reads `a ? b : c.d` as `(a ? b : c).d`; Bicep does not.
            return _ending(value(children[0]), said(node).removeprefix(said(children[0])))
        case "for_statement":
            return Each(value(children[1]), value(children[-1]))
        case _:
            return Expression(said(node), tuple(value(child) for child in children))


def _ending(choice: Choice, rest: str) -> Choice:
    """The choice, with the access moved back into its last alternative."""
    last: Value = Expression(f"{getattr(choice.no, 'text', choice.no)}{rest}")
    if isinstance(choice.no, Choice):
        last = _ending(choice.no, rest)
    return Choice(choice.condition, choice.yes, last)


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
