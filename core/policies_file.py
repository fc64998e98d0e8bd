"""The policies' file: `policies.yaml`, the one shipped or the operator's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from core import yaml_file
from core.domain.incident.policies.file import Policies

SHIPPED: Final = Path(__file__).with_name("policies.yaml")
"""The policies used where TIDEGATE_POLICIES names no file."""


def load_policies(path: Path) -> Policies:
    """Raises `ConfigFileError` naming file, line and field of every problem."""
    return yaml_file.load(path, Policies)


def schema() -> dict[str, Any]:
    """The file's JSON Schema, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tidegate incident policies",
        **{k: v for k, v in Policies.model_json_schema().items() if k != "title"},
    }
