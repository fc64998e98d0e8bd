"""The routing table of this process: compiled when the package was built, or else now.

`python -m core.config.routing_table [FILE] --output OUT` writes a table that needs neither YAML
nor pydantic to load. Packages carry one beside this module; where there is none, and where
TIDEGATE_ROUTES names a YAML file, the table is compiled at the start, and the log says so.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sys
from pathlib import Path
from typing import Any, Final

from core.domain.routing.table import RoutingTable
from core.errors import ConfigFileError, quoted

SHIPPED_ROUTES: Final = Path(__file__).with_name("routes.yaml")
"""The routing table when TIDEGATE_ROUTES is not set."""
COMPILED: Final = Path(__file__).with_name("routes.compiled.json")
"""The table that a package carries. `make routes` and the packaging of the Lambda functions write
it; it is not in the repository."""

log = logging.getLogger(__name__)


def routing_table(routes: Path | None) -> RoutingTable:
    """The table that `routes` names, in YAML or compiled (`.json`); where it is None, the one that
    the package carries, or else the one shipped. Raises `ConfigFileError`."""
    if routes is not None and routes.suffix == ".json":
        return _table(routes, _read(routes))
    if routes is None and COMPILED.exists():
        compiled = _read(COMPILED)
        made_of, shipped = compiled.get("made_of"), _digest(SHIPPED_ROUTES)
        if made_of is None or shipped in (None, made_of):
            return _table(COMPILED, compiled)
        log.warning(
            "%s is older than %s: write it again with `make routes`", COMPILED, SHIPPED_ROUTES
        )
    from core.config.files import load_routes

    table = load_routes(routes or SHIPPED_ROUTES).compiled()
    log.info(
        "routing table %s: compiled at the start, digest %s", routes or "shipped", table.digest
    )
    return table


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(value, dict):
            return value
        raise ValueError("it is not a JSON object")
    except (OSError, ValueError, RecursionError) as error:
        raise _not_compiled(path, error) from error


def _table(path: Path, compiled: dict[str, Any]) -> RoutingTable:
    try:
        return RoutingTable.from_json(compiled)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _not_compiled(path, error) from error


def _not_compiled(path: Path, error: Exception) -> ConfigFileError:
    return ConfigFileError(
        [f"{path}: not a compiled routing table of this version: {quoted(error)}"],
        fix="write it with `make routes`, or name the YAML file itself",
    )


def _digest(path: Path) -> str | None:
    """The digest of a file; None if it is not there, as in a package without YAML."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def main(arguments: list[str]) -> int:
    """Compile a table. Returns 2 if the file is invalid, after a line for each problem."""
    import argparse

    from core.config.files import load_routes

    parser = argparse.ArgumentParser(prog="routing_table", description="Compile a routing table.")
    parser.add_argument("file", nargs="?", type=Path, default=SHIPPED_ROUTES)
    parser.add_argument("--output", type=Path, default=COMPILED)
    options = parser.parse_args(arguments)
    try:
        table = load_routes(options.file).compiled()
    except ConfigFileError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    compiled = table.to_json()
    if options.file.resolve() == SHIPPED_ROUTES:  # which may be edited, and the file forgotten
        compiled["made_of"] = _digest(SHIPPED_ROUTES)
    options.output.write_text(json.dumps(compiled, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{options.output}: {len(table.routes)} routes, digest {table.digest}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
