"""Exports of other products, made up after the shapes that these document, and what they become."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

from core.operations.oncall_import.files import Imported
from core.operations.oncall_import.translate import translate

FOLDER: Final = Path(__file__).parents[1] / "events" / "oncall"
NAMES: Final = ("opsgenie", "pagerduty", "grafana-oncall", "goalert")
EXPORTS: Final = {name: FOLDER / f"{name}.json" for name in NAMES}
NOW: Final = datetime(2026, 11, 25, 12, tzinfo=UTC)
"""When they were exported."""


@cache
def imported(product: str, *, now: datetime = NOW) -> Imported:
    """What the product's export becomes at a moment."""
    return translate(product, EXPORTS[product].read_bytes(), f"{product}.json", now)
