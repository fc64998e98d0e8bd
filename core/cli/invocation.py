"""The HTTP request in what a platform hands to its function.

    {"version": "2.0", "requestContext": {"http": ...}, ...}     an HTTP API or a function URL
    {"Data": {"req": {"Url": ..., "Method": ...}}, ...}          Azure's HTTP trigger
    {"httpMethod": ..., "requestContext": ..., ...}              a REST API or a load balancer

Sources: Amazon API Gateway, "Working with AWS Lambda proxy integrations for HTTP APIs"; Azure
Functions, "Azure Functions custom handlers".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from core.errors import InvalidEvent, SettingsError
from core.formats.shared.json_body import load_json
from core.formats.shared.json_path import at
from core.webhooks.request import PREFIX, Request


def request_in(payload: bytes) -> Request | None:
    """The request; None for what is none. Raises `SettingsError` for that of a REST API or a load
    balancer, which the listener does not take, and for one that is not to a webhook, and
    `InvalidEvent` for a body that cannot be decoded, as the listener does."""
    try:
        event = load_json(payload)
    except InvalidEvent:
        return None
    if not isinstance(event, dict):
        return None
    request = _of_lambda(event) or _of_azure(event)
    if request is not None and not hook_of(request):
        raise SettingsError(
            f"the request is for {request.path}, which is no webhook's path",
            fix=f"webhooks have {PREFIX}NAME; `tidegate webhooks check` lists them",
        )
    return request


def hook_of(request: Request) -> str:
    """The name of the webhook that a request is for, or nothing."""
    path = request.path
    return path.removeprefix(PREFIX).partition("/")[0] if path.startswith(PREFIX) else ""


def _of_lambda(event: Mapping[str, Any]) -> Request | None:
    from functions_aws import http_api

    if "requestContext" not in event or not event.keys() & {"headers", "multiValueHeaders"}:
        return None
    return http_api.request(event)


def _of_azure(event: Mapping[str, Any]) -> Request | None:
    url, method = at(event, "Data", "req", "Url"), at(event, "Data", "req", "Method")
    if not isinstance(url, str) or not isinstance(method, str):
        return None
    headers, body = at(event, "Data", "req", "Headers"), at(event, "Data", "req", "Body")
    parts = urlsplit(url)
    return Request(
        method=method.upper(),
        path=unquote(parts.path),
        headers=_headers(headers if isinstance(headers, dict) else {}),
        query=dict(parse_qsl(parts.query, keep_blank_values=True)),
        body=body.encode(errors="surrogatepass") if isinstance(body, str) else b"",
    )


def _headers(headers: Mapping[str, Any]) -> dict[str, str]:
    return {
        str(name).lower(): ",".join(map(str, value)) if isinstance(value, list) else str(value)
        for name, value in headers.items()
    }
