"""Every dependency has a licence that is allowed here.

Python's pins are looked up in requirements/licences.toml, which must agree with the pins and with
the metadata of what is installed; npm's in their lock file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Final

from license_expression import ExpressionError, LicenseSymbol  # type: ignore[import-untyped]

from tests.supply_chain import licences

ALLOWED: Final = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BlueOak-1.0.0",
        "CC0-1.0",
        "CNRI-Python",
        "ISC",
        "LicenseRef-scancode-public-domain",
        "MIT",
        "MIT-0",
        "PSF-2.0",
        "Unlicense",
        "Zlib",
    }
)
"""They ask for a notice at most: what is linked with them keeps its own licence."""

EXCEPTIONS: Final = {
    "axe-core": ("MPL-2.0", "a tool of the tests; not shipped"),
    "caniuse-lite": ("CC-BY-4.0", "a table of browsers, in a tool of the tests; not shipped"),
    "certifi": ("MPL-2.0", "a list of certificates, shipped as it is; no file of it is changed"),
    "docutils": (
        "LicenseRef-scancode-public-domain AND PSF-2.0 AND BSD-2-Clause AND GPL-3.0-or-later",
        "a part of AWS's command, a tool; not shipped",
    ),
    "hypothesis": ("MPL-2.0", "a tool of the tests; not shipped"),
    "orjson": ("MPL-2.0 AND (Apache-2.0 OR MIT)", "a part of checkov, a tool; not shipped"),
    "pathspec": ("MPL-2.0", "a part of mypy, a tool; not shipped"),
    "text-unidecode": (
        "Artistic-1.0-Perl OR GPL-2.0-or-later",
        "a part of SAM's command, a tool; not shipped",
    ),
    "recurring-ical-events": (
        "LGPL-3.0-or-later",
        "imported as it is published, with its LICENSE; whoever has an artefact can replace it",
    ),
    "tqdm": ("MPL-2.0 AND MIT", "a part of checkov, a tool; not shipped"),
    "x-wr-timezone": ("LGPL-3.0-or-later", "a part of recurring-ical-events, and like it"),
}
"""Packages with another licence: which, and why it does no harm here."""
_READ_IT: Final = "read its LICENSE, and put that into READ of tests/supply_chain/licences.py"
_DO_WITHOUT_IT: Final = (
    "do without the package, or give a reason in EXCEPTIONS of tests/gates/licences.py"
)


def allowed(expression: str) -> bool:
    """Whether an SPDX expression leaves a choice of which every part is in `ALLOWED`."""
    return _holds(licences.SPDX.parse(expression, validate=True))


def _holds(node: LicenseSymbol) -> bool:
    match getattr(node, "operator", "").strip():
        case "AND":
            return all(_holds(each) for each in node.args)
        case "OR":
            return any(_holds(each) for each in node.args)
        case _:
            return str(node) in ALLOWED


def refused(found: Mapping[str, str]) -> Iterator[str]:
    """A line for each pin whose licence is missing, unknown, or not allowed."""
    for pin, expression in found.items():
        name = pin.rpartition("==")[0]
        try:
            fine = bool(expression) and allowed(expression)
        except ExpressionError:
            yield f"{pin}: {expression!r} is no SPDX expression: {_READ_IT}"
            continue
        if not expression:
            yield f"{pin}: its licence is not known: {_READ_IT}"
        elif not fine and EXCEPTIONS.get(name, ("",))[0] != expression:
            yield f"{pin}: {expression} is not allowed: {_DO_WITHOUT_IT}"


def stale(pinned: Mapping[str, str], found: Mapping[str, str]) -> Iterator[str]:
    """A line for each pin that the file of licences misses, and for each that it has too many."""
    for pin, file in pinned.items():
        if pin not in found:
            yield f"{pin} ({file}) is not in requirements/licences.toml: run make licences"
    for pin in found:
        if pin not in pinned:
            yield f"{pin} in requirements/licences.toml is not pinned: run make licences"


def contradicted(found: Mapping[str, str], stated: Mapping[str, str]) -> Iterator[str]:
    """A line for each pin whose installed metadata states another licence than the file."""
    for pin, expression in stated.items():
        if found.get(pin, expression) != expression:
            yield (
                f"{pin}: requirements/licences.toml says {found[pin]!r}, "
                f"and the package {expression!r}: run make licences"
            )


def unused(found: Mapping[str, str]) -> Iterator[str]:
    """A line for each exception and each licence that was read for a package that is not pinned."""
    names = {pin.rpartition("==")[0] for pin in found}
    for name in sorted({*EXCEPTIONS, *licences.READ} - names):
        yield f"{name}: there is an exception for it, and it is not pinned: remove the exception"


def main() -> int:
    table, npm = licences.table(), licences.npm_table()
    stated = {pin: licences.licence(pin, each) for pin, each in licences.here().items()}
    faults = [
        *stale(licences.every_pin(), table),
        *contradicted(table, stated),
        *refused(table | npm),
        *unused(table | npm),
    ]
    for fault in faults:
        sys.stderr.write(f"{fault}\n")
    if not faults:
        sys.stdout.write(
            f"{len(table)} Python and {len(npm)} npm packages, "
            f"{len(set(table.values()) | set(npm.values()))} licences\n"
        )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
