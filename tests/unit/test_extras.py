"""What each extra brings, and what the command prints for a library that is not installed."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from sys import stdlib_module_names
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from core.extras import EXTRAS, WHOLE, install_command

ROOT = Path(__file__).parents[2]
PACKAGES = ("core", "functions_aws", "functions_azure", "workers", "infra")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OF_THE_PLATFORM = {"snapshot_restore_py"}
"""Modules that Lambda's runtime brings."""


def libraries(tree: ast.AST) -> Iterator[str]:
    """The modules from outside that code imports, except for type hints."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            top = name.partition(".")[0]
            if top not in {*PACKAGES, *OF_THE_PLATFORM, *stdlib_module_names}:
                yield top
        yield from libraries(node)


@cache
def imported(package: str) -> frozenset[str]:
    sources = (ROOT / package).rglob("*.py")
    return frozenset(name for file in sources for name in libraries(ast.parse(file.read_text())))


@cache
def brought(extra: str) -> frozenset[str]:
    """The distributions that are installed with an extra, or with the base, which is `""`."""
    found: set[str] = set()
    lines = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    todo = [(line, {""}) for line in lines]
    while todo:
        line, extras = todo.pop()
        each = Requirement(line)
        if each.marker and not any(each.marker.evaluate({"extra": extra}) for extra in extras):
            continue
        if each.name == PROJECT["name"]:
            found |= frozenset().union(*map(brought, each.extras))
        elif (name := canonicalize_name(each.name)) not in found:
            found.add(name)
            todo += [(line, {"", *each.extras}) for line in requires(name) or ()]
    return frozenset(found)


DISTRIBUTIONS = packages_distributions()


def brings(extra: str, library: str) -> bool:
    distributions = {canonicalize_name(name) for name in DISTRIBUTIONS[library]}
    return not distributions.isdisjoint(brought(extra))


def listing(library: str) -> list[str]:
    """The extras that list the library themselves, and do not only bring it."""
    distributions = {canonicalize_name(name) for name in DISTRIBUTIONS[library]}
    return [
        extra
        for extra, lines in PROJECT["optional-dependencies"].items()
        if not distributions.isdisjoint(canonicalize_name(Requirement(e).name) for e in lines)
    ]


@pytest.mark.parametrize("library", sorted(frozenset().union(*map(imported, PACKAGES))))
def test_every_library_comes_with_the_base_or_with_the_extra_of_the_table(library: str) -> None:
    if library not in EXTRAS:
        assert brings("", library)
    else:
        assert not brings("", library)
        assert brings(EXTRAS[library], library)
        assert EXTRAS[library] in (listing(library) or EXTRAS.values())


def test_the_table_names_no_library_that_nothing_imports() -> None:
    assert set(EXTRAS) <= frozenset().union(*map(imported, PACKAGES))


@pytest.mark.parametrize(("package", "extra"), WHOLE.items())
def test_the_extra_of_a_package_brings_all_that_it_imports(package: str, extra: str) -> None:
    assert [name for name in imported(package) if not brings(extra, name) | brings("", name)] == []


def missing(library: str, *importers: str) -> ModuleNotFoundError:
    """The error of an import by the last of these modules, which the one before it calls."""

    def call() -> None:
        raise ModuleNotFoundError(name=library)

    for importer in reversed(importers):
        scope: dict[str, Any] = {"__name__": importer, "then": call}
        exec("def call(): then()", scope)  # noqa: S102
        call = scope["call"]
    with pytest.raises(ModuleNotFoundError) as raised:
        call()
    return raised.value


@pytest.mark.parametrize(
    ("library", "importers", "extra"),
    [
        ("typer", ["tidegate", "core.cli.program"], "cli"),
        ("botocore.config", ["core.cli.main", "core.adapters.documents.s3"], "aws"),
        ("azure.storage", ["core.cli.main", "core.adapters.documents.azure_blob"], "azure"),
        ("requests", ["core.cli.local", "infra.local.dev", "infra.local.loopback"], "local"),
        ("boto3", ["core.cli.local", "infra.local.dev", "core.adapters.documents.s3"], "local"),
        ("boto3", ["core.cli.worker", "workers.incident.run_worker", "core.bootstrap"], "worker"),
    ],
)
def test_the_install_command_names_the_extra_of_whatever_needs_the_library(
    library: str, importers: list[str], extra: str
) -> None:
    command = install_command(missing(library, *importers))
    assert command is not None
    assert command.endswith(f" 'tidegate[{extra}]'")


@pytest.mark.parametrize(
    ("has_pip", "command"),
    [
        (True, "'/an environment/python' -m pip install 'tidegate[cli]'"),
        (False, "uv pip install --python '/an environment/python' 'tidegate[cli]'"),
    ],
)
def test_the_install_command_is_for_the_environment_that_lacks_the_library(
    has_pip: bool, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/an environment/python")
    monkeypatch.setattr("core.extras.find_spec", {"pip": has_pip}.get)
    assert install_command(missing("typer", "core.cli.program")) == command


@pytest.mark.parametrize("module", ["core.cli.nothing", "somebodys_module", "jmespath"])
def test_no_extra_brings_a_module_of_ours_of_others_or_of_the_base(module: str) -> None:
    assert install_command(missing(module, "core.cli.main", "infra.local.dev")) is None
