"""What the languages have in common: comments, folded to a width."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Final

from core.operations.contract.events import EVENTS

WIDTH: Final = 100
ABOUT: Final = (
    "Tidegate's events, as workflows get them: CloudEvents in JSON. Copy this file into your "
    "worker; `tidegate contract` prints it. Whatever it does not name may come as well: ignore it."
)


def folded(text: str, prefix: str, *, first: str | None = None, room: int = 0) -> Iterator[str]:
    """The text in lines that begin with `prefix`, or the first with `first`, and leave `room`."""
    yield from textwrap.wrap(
        text,
        WIDTH - room,
        initial_indent=prefix if first is None else first,
        subsequent_indent=prefix,
        break_on_hyphens=False,
        break_long_words=False,
    )


def own_types() -> list[str]:
    """The names of the types of Tidegate's own events."""
    return [each.name for each in EVENTS]
