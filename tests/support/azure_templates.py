"""The templates of infra/azure, parsed once, and queries for tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from tests.support import bicep, bicep_model
from tests.support.bicep_model import BicepFile, Expression, Resource, Value

ROOT = Path(__file__).parents[2]
AZURE = ROOT / "infra" / "azure"
TEMPLATES = sorted(AZURE.rglob("*.bicep"))
PARAMETERS = sorted(AZURE.rglob("*.bicepparam"))


@cache
def template(name: str) -> BicepFile:
    """By its path below infra/azure, without the suffix: `modules/storage`."""
    return bicep.read(AZURE / f"{name}.bicep")


def files() -> list[BicepFile]:
    return [template(str(path.relative_to(AZURE).with_suffix(""))) for path in TEMPLATES]


def made(type: str) -> list[tuple[BicepFile, Resource]]:
    """Every resource of a type, with its file."""
    return [(f, r) for f in files() for r in f.resources if r.type == type and not r.existing]


def at(given: Value, path: str) -> Value:
    """The value at a path like `properties.sku.name`, or None."""
    for part in path.split("."):
        given = given.get(part) if isinstance(given, dict) else None
    return given


def text(given: Value) -> str:
    """An expression's text, or the literal."""
    return given.text if isinstance(given, Expression) else str(given)


def named_values(given: Value) -> dict[str, Value]:
    """All `{ name: ..., value: ... }` and `{ name: ..., secretRef: ... }` inside, by name."""
    return {
        each["name"]: each.get("value", each.get("secretRef"))
        for each in bicep_model.inside(given)
        if isinstance(each, dict) and isinstance(each.get("name"), str) and len(each) == 2
    }
