"""Text of senders, made safe for terminals and logs.

A control character within it could move the cursor, set the clipboard, forge a line of a log, or
show letters in another order than they have. So it is spelled out wherever text leaves the process
for somebody's eyes.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

_UNSAFE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without tab and line feed, DEL, C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # directions
    "\u2028\u2029"  # line and paragraph separators
    "\ud800-\udfff]"  # lone surrogates, which UTF-8 cannot encode
)
_IN_A_LINE: Final = re.compile(f"[\t\n]|{_UNSAFE.pattern}")


def printable(text: str) -> str:
    r"""The text with control characters spelled out, like `\x1b` and `\u202e`; tabs and line feeds
    stay."""
    return _UNSAFE.sub(_spelled, text)


def printable_line(text: str) -> str:
    """As `printable`, with tabs and line feeds spelled out, too."""
    return _IN_A_LINE.sub(_spelled, text)


def to_json(value: object, **options: Any) -> str:
    """The value as JSON for people to read: only control characters are escaped."""
    text = json.dumps(value, ensure_ascii=False, **options)
    # Within a string, JSON has neither tabs nor line feeds; between its tokens they may stand.
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _spelled(match: re.Match[str]) -> str:
    return repr(match[0])[1:-1] if match[0] != "\x7f" else r"\x7f"
