"""The pure folders read no clock, draw no random numbers and do no I/O, as CONTRIBUTING.md says."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PURE = ("core/domain", "core/formats", "core/ports")
FILES = sorted(path for folder in PURE for path in (ROOT / folder).rglob("*.py"))

MODULES = {
    "asyncio",
    "http",
    "io",
    "os",
    "pathlib",
    "random",
    "secrets",
    "shutil",
    "socket",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "urllib.request",
}
BUILTINS = {"input", "open", "print"}
NAMES = {"now", "today", "utcnow", "uuid1", "uuid4"}
"""Of `datetime`, `date` and `uuid`."""


def impurities(source: str) -> list[str]:
    """Whatever the source imports or calls that makes it impure, with the line."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import():
                names = [alias.name for alias in node.names]
            case ast.ImportFrom(module=str(module)):
                names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
            case ast.Call(func=ast.Name(id=name)) if name in BUILTINS:
                names = [name]
            case ast.Attribute(attr=name) if name in NAMES:
                names = [ast.unparse(node)]
            case _:
                continue
        found += [f"line {node.lineno}: {name}" for name in names if _is_impure(name)]
    return found


def _is_impure(name: str) -> bool:
    parts = name.split(".")
    prefixes = {".".join(parts[:count]) for count in range(1, len(parts) + 1)}
    return bool(prefixes & MODULES or parts[-1] in NAMES or name in BUILTINS)


def test_the_pure_folders_are_found() -> None:
    assert {path.relative_to(ROOT).parts[1] for path in FILES} == {"domain", "formats", "ports"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_pure_module_has_no_clock_no_randomness_and_no_io(path: Path) -> None:
    found = impurities(path.read_text(encoding="utf-8"))
    assert not found, (
        f"{path.relative_to(ROOT)} is not pure: take the value as an argument from the caller, or "
        f"do it in core/adapters or a worker's activities: {found}"
    )


@pytest.mark.parametrize(
    "line",
    [
        "datetime.now(UTC)",
        "datetime.datetime.utcnow()",
        "date.today()",
        "import time",
        "from time import monotonic",
        "import random",
        "from secrets import token_hex",
        "uuid.uuid4()",
        "from uuid import uuid1",
        "open('file')",
        "from pathlib import Path",
        "from os import environ",
        "import os.path",
        "import socket",
        "import subprocess",
        "from urllib import request",
        "import urllib.request",
    ],
)
def test_what_is_impure_is_found(line: str) -> None:
    assert impurities(line)


@pytest.mark.parametrize(
    "line",
    ["def decide(now): return now", "from urllib.parse import quote", "uuid.uuid5(space, name)"],
)
def test_what_is_pure_is_not(line: str) -> None:
    assert not impurities(line)
