"""The licence of every pinned package, as an SPDX expression.

`python -m tests.supply_chain.licences` writes them to requirements/licences.toml, from the
packages' own metadata. It installs what neither environment holds into a temporary folder.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Final

from license_expression import (  # type: ignore[import-untyped]
    ExpressionError,
    get_spdx_licensing,
)
from packaging.utils import canonicalize_name

from tests.supply_chain.pins import AZURITE, CONSOLE, ROOT, TYPESCRIPT, Pin, files, npm_pins, pins

FILE: Final = ROOT / "requirements" / "licences.toml"
ENVIRONMENTS: Final = (".venv", ".venv-deploy")

READ: Final = {
    # "BSD" or "BSD License" in the metadata; which one, LICENSE or the head of a source says.
    "antlr4-python3-runtime": "BSD-3-Clause",
    "cached-property": "BSD-3-Clause",
    "click": "BSD-3-Clause",
    "colorama": "BSD-3-Clause",
    "dockerfile-parse": "BSD-3-Clause",
    "gitdb": "BSD-3-Clause",
    "isodate": "BSD-3-Clause",
    "itsdangerous": "BSD-3-Clause",
    "jinja2": "BSD-3-Clause",
    "mpmath": "BSD-3-Clause",
    "networkx": "BSD-3-Clause",
    "ply": "BSD-3-Clause",
    "semantic-version": "BSD-2-Clause",
    "cronsim": "BSD-3-Clause",
    # Nothing, several licences, or a sentence in the metadata.
    "contextlib2": "PSF-2.0 AND Apache-2.0",
    "cookiecutter": "BSD-3-Clause",
    "docutils": (
        "LicenseRef-scancode-public-domain AND PSF-2.0 AND BSD-2-Clause AND GPL-3.0-or-later"
    ),
    "packaging": "Apache-2.0 OR BSD-2-Clause",
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
    "sympy": "BSD-3-Clause AND MIT",
    "text-unidecode": "Artistic-1.0-Perl OR GPL-2.0-or-later",
    "unionfs": "Unlicense",
    "uri-templates": "LicenseRef-scancode-public-domain",  # the address of that text
}
"""What the LICENSE of a package says whose metadata leaves it open."""

_HEADER: Final = """\
# The licence of every pinned package, as an SPDX expression. Written by `make licences` from the
# packages' metadata; the licences gate says which are allowed.

"""
_MEANT: Final = {
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "mit license": "MIT",
    "mit no attribution license (mit-0)": "MIT-0",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "bsd 2-clause license": "BSD-2-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "psfl": "PSF-2.0",
    "python software foundation license": "PSF-2.0",
    "zlib/libpng license": "Zlib",
}
"""SPDX's identifiers of what metadata says in other words."""
SPDX: Final = get_spdx_licensing()
"""Reads expressions; making it takes a moment."""


def table() -> dict[str, str]:
    """The licences in the file, by pin: `{"boto3==1.44.5": "Apache-2.0", ...}`."""
    found: dict[str, str] = tomllib.loads(FILE.read_text(encoding="utf-8"))["licences"]
    return found


def npm_table() -> dict[str, str]:
    """The licences of the npm packages, by pin. npm's lock files have them already."""
    return {
        str(pin): READ.get(pin.name, given)
        for lock in (AZURITE, CONSOLE, TYPESCRIPT)
        for pin, given in npm_pins(lock)
    }


def every_pin() -> dict[str, str]:
    """Each pin of each file, and the first file that has it."""
    return {str(pin): file for file in reversed(files()) for pin in pins(file)}


def stated(distribution: Distribution) -> str | None:
    """The licence in the metadata of an installed package, or None if that leaves it open."""
    metadata = distribution.metadata.json
    classifiers = [
        each.rpartition(" :: ")[2]
        for each in metadata.get("classifier", [])
        if each.startswith("License :: ")
    ]
    for given in (metadata.get("license_expression"), metadata.get("license")):
        if given and (found := _expression(str(given))):
            return found
    return _expression(classifiers[0]) if len(classifiers) == 1 else None


def _expression(given: str) -> str | None:
    meant = _MEANT.get(given.strip().lower(), given.strip())
    try:
        return str(SPDX.parse(meant, validate=True))
    except ExpressionError:
        return None


def installed(site_packages: Iterable[Path]) -> dict[str, Distribution]:
    """The packages in these folders, by pin."""
    return {
        f"{canonicalize_name(each.name)}=={each.version}": each
        for each in distributions(path=[str(path) for path in site_packages])
    }


def licence(pin: str, distribution: Distribution) -> str:
    """An empty text if neither the metadata nor `READ` knows it; the gate names the package."""
    return stated(distribution) or READ.get(pin.partition("==")[0], "")


@cache
def here() -> dict[str, Distribution]:
    """What the project's environments hold."""
    return installed(
        p for name in ENVIRONMENTS for p in (ROOT / name).glob("lib/python*/site-packages")
    )


def collect() -> dict[str, str]:
    """The licence of every pin, from metadata here or in a temporary folder."""
    wanted = every_pin()
    found = dict(here())
    with tempfile.TemporaryDirectory() as folder:
        missing = [pin for file in files() for pin in pins(file) if str(pin) not in found]
        for number, pin in enumerate(dict.fromkeys(missing)):
            found |= installed([_fetched(pin, Path(folder, str(number)))])
        return {pin: licence(pin, found[pin]) for pin in sorted(wanted)}


def _fetched(pin: Pin, folder: Path) -> Path:
    """The folder with this package alone, for the first platform and Python that it is made for."""
    said = ""
    for platform in ("linux", "windows", "macos"):
        for python in ("3.13", "3.11"):
            ran = subprocess.run(
                [Path(sys.executable).with_name("uv"), "pip", "install", "--quiet", "--no-deps",
                 "--only-binary", ":all:", "--python-platform", platform,
                 "--python-version", python, "--target", folder, str(pin)],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            if ran.returncode == 0:
                return folder
            said = ran.stderr
    raise SystemExit(f"error: {pin} cannot be installed, so its licence is not known:\n{said}")


def main() -> None:
    rows = "".join(f'"{pin}" = "{found}"\n' for pin, found in collect().items())
    FILE.write_text(f"{_HEADER}[licences]\n{rows}", encoding="utf-8")
    sys.stdout.write(f"{FILE.relative_to(ROOT)}: {len(every_pin())} packages\n")


if __name__ == "__main__":
    main()
