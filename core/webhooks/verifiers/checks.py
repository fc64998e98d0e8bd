"""The checks that all schemes share: a header's value, its time, the comparison.

All are strict. A signature or a token has one form, the one its sender uses (padded base64, or hex,
whose case says nothing), and any other is refused: what is never decoded cannot be decoded in two
ways. A repeated header arrives joined by a comma, so it does not have that form either.
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
"""Longest header that is read. The longest legitimate one, ten SHA-512 signatures, is shorter."""
MAX_SIGNATURES: Final = 10
"""Most signatures in one request: senders send one for each of their live secrets. Each is compared
with all of ours, so their number must not be the sender's choice."""
TOLERANCE: Final = timedelta(minutes=5)
"""How far clocks may differ, and how long a request may be in transit: as Slack and Standard
Webhooks recommend."""

_DIGITS: Final = 10
"""Digits of a time in seconds, until the year 2286."""

HeaderName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", max_length=100, examples=["X-Signature"]),
    AfterValidator(str.lower),
]
"""An HTTP header's name in any case, turned into lower case."""


def header(request: Request, name: str) -> str:
    """A header's value: ASCII, not empty and not too long. Raises `NotVerified`."""
    return credential(request.headers.get(name))


def credential(value: str | None) -> str:
    """A signature or credential from anywhere, checked like a header's. Raises `NotVerified`."""
    if not value:
        raise NotVerified("missing")
    if len(value) > MAX_CHARS or not value.isascii():
        raise NotVerified("malformed")
    return value


def seconds(stamp: str) -> int:
    """A time in whole seconds since 1970, in ASCII digits only. Raises `NotVerified`."""
    if len(stamp) > _DIGITS or not (stamp.isascii() and stamp.isdigit()):
        raise NotVerified("malformed")
    return int(stamp)


def require_fresh(
    sent: float, now: datetime, *, past: timedelta, future: timedelta = TOLERANCE
) -> None:
    """Raises `NotVerified` if `sent` (seconds since 1970) is too long before or after now."""
    age = now.timestamp() - sent
    if age > past.total_seconds():
        raise NotVerified("stale")
    if age < -future.total_seconds():
        raise NotVerified("future")


def require_match(candidates: Iterable[bytes], expected: Sequence[bytes]) -> None:
    """Raises `NotVerified` unless one of the candidates is one of the expected values.

    All pairs are compared, each in constant time: timing reveals neither which secret matched nor
    how much of one.
    """
    matches = False
    for candidate in candidates:
        for value in expected:
            matches = hmac.compare_digest(candidate, value) or matches
    if not matches:
        raise NotVerified("mismatch")


def require_same_secret(candidate: bytes, keys: Sequence[bytes]) -> None:
    """As `require_match`, for the secret itself. Hashed, since comparing raw bytes reveals their
    length."""
    digests = [hashlib.sha256(key).digest() for key in keys]
    require_match([hashlib.sha256(candidate).digest()], digests)
