"""The body of a request, bounded in size and in time, for whoever answers it."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from starlette.requests import ClientDisconnect, Request


class NotRead(Exception):
    """A body was not read. `status` answers that; `code` says why, in a word."""

    def __init__(self, status: HTTPStatus, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        # What is left of the body is not the next request.
        self.headers = {"Connection": "close"}


async def body_of(request: Request, *, longest: int, timeout: float) -> bytes:
    """The whole body, of at most `longest` bytes. Raises `NotRead`."""
    body = bytearray()
    try:
        async with asyncio.timeout(timeout):
            async for chunk in request.stream():
                body += chunk
                if len(body) > longest:
                    raise NotRead(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "TooLarge")
    except TimeoutError:
        raise NotRead(HTTPStatus.REQUEST_TIMEOUT, "TooSlow") from None
    except ClientDisconnect:
        raise NotRead(HTTPStatus.BAD_REQUEST, "Disconnected") from None
    return bytes(body)
