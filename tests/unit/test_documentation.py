"""The documentation is held true: what the code has, the documents name."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer

from core import errors, routes_file, settings
from core.cli import app
from core.domain.routing import Filter, Route, WhenRunning
from functions_aws.runtime import NotAccepted
from infra.local.processes import LocalStackError

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(p for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name, _, _ in settings.variables()])
def test_every_setting_is_documented(name: str) -> None:
    assert f"| `{name}` |" in text("docs/settings.md")


def test_no_setting_is_documented_that_does_not_exist() -> None:
    known = {name for name, _, _ in settings.variables()}
    for document in DOCUMENTS:
        named = set(re.findall(r"\bTIDEGATE_[A-Z_]+\b", document.read_text(encoding="utf-8")))
        assert named <= known, f"{document.name} names {named - known}"


def test_the_documented_defaults_are_the_settings_own() -> None:
    rows = dict(re.findall(r"^\| `(TIDEGATE_\w+)` \| ([^|]*) \|", text("docs/settings.md"), re.M))
    for name, default, _ in settings.variables():
        if isinstance(default, int | float | str):
            said = rows[name].strip()
            assert said == f"{default:g}" if isinstance(default, float) else said == str(default)


def kinds(base: type[object]) -> list[type[object]]:
    """A class and all classes below it."""
    found: list[type[object]] = [base]
    for child in base.__subclasses__():
        found += kinds(child)
    return found


@pytest.mark.parametrize("code", sorted({kind.__name__ for kind in kinds(errors.TidegateError)}))
def test_every_error_code_is_documented(code: str) -> None:
    assert {NotAccepted, LocalStackError} <= set(kinds(errors.TidegateError))
    assert f"| `{code}` |" in text("docs/errors.md")


def test_the_exception_tree_is_drawn_whole() -> None:
    picture = errors.__doc__ or ""
    defined = {n for n, v in vars(errors).items() if isinstance(v, type)}
    assert {name for name in defined if name not in picture} == set()


def commands(command: Any, path: str) -> list[str]:
    children: dict[str, Any] = getattr(command, "commands", {})
    if children:
        return [line for n, child in children.items() for line in commands(child, f"{path} {n}")]
    return [path]


@pytest.mark.parametrize("line", commands(typer.main.get_command(app), "tidegate"))
def test_every_command_is_documented(line: str) -> None:
    assert re.search(rf"^\| `{line}( [A-Z]+)?` \|", text("docs/cli.md"), re.M)


@pytest.mark.parametrize("model", [Route, Filter])
def test_every_field_of_a_route_is_documented(model: type[Route | Filter]) -> None:
    for name, field in model.model_fields.items():
        assert f"| `{field.alias or name}` |" in text("docs/routing.md")


@pytest.mark.parametrize("choice", list(WhenRunning))
def test_every_choice_of_when_running_is_documented(choice: WhenRunning) -> None:
    assert f"| `{choice}` |" in text("docs/routing.md")


def test_the_routes_schema_is_current() -> None:
    assert json.loads(text("docs/schemas/routes.schema.json")) == routes_file.schema()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    body = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", body):
        if "://" not in target:
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_the_example_table_of_the_documentation_is_valid(tmp_path: Path) -> None:
    [example] = re.findall(r"```yaml\n(.*?)```", text("docs/routing.md"), re.S)
    file = tmp_path / "routes.yaml"
    file.write_text(example, encoding="utf-8")
    assert [route.name for route in routes_file.load_routes(file).routes] == ["invoices"]
