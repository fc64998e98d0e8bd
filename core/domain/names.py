"""The names that people give to what they declare, such as routes, targets, people and
heartbeats."""

from __future__ import annotations

import re
from typing import Final

NAME_PATTERN: Final = r"^[a-z0-9][a-z0-9_-]{0,62}$"

_NAME: Final = re.compile(NAME_PATTERN[1:-1])


def is_name(text: str) -> bool:
    """Whether something can have this name."""
    return _NAME.fullmatch(text) is not None
