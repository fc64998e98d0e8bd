"""Web addresses as others give them: their parts, and whether only the right server can be heard
there."""

from __future__ import annotations

from typing import Final
from urllib.parse import SplitResult, urlsplit

_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


def parsed(url: str) -> SplitResult | None:
    """The parts of an address; None for what cannot be one."""
    try:
        return urlsplit(url)
    except ValueError:  # brackets that hold no IP address, say
        return None


def is_private(url: str) -> bool:
    """Whether nobody on the way can read or change what is exchanged: https, or http on this
    machine."""
    parts = parsed(url)
    return parts is not None and (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    )
