"""Handles: what people type for an ID that nobody wants to type, and which ID they mean by it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from typing import Final, NamedTuple

from core.domain.text import shortened
from core.errors import AmbiguousId, quoted

LENGTH: Final = 6
ALPHABET: Final = "23456789bcdfghjkmnpqrstvwxz"
"""Digits and consonants that nobody mistakes for each other, and that spell no words."""

NAMED: Final = 5
"""How many of those that fit an error names."""

_HANDLE: Final = re.compile(f"[{ALPHABET}]{{{LENGTH}}}")
_TITLE_CHARS: Final = 40


def handle_of(id: str) -> str:
    """The handle of an ID: six characters, always the same for the same ID.

    There are 387 million, so among 1,000 IDs two have the same handle in one of 800 cases; whoever
    looks one up asks which of the two is meant.
    """
    number = int.from_bytes(hashlib.sha256(id.encode(errors="surrogatepass")).digest()[:8])
    characters = []
    for _ in range(LENGTH):
        number, position = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[position])
    return "".join(characters)


def as_handle(text: str) -> str | None:
    """The handle that the text may be, also in capitals, as phones begin a line.
    It may be the beginning of an ID, too. None if it is no handle."""
    handle = text.lower()
    return handle if _HANDLE.fullmatch(handle) else None


class Named(NamedTuple):
    """Something with an ID, as people tell it from others. `over` means that nobody has to deal
    with it any more."""

    id: str
    title: str = ""
    over: bool = False


def meant(text: str, things: Collection[Named]) -> Named | None:
    """The one that the text names: by its ID, by its handle, or else by the beginning of its ID.
    A beginning means the only one that fits and is not over, or else the only one that fits.

    Raises `AmbiguousId`, which names up to five, when several fit.
    """
    if not text:
        return None
    exactly = [thing for thing in things if thing.id == text]
    by_handle = [thing for thing in things if handle_of(thing.id) == as_handle(text)]
    if found := exactly or by_handle:
        return _only(text, found)
    beginning = [thing for thing in things if thing.id.startswith(text)]
    return _only(text, [thing for thing in beginning if not thing.over] or beginning)


def _only(text: str, things: list[Named]) -> Named | None:
    if len(things) > 1:
        handles = [handle_of(thing.id) for thing in things]
        differ = len(set(handles)) == len(things)
        names = handles if differ else [thing.id for thing in things]
        shown = ", ".join(
            f"{name} {quoted(shortened(thing.title, _TITLE_CHARS))}" if thing.title else name
            for name, thing in zip(names[:NAMED], things, strict=False)
        )
        more = " and others" if len(things) > NAMED else ""
        fix = None if differ else "type the ID of the one that is meant: handles do not differ"
        raise AmbiguousId(f"{quoted(text)} fits several: {shown}{more}", fix=fix)
    return things[0] if things else None
