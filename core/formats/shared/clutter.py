"""Objects that nobody uploaded: the markers of folders, and what file managers leave in them."""

from __future__ import annotations

from typing import Final

_LEFTOVERS: Final = frozenset((".ds_store", "desktop.ini", "thumbs.db"))


def is_clutter(name: str, *, size: int | None) -> bool:
    """Whether an object of this name and size is no document. A removed one has no size."""
    is_marker = name.endswith("/") and not size
    return is_marker or name.rpartition("/")[2].lower() in _LEFTOVERS
