"""Writes docs/schemas/openapi.json, the description of the HTTP API.

python -m tests.openapi_document
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from core.app.api.application import OPERATIONS
from core.app.api.openapi import document

FILE: Final = Path(__file__).parents[1] / "docs" / "schemas" / "openapi.json"


def draw() -> str:
    return f"{json.dumps(document(OPERATIONS), indent=2, ensure_ascii=False)}\n"


if __name__ == "__main__":
    FILE.write_text(draw(), encoding="utf-8")
