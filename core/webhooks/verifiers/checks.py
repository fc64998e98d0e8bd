"""What proofs of every scheme are made of: a header's value, a time, a comparison.

All of it is strict. A signature or a token has one way to be written, the one its sender uses
(lower-case hex, padded base64), and any other is refused: what is never decoded cannot be decoded
in two ways. A header that came twice arrives joined by a comma, so it is not a value of that form
either.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from core.webhooks.request import Request
from core.webhooks.verifiers.base import NotVerified

MAX_CHARS: Final = 4096
"""Longest header that is looked at. The longest honest one, ten signatures by SHA-512, is shorter.
"""
MAX_SIGNATURES: Final = 10
"""Most signatures that one request may bring: one for each secret its sender has live, with room.
Each costs a comparison for every secret of ours, so their number must not be the sender's choice.
"""
CLOCKS_DIFFER: Final = timedelta(minutes=5)
"""How far two clocks may be apart, and how long a request may be on its way: what Slack and
Standard Webhooks recommend."""

_DIGITS: Final = 10
"""Digits of a time in seconds, until the year 2286."""

HeaderName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", max_length=100, examples=["X-Signature"]),
    AfterValidator(str.lower),
]
"""An HTTP header's name in any case; in lower case once it is read."""


def header(request: Request, name: str) -> str:
    """A header's value: ASCII, not empty and not too long. Raises `NotVerified`."""
    return usable(request.headers.get(name))


def usable(value: str | None) -> str:
    """A value that proves something, wherever it was sent. Raises `NotVerified`."""
    if not value:
        raise NotVerified("missing")
    if len(value) > MAX_CHARS or not value.isascii():
        raise NotVerified("malformed")
    return value


def seconds(stamp: str) -> int:
    """A time in whole seconds since 1970: ASCII digits, nothing else. Raises `NotVerified`."""
    if len(stamp) > _DIGITS or not (stamp.isascii() and stamp.isdigit()):
        raise NotVerified("malformed")
    return int(stamp)


def require_fresh(
    sent: float, now: datetime, *, past: timedelta, future: timedelta = CLOCKS_DIFFER
) -> None:
    """Raises `NotVerified` for what was sent (seconds since 1970) too long before or after now."""
    age = now.timestamp() - sent
    if age > past.total_seconds():
        raise NotVerified("stale")
    if age < -future.total_seconds():
        raise NotVerified("future")


def require_match(given: Iterable[bytes], expected: Sequence[bytes]) -> None:
    """Raises `NotVerified` unless one that is given is one that is expected.

    All pairs are compared, each in constant time: how long it takes tells neither which secret
    matched nor how much of one.
    """
    found = False
    for candidate in given:
        for one in expected:
            found = hmac.compare_digest(candidate, one) or found
    if not found:
        raise NotVerified("mismatch")


def require_same_secret(given: bytes, keys: Sequence[bytes]) -> None:
    """As `require_match`, for the secret itself: hashed, since comparing bytes as they are tells
    their number."""
    digests = [hashlib.sha256(key).digest() for key in keys]
    require_match([hashlib.sha256(given).digest()], digests)
