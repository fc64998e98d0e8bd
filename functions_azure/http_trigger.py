"""HTTP requests and responses of the Functions host."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote, urlsplit

import azure.functions as func

from core.webhooks.request import Request, Response

_HOST_HEADERS: Final = frozenset(("x-functions-key", "x-functions-clientid"))
"""Headers that carry the function app's own keys, and are dropped."""


def request(http: func.HttpRequest) -> Request:
    """The request, with the body as it was sent."""
    headers = {str(name).lower(): str(text) for name, text in http.headers.items()}
    return Request(
        method=http.method,
        path=unquote(urlsplit(http.url).path),
        headers={name: text for name, text in headers.items() if name not in _HOST_HEADERS},
        query=dict(http.params),
        body=http.get_body() or b"",
    )


def lost_its_body(request: Request) -> bool:
    """Whether the host withheld the body: it passes one only where Content-Length says its size, so
    a chunked request arrives empty."""
    return not request.body and "transfer-encoding" in request.headers


def response(answer: Response) -> func.HttpResponse:
    """The response in the form that the host expects."""
    return func.HttpResponse(
        answer.body, status_code=int(answer.status), headers=dict(answer.headers)
    )
