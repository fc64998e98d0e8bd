"""The HTTP application that answers people, as one ASGI application.

A platform's adapter calls `create` once for each process:
`uvicorn --factory core.app.application:create --no-access-log`. Paths hold the tokens of links, so
no server of it logs them.
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route


def create() -> Starlette:
    """The application, with its settings from the environment. It connects to nothing yet."""
    return Starlette(routes=[Route("/healthz", healthy)])


async def healthy(request: Request) -> PlainTextResponse:
    """That the process answers, whatever it depends on."""
    return PlainTextResponse("ok\n", headers={"Cache-Control": "no-store"})
