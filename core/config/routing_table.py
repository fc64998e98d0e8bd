"""The routing table of this process: compiled when the package was built, or else now.

`python -m core.config.routing_table [FILE] --output OUT` writes a table that needs neither YAML
nor pydantic to load. Packages carry one beside this module; where there is none, and where
TIDEGATE_ROUTES names a YAML file, the table is compiled at the start, and the log says so.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import Final

from core.domain.routing.table import RoutingTable
from core.errors import ConfigFileError

COMPILED: Final = Path(__file__).with_name("routes.compiled.json")
"""The table that a package carries. `make routes` and the packaging of the Lambda functions write
it; it is not in the repository."""

log = logging.getLogger(__name__)


def routing_table(routes: Path | None) -> RoutingTable:
    """The table that `routes` names, in YAML or compiled (`.json`); where it is None, the one that
    the package carries, or else the one shipped. Raises `ConfigFileError`."""
    if routes is None and COMPILED.exists():
        routes = COMPILED
    if routes is not None and routes.suffix == ".json":
        return _load(routes)
    from core.config.files import SHIPPED_ROUTES, load_routes

    table = load_routes(routes or SHIPPED_ROUTES).compiled()
    log.info(
        "routing table %s: compiled at the start, digest %s", routes or "shipped", table.digest
    )
    return table


def _load(path: Path) -> RoutingTable:
    try:
        return RoutingTable.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigFileError(
            [f"{path}: it is not a compiled routing table: {error}"],
            fix="write it with `make routes`, or name the YAML file itself",
        ) from error


def main(arguments: list[str]) -> int:
    """Compile a table. Ends with 2 where the file is wrong, with a line for each problem."""
    from core.config.files import SHIPPED_ROUTES, load_routes

    parser = argparse.ArgumentParser(prog="routing_table", description="Compile a routing table.")
    parser.add_argument("file", nargs="?", type=Path, default=SHIPPED_ROUTES)
    parser.add_argument("--output", type=Path, default=COMPILED)
    options = parser.parse_args(arguments)
    try:
        table = load_routes(options.file).compiled()
    except ConfigFileError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    options.output.write_text(json.dumps(table.to_json(), indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{options.output}: {len(table.routes)} routes, digest {table.digest}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
