"""Makes text from outside safe to show in terminals, pages, tables and file listings.

Control characters (terminals interpret them), bidirectional overrides (they disguise text) and lone
surrogates (they cannot be encoded) mean nothing in an incident and are removed without complaint.
"""

from __future__ import annotations

import re
from typing import Any, Final

_MEANINGLESS: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def clean(value: Any) -> Any:
    """Text without control characters and with line feeds only; other values as they are."""
    if not isinstance(value, str):
        return value
    return _MEANINGLESS.sub("", value.replace("\r\n", "\n").replace("\r", "\n"))


def one_line(value: Any) -> Any:
    """Text as one line with single blanks; other values as they are."""
    return " ".join(clean(value).split()) if isinstance(value, str) else value


def shortened(text: str, limit: int) -> str:
    """At most `limit` characters, ending in `...` if the text was longer."""
    if len(text) <= limit:
        return text
    return text[: limit - 3].rstrip() + "..." if limit > 3 else text[:limit]


def counted(count: int, one: str, more: str | None = None) -> str:
    """A number with its noun, e.g. `1 policy`; `more` is the plural where it does not end in s."""
    return f"{count:,} {one if count == 1 else more or f'{one}s'}"


def times(count: int) -> str:
    """How often: `once`, or `3 times`."""
    return "once" if count == 1 else f"{count:,} times"


def spelt(value: object) -> str:
    """A value of JSON as text: `true` rather than Python's `True`, and all else as `str` has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
