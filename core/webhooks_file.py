"""The webhooks' file: `webhooks.yaml`. None is shipped: nobody may post until somebody says who."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core import yaml_file
from core.webhooks.endpoints import WebhookTable


def load_webhooks(path: Path) -> WebhookTable:
    """Raises `ConfigFileError` naming file, line and field of every problem."""
    return yaml_file.load(path, WebhookTable)


def schema() -> dict[str, Any]:
    """The file's JSON Schema, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tidegate webhooks",
        **{k: v for k, v in WebhookTable.model_json_schema().items() if k != "title"},
    }
