"""Names in a Bicep file: each that is used is declared, each that is declared is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tree_sitter import Node

from tests.support.bicep import said, walk
from tests.support.bicep_model import BicepFile

FUNCTIONS: Final = {
    "bool",
    "concat",
    "empty",
    "environment",
    "filter",
    "guid",
    "join",
    "json",
    "length",
    "map",
    "max",
    "min",
    "readEnvironmentVariable",
    "replace",
    "resourceGroup",
    "split",
    "string",
    "subscription",
    "subscriptionResourceId",
    "take",
    "toLower",
    "trim",
    "union",
    "uniqueString",
}
"""The Bicep functions that the templates use; add one when a template needs it."""

_DECLARATIONS: Final = {
    "parameter_declaration",
    "variable_declaration",
    "resource_declaration",
    "module_declaration",
    "import_functionality",
}
_MUST_BE_USED: Final = {"parameter_declaration", "variable_declaration", "import_functionality"}


def problems(file: BicepFile) -> Iterator[str]:
    declared = {said(n.named_children[0]): n for n in walk(file.root) if n.type in _DECLARATIONS}
    local = set(_locals(file.root))
    used = set()
    for node in walk(file.root):
        if node.type != "identifier" or _is_no_reference(node):
            continue
        name = said(node)
        line = node.start_point[0] + 1
        if node.parent and node.parent.type == "call_expression" and node == _callee(node.parent):
            if name not in FUNCTIONS:
                yield f"{file.path.name}:{line}: {name}() is not among the known functions"
            continue
        used.add(name)
        if name not in declared and name not in local:
            yield f"{file.path.name}:{line}: {name} is not declared"
    if file.path.suffix == ".bicep":
        for name, node in declared.items():
            exported = node.prev_sibling is not None and "@export()" in said(node.prev_sibling)
            existing = any(child.type == "existing" for child in node.children)
            unused = name not in used and not exported
            if unused and (node.type in _MUST_BE_USED or existing):
                yield f"{file.path.name}:{node.start_point[0] + 1}: {name} is declared and not used"


def _is_no_reference(node: Node) -> bool:
    """Whether the identifier names something where it is declared, or is a key or a type."""
    parent = node.parent
    if parent is None:
        return False
    first = parent.named_children[0] == node
    match parent.type:
        case "object_property" | "lambda_expression" | "output_declaration":
            return first
        case "type" | "array_type" | "nullable_type":
            return True
        case kind if kind in _DECLARATIONS:
            return first
        case "call_expression":
            return bool(parent.parent and parent.parent.type == "decorator")
        case _:
            return False


def _callee(call: Node) -> Node:
    return call.named_children[0]


def _locals(root: Node) -> Iterator[str]:
    for node in walk(root):
        if node.type in {"loop_variable", "loop_enumerator"}:
            yield said(node)
        elif node.type == "lambda_expression":
            yield said(node.named_children[0])
        elif only := node.child_by_field_name("initializer"):
            yield said(only)
