"""The routing table's file: `routes.yaml`, the one shipped or the operator's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from core import yaml_file
from core.domain.routing import RoutingTable

SHIPPED: Final = Path(__file__).with_name("routes.yaml")
"""The table used where TIDEGATE_ROUTES names none."""


def load_routes(path: Path) -> RoutingTable:
    """Raises `ConfigFileError` naming file, line and field of every problem."""
    return yaml_file.load(path, RoutingTable)


def schema() -> dict[str, Any]:
    """The file's JSON Schema, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tidegate routing table",
        **{k: v for k, v in RoutingTable.model_json_schema().items() if k != "title"},
    }
