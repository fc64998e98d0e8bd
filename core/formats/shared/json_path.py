"""Values at paths into JSON of unknown shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def at(value: object, *path: str | int) -> Any:
    """The value at a path of names and positions, or None where the path leads nowhere."""
    for part in path:
        if isinstance(value, Mapping) and isinstance(part, str):
            value = value.get(part)
        elif isinstance(value, Sequence) and not isinstance(value, str) and isinstance(part, int):
            value = value[part] if -len(value) <= part < len(value) else None
        else:
            return None
    return value


def text(value: object, *path: str | int) -> str | None:
    """The text at a path, or the number as text; None for anything else and for empty text."""
    leaf = at(value, *path)
    if isinstance(leaf, str | int | float) and not isinstance(leaf, bool):
        return str(leaf) or None
    return None
