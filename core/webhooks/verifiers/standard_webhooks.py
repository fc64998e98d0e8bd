"""Standard Webhooks, over the raw bytes.

The tests compare it with the standard's own library. That is not used here: it signs only text, and
a body may be compressed; its `verify` takes no clock and no second secret, stops at the first
match, reads `1e9` as a time, and rejects all signatures if it cannot parse one.
Source: the Standard Webhooks specification, 1.0.0.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, Literal
from uuid import uuid4

from core.webhooks.request import Request
from core.webhooks.verifiers import checks
from core.webhooks.verifiers.base import NotVerified, SharedSecret

_STANDARD: Final = "webhook-"
_SVIX: Final = "svix-"
"""The prefix of the same headers as Svix has sent them since before the standard."""
_PREFIX: Final = "whsec_"
_VERSION: Final = "v1,"


class StandardWebhooksVerifier(SharedSecret):
    """Signed by Standard Webhooks, with a secret `whsec_...` (version `v1`), in headers
    `webhook-...` or, as Svix names them, `svix-...`."""

    scheme: Literal["standard-webhooks"]

    @property
    def dates(self) -> bool:
        return True

    @property
    def covers_headers(self) -> bool:
        return False

    def delivery_id(self, request: Request) -> str | None:
        return request.headers.get(f"{_sent_as(request)}id")

    def _key(self, secret: str) -> bytes:
        """The key, from strict base64: the library skips what is not, and accepts any text."""
        text = secret.strip().removeprefix(_PREFIX)
        try:
            key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except ValueError:
            key = b""
        if not key:
            raise ValueError("is not base64, with or without the prefix whsec_")
        return key

    def _prove(self, request: Request, keys: Sequence[bytes], now: datetime) -> None:
        prefix = _sent_as(request)
        values = checks.header(request, f"{prefix}signature").split(" ")
        name = checks.header(request, f"{prefix}id")
        sent = checks.seconds(checks.header(request, f"{prefix}timestamp"))
        expected = [_signature(key, request, name, sent) for key in keys]
        if len(values) > checks.MAX_SIGNATURES:
            raise NotVerified("malformed")
        length = len(expected[0])
        candidates = [v.encode() for v in values if v.startswith(_VERSION) and len(v) == length]
        if not candidates:
            raise NotVerified("malformed")
        checks.require_match(candidates, expected)
        checks.require_fresh(sent, now, past=checks.TOLERANCE)

    def _signed(self, request: Request, keys: Sequence[bytes], now: datetime) -> Request:
        sent = int(now.timestamp())
        name = request.headers.get(f"{_STANDARD}id") or f"msg_{uuid4().hex}"
        signatures = [_signature(key, request, name, sent).decode() for key in keys]
        headers = {
            f"{_STANDARD}id": name,
            f"{_STANDARD}timestamp": str(sent),
            f"{_STANDARD}signature": " ".join(signatures),
        }
        return replace(request, headers={**request.headers, **headers})


def _sent_as(request: Request) -> str:
    """The prefix of the three headers: one set is read whole, and the standard's own first."""
    standard = f"{_STANDARD}signature" in request.headers
    return _STANDARD if standard or f"{_SVIX}signature" not in request.headers else _SVIX


def _signature(key: bytes, request: Request, name: str, sent: int) -> bytes:
    """Of the raw bytes: a compressed body is not text."""
    signed = f"{name}.{sent}.".encode() + request.body
    return _VERSION.encode() + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
