"""The parameters of the templates in infra/azure, as they are declared."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from tests.support.azure_snapshot import AZURE

TEMPLATES = sorted(path.relative_to(AZURE).as_posix() for path in AZURE.rglob("*.bicep"))

_DECORATOR = r"@\w+\((?:[^\n]*|\[\n(?:  [^\n]*\n)+\])\)\n"
_PARAMETER = re.compile(
    rf"^(?P<decorators>(?:{_DECORATOR})*)"
    r"param (?P<name>\w+) (?P<type>[^=\n]+?)(?: = (?P<default>.+))?$",
    re.M,
)


@dataclass(frozen=True)
class Parameter:
    name: str
    type: str
    default: str | None
    decorators: dict[str, str]

    @property
    def required(self) -> bool:
        return self.default is None and not self.type.endswith("?")


@cache
def parameters(template: str) -> dict[str, Parameter]:
    """By name, for a template like `modules/storage.bicep`. Defaults and decorators' arguments are
    expressions, as text."""
    text = (AZURE / template).read_text(encoding="utf-8")
    found = {
        each["name"]: Parameter(
            each["name"],
            each["type"],
            each["default"],
            dict(re.findall(r"^@(\w+)\((.*?)\)$", each["decorators"], re.M | re.S)),
        )
        for each in _PARAMETER.finditer(text)
    }
    assert len(found) == len(re.findall(r"^param ", text, re.M)), template
    return found
