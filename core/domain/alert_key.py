"""The key of an alert: what stays the same from its firing to its recovery."""

from __future__ import annotations

import hashlib
from typing import Final

from core.domain.text import one_line
from core.errors import InvalidEvent, quoted

_DIGEST_HEX: Final = 24


def is_readable_key(value: object) -> bool:
    """Whether a value can be an alert's key: text that shows, or an integer."""
    return isinstance(value, str | int) and not isinstance(value, bool) and bool(_line(value))


def readable_key(value: object) -> str | None:
    """The key as one line, or None where the value cannot be a key. Different keys stay different:
    what is not one line already ends in a digest of the whole."""
    if not is_readable_key(value):
        return None
    text, line = str(value), _line(value)
    if line == text:
        return text
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:_DIGEST_HEX]
    return f"{line}~{digest}"


def keyless(event: str) -> InvalidEvent:
    """The error for an alert, of the event with this key, that has no readable key."""
    return InvalidEvent(
        f"event {quoted(event)}: the alert has no key, so nobody can say which alert it is",
        fix="let the sender fill data.key with what stays the same from firing to resolved",
    )


def _line(value: object) -> str:
    return str(one_line(str(value)))
