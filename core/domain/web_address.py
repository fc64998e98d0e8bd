"""Web addresses to which, or from which, only the right server can be heard."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


def is_private(url: str) -> bool:
    """Whether nobody on the way can read or change what is exchanged: https, or http on this
    machine. Raises `ValueError` for what is no address."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
