"""Credentials sent as they are, over TLS, for senders that do not sign.

They prove who sent a request, not what it says, and can be replayed by whoever reads one. Headers
that hold one are `confidential`, so no record keeps them.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, Literal

from pydantic import Field, model_validator

from core.errors import InvalidEvent
from core.formats.shared.json_body import load_json
from core.webhooks.request import Request
from core.webhooks.verifiers import checks
from core.webhooks.verifiers.base import NotVerified, SharedSecret
from core.webhooks.verifiers.checks import HeaderName

_AUTHORIZATION: Final = "authorization"
_ROUTING_KEY_HEADER: Final = "x-routing-key"
_ROUTING_KEY_FIELD: Final = "routing_key"
_MAX_BYTES: Final = 512 * 1024
"""PagerDuty's own limit of an event."""


def _credentials(request: Request, scheme: str) -> str:
    """The credentials after the scheme's name, in any case, in the header Authorization. Source:
    RFC 9110, section 11.4."""
    name, _, credentials = checks.header(request, _AUTHORIZATION).partition(" ")
    if name.lower() != scheme:
        raise NotVerified("malformed")
    return checks.credential(credentials.lstrip(" "))


def _token(secret: str) -> bytes:
    """The secret, if a header can carry it. Raises `ValueError`."""
    if not all("!" <= character <= "~" for character in secret):
        raise ValueError("has characters that a header cannot carry: spaces or non-ASCII ones")
    return secret.encode()


def _with_headers(request: Request, **headers: str) -> Request:
    return replace(request, headers={**request.headers, **headers})


class BearerVerifier(SharedSecret):
    """A token: `Authorization: Bearer TOKEN`, or alone in a header of another name."""

    scheme: Literal["bearer"]
    header: HeaderName = Field(
        _AUTHORIZATION,
        validate_default=True,
        description="A header other than Authorization, which holds only the token.",
    )

    @property
    def confidential(self) -> frozenset[str]:
        return frozenset({self.header})

    def _key(self, secret: str) -> bytes:
        return _token(secret)

    def _prove(self, request: Request, keys: Sequence[bytes], now: datetime) -> None:
        if self.header == _AUTHORIZATION:
            credential = _credentials(request, "bearer")
        else:
            credential = checks.header(request, self.header)
        checks.require_same_secret(credential.encode(), keys)

    def _signed(self, request: Request, keys: Sequence[bytes], now: datetime) -> Request:
        token = keys[0].decode()
        credential = f"Bearer {token}" if self.header == _AUTHORIZATION else token
        return _with_headers(request, **{self.header: credential})


class BasicVerifier(SharedSecret):
    """A name and a password: `Authorization: Basic ...`. The secret is `NAME:PASSWORD`, UTF-8."""

    scheme: Literal["basic"]

    @property
    def confidential(self) -> frozenset[str]:
        return frozenset({_AUTHORIZATION})

    def _key(self, secret: str) -> bytes:
        name, _, password = secret.partition(":")
        if not name.strip() or not password.strip():
            raise ValueError("is not NAME:PASSWORD")
        return base64.b64encode(secret.encode())

    def _prove(self, request: Request, keys: Sequence[bytes], now: datetime) -> None:
        checks.require_same_secret(_credentials(request, "basic").encode(), keys)

    def _signed(self, request: Request, keys: Sequence[bytes], now: datetime) -> Request:
        return _with_headers(request, **{_AUTHORIZATION: f"Basic {keys[0].decode()}"})


class EventGridVerifier(SharedSecret):
    """A secret that an Event Grid subscription sends: as a delivery property, which is a header, or
    as a query parameter of the endpoint's URL.
    """

    scheme: Literal["event-grid"]
    header: HeaderName | None = None
    parameter: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_.-]+$",
        max_length=100,
        description="A query parameter. Proxies log URLs: prefer a header.",
        examples=["code"],
    )

    @model_validator(mode="after")
    def _check(self) -> EventGridVerifier:
        if (self.header is None) == (self.parameter is None):
            raise ValueError("give either header or parameter")
        return self

    @property
    def confidential(self) -> frozenset[str]:
        return frozenset({self.header} if self.header else ())

    def _key(self, secret: str) -> bytes:
        return _token(secret)

    def _prove(self, request: Request, keys: Sequence[bytes], now: datetime) -> None:
        if self.parameter:
            credential = checks.credential(request.query.get(self.parameter))
        else:
            credential = checks.header(request, self.header or "")
        checks.require_same_secret(credential.encode(), keys)

    def _signed(self, request: Request, keys: Sequence[bytes], now: datetime) -> Request:
        secret = keys[0].decode()
        if self.parameter:
            return replace(request, query={**request.query, self.parameter: secret})
        return _with_headers(request, **{self.header or "": secret})


class RoutingKeyVerifier(SharedSecret):
    """The routing key of PagerDuty's Events API v2, as its senders send it: `routing_key` in the
    body, or the header X-Routing-Key, which wins.

    It parses an unverified body: one of the size that PagerDuty itself takes, as deep as any event,
    and not compressed.
    """

    scheme: Literal["routing-key"]

    @property
    def max_unproven_bytes(self) -> int:
        return _MAX_BYTES

    @property
    def confidential(self) -> frozenset[str]:
        return frozenset({_ROUTING_KEY_HEADER})

    def _key(self, secret: str) -> bytes:
        return _token(secret)

    def _prove(self, request: Request, keys: Sequence[bytes], now: datetime) -> None:
        credential = request.headers.get(_ROUTING_KEY_HEADER) or _routing_key(request.body)
        checks.require_same_secret(checks.credential(credential).encode(), keys)

    def _signed(self, request: Request, keys: Sequence[bytes], now: datetime) -> Request:
        return _with_headers(request, **{_ROUTING_KEY_HEADER: keys[0].decode()})


def _routing_key(body: bytes) -> str | None:
    if _ROUTING_KEY_FIELD.encode() not in body:
        return None
    try:
        value = load_json(body)
    except InvalidEvent as error:
        raise NotVerified("malformed") from error
    credential = value.get(_ROUTING_KEY_FIELD) if isinstance(value, dict) else None
    if credential is not None and not isinstance(credential, str):
        raise NotVerified("malformed")
    return credential
