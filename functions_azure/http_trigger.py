"""HTTP as the Functions host hands it over, and hands it back."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote, urlsplit

import azure.functions as func

from core.webhooks.request import Request, Response

_OF_THE_HOST: Final = frozenset(("x-functions-key", "x-functions-clientid"))
"""Headers that hold a key of the function app's own, and are nobody else's business."""


def request(given: func.HttpRequest) -> Request:
    """The request, its body exactly as it was sent."""
    headers = {str(name).lower(): str(text) for name, text in given.headers.items()}
    return Request(
        method=given.method,
        path=unquote(urlsplit(given.url).path),
        headers={name: text for name, text in headers.items() if name not in _OF_THE_HOST},
        query=dict(given.params),
        body=given.get_body() or b"",
    )


def response(answer: Response) -> func.HttpResponse:
    """The answer as the host takes it."""
    return func.HttpResponse(
        answer.body, status_code=int(answer.status), headers=dict(answer.headers)
    )
