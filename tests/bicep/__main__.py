"""Checks every template in infra/azure; lists the problems and ends with exit code 1 if any."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from tests.bicep import names, typecheck
from tests.bicep.definitions import Definitions, NoDefinitions, definitions
from tests.support import bicep

AZURE = Path(__file__).parents[2] / "infra" / "azure"


def problems(known: Definitions) -> Iterator[str]:
    for path in sorted([*AZURE.rglob("*.bicep"), *AZURE.rglob("*.bicepparam")]):
        try:
            file = bicep.read(path)
        except bicep.NotBicep as error:
            yield str(error)
            continue
        yield from names.problems(file)
        for resource in file.resources:
            try:
                definition = known.of(resource.type)
            except LookupError:
                yield f"{path.name}: {resource.name}: there is no type {resource.type}"
                continue
            for problem in typecheck.problems(resource, definition):
                yield f"{path.name}: {resource.name}: {problem}"


def main() -> int:
    try:
        with definitions() as known:
            found = list(problems(known))
    except NoDefinitions as error:
        found = [str(error)]
    for problem in found:
        sys.stderr.write(f"{problem}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
