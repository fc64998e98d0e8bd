"""HTTP requests and responses of Lambda: payload 2.0 of API Gateway's HTTP APIs and function URLs.

Source: Amazon API Gateway, "Working with AWS Lambda proxy integrations for HTTP APIs".
"""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib.parse import parse_qsl

from core.errors import InvalidEvent, SettingsError
from core.webhooks.request import Request, Response


def require_payload(event: Any) -> dict[str, Any]:
    """What payload 2.0 says of its request's HTTP. Raises `SettingsError` for anything else, such
    as a REST API's or a load balancer's: the operator's mistake, for which no sender gives up."""
    http = event.get("requestContext", {}).get("http") if isinstance(event, dict) else None
    if not isinstance(http, dict) or event.get("version") != "2.0":
        raise SettingsError(
            "the invocation is not payload 2.0 of an HTTP API or function URL",
            fix="put the function behind one of these, with PayloadFormatVersion 2.0",
        )
    return http


def request(event: Any) -> Request:
    """The request of an invocation. Raises `SettingsError` as `require_payload` does, and
    `InvalidEvent` for a body that cannot be decoded."""
    http = require_payload(event)
    stage = event["requestContext"].get("stage", "$default")
    path = str(event.get("rawPath", "/"))
    headers = event.get("headers") or {}
    return Request(
        method=str(http.get("method", "")).upper(),
        path=path if stage == "$default" else path.removeprefix(f"/{stage}"),
        headers={str(name).lower(): str(text) for name, text in headers.items()},
        query=dict(parse_qsl(str(event.get("rawQueryString", "")), keep_blank_values=True)),
        body=_body(event),
    )


def response(answer: Response) -> dict[str, Any]:
    """The response in the form that Lambda returns to API Gateway."""
    return {
        "statusCode": int(answer.status),
        "headers": dict(answer.headers),
        "body": answer.body.decode(),
        "isBase64Encoded": False,
    }


def _body(event: dict[str, Any]) -> bytes:
    text = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return str(text).encode(errors="surrogatepass")
    try:
        return base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise InvalidEvent(f"the invocation's body is not base64: {error}") from error
