"""The pinned packages, as `make requirements` writes them, and those that an artefact holds."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from packaging.markers import Marker, default_environment
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parents[2]
AZURITE: Final = "infra/local/azure/azurite/package-lock.json"
"""The pins of Azurite, the npm package that the local stack installs."""
CONSOLE: Final = "tests/support/npm/package-lock.json"
"""The pins of htmx, a file of which the console ships, and of what tests the console."""
TYPESCRIPT: Final = "tests/support/typescript/package-lock.json"
"""The pins of Temporal's TypeScript SDK and its compiler, which only tests install."""

_PIN: Final = re.compile(
    r"^(?P<name>[\w.-]+)==(?P<version>[^\s;\\]+)(?: ; (?P<marker>.*?))? \\\n(?P<rest>(?: .*\n?)+)",
    re.M,
)
_WANTED_BY: Final = re.compile(r"^ +# +(?:via )?([a-z][\w.-]*)(?: \(.*\))?$", re.M)


@dataclass(frozen=True, slots=True)
class Pin:
    name: str
    """Canonical: lower case, hyphens."""
    version: str
    digests: tuple[tuple[str, str], ...]
    """Algorithm and hexadecimal digest of each file of this version that may be installed."""
    wanted_by: tuple[str, ...] = ()
    """The packages that depend on it, `tidegate` among them."""
    marker: str = ""
    """The environments that it is for; empty for all."""

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"

    def fits(self, environment: Mapping[str, str]) -> bool:
        return not self.marker or Marker(self.marker).evaluate(dict(environment))


def files() -> list[str]:
    """The files of Python pins, by their path in the repository."""
    return [
        "requirements.txt",
        *sorted(f"requirements/{p.name}" for p in (ROOT / "requirements").glob("*.txt")),
    ]


@cache
def pins(file: str) -> tuple[Pin, ...]:
    """The pins of a file at this path of the repository."""
    return tuple(parse((ROOT / file).read_text(encoding="utf-8")))


def parse(text: str) -> list[Pin]:
    """The pins of a requirements file as uv writes it, with hashes and who wants each."""
    found = [
        Pin(
            name=canonicalize_name(match["name"]),
            version=match["version"],
            digests=tuple(
                ("sha256", each) for each in re.findall(r"--hash=sha256:(\w+)", match["rest"])
            ),
            wanted_by=tuple(sorted(set(_WANTED_BY.findall(match["rest"])) - {"via"})),
            marker=match["marker"] or "",
        )
        for match in _PIN.finditer(text)
    ]
    if len(found) != len(re.findall(r"^[^\s#]", text, re.M)):
        raise ValueError("a line is neither a pin with hashes nor a comment")
    return found


@cache
def npm_pins(lock: str, *, tools: bool = True) -> tuple[tuple[Pin, str], ...]:
    """The npm packages of a lock file, each with what its metadata states as its licence. Without
    `tools` only what is shipped."""
    packages = json.loads((ROOT / lock).read_text(encoding="utf-8"))["packages"]
    found: dict[tuple[str, str], tuple[Pin, str]] = {}
    for path, package in packages.items():
        if not path or (package.get("dev") and not tools):
            continue  # the project that asks for them, or what only tests it
        name = path.rpartition("node_modules/")[2]
        algorithm, _, digest = package["integrity"].partition("-")
        pin = Pin(name, package["version"], ((algorithm, b64decode(digest).hex()),))
        found[name, pin.version] = (pin, package.get("license", ""))
    return tuple(found[key] for key in sorted(found))


def environment(python: str, machine: str = "x86_64") -> dict[str, str]:
    """The markers' environment of CPython on Linux."""
    return {name: str(value) for name, value in default_environment().items()} | {
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
    }
