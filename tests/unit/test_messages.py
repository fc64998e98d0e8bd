"""What the command prints can be followed where only the package is installed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = [
    file.relative_to(ROOT)
    for package in ("core", "functions_aws", "functions_azure", "workers", "infra/local")
    for file in sorted((ROOT / package).rglob("*.py"))
    if "infra/local/aws/sam/" not in file.as_posix()  # of a checkout only
]
PATH = re.compile(
    r"\b(?:docs|requirements|tests|infra/aws|infra/azure|infra/wheel)/\w|README|Makefile"
)
"""How a path begins that is in a checkout, and in no wheel."""


def messages(tree: ast.AST, *, helps: bool) -> Iterator[ast.Constant]:
    """Strings that may be printed: all but docstrings, of which functions' are with `helps`."""
    for node in ast.iter_child_nodes(tree):
        is_help = helps and isinstance(tree, ast.FunctionDef)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and not is_help:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node
        yield from messages(node, helps=helps)


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_no_message_sends_the_reader_to_a_file_that_a_wheel_lacks(module: Path) -> None:
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    found = messages(tree, helps=module.parts[:2] == ("core", "cli"))
    assert [f"{module}:{each.lineno}" for each in found if PATH.search(str(each.value))] == []
