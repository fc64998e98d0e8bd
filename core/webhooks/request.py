"""HTTP requests and responses of the webhook pipeline, the same on every platform."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

PREFIX: Final = "/hooks/"
"""How the paths of webhooks begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request: `path` decoded, `headers` by lower-case name (repeated ones joined by
    commas), `query` by name (the last value wins), and the `body` exactly as it was sent."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def post_to(hook: str, body: bytes, headers: Mapping[str, str]) -> Request:
    """The request that posts a body to a webhook."""
    return Request(method="POST", path=f"{PREFIX}{hook}", headers=headers, body=body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """The answer to the sender."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def answer(status: HTTPStatus, value: Any) -> Response:
    """A response with a JSON body."""
    return _json(status, "application/json", value, {})


def problem(
    status: HTTPStatus,
    detail: str,
    *,
    code: str,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Response:
    """Problem details as JSON; `code` is stable, `detail` is for people. Source: RFC 9457."""
    value = {"title": status.phrase, "status": status.value, "detail": detail, "code": code, **more}
    return _json(status, "application/problem+json", value, headers or {})


def _json(
    status: HTTPStatus, content_type: str, value: Any, headers: Mapping[str, str]
) -> Response:
    body = json.dumps(value, ensure_ascii=False).encode(errors="replace")
    return Response(status=status, headers={"content-type": content_type, **headers}, body=body)
