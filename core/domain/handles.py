"""Handles: what people type for an ID that nobody wants to type."""

from __future__ import annotations

import hashlib
import re
from typing import Final

LENGTH: Final = 6
ALPHABET: Final = "23456789bcdfghjkmnpqrstvwxz"
"""Digits and consonants that nobody mistakes for each other, and that spell no words."""

_HANDLE: Final = re.compile(f"[{ALPHABET}]{{{LENGTH}}}")


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


def is_handle(text: str) -> bool:
    """Whether the text may be a handle. It may be the beginning of an ID, too."""
    return _HANDLE.fullmatch(text) is not None
