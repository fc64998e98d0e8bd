"""The HTTP application that answers people, as one ASGI application.

A platform's adapter calls `create` once for each process:
`uvicorn --factory core.app.application:create --no-access-log`. Paths hold the tokens of links, so
no server of it logs them.
"""

from __future__ import annotations

import logging
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from core import bootstrap
from core.app.incident_links import IncidentLinks
from core.app.pages import Refused, notice
from core.config.settings import Settings
from core.links import PATH

log = logging.getLogger("tidegate.app")

_WORDS = {
    404: ("Nothing is here", "Open the link as it stands in the page."),
    405: ("That is not possible here", "This address takes no such request."),
}


def create() -> Starlette:
    """The application, with its settings from the environment. It connects to Temporal, and reads
    its keys, with the first link. Raises `SettingsError`."""
    settings = Settings.from_env()
    links = IncidentLinks(
        keys=bootstrap.link_keys(settings),
        connect=lambda: bootstrap.connect(settings),
        timeout=settings.start_timeout,
    )
    application = Starlette(
        routes=[
            Route("/healthz", healthy),
            Route(f"{PATH}{{token}}", links.show, methods=["GET"]),
            Route(f"{PATH}{{token}}", links.act, methods=["POST"]),
        ],
        exception_handlers={Refused: refused, HTTPException: failed, Exception: broken},
    )
    application.router.redirect_slashes = False
    return application


async def healthy(request: Request) -> PlainTextResponse:
    """That the process answers, whatever it depends on."""
    return PlainTextResponse("ok\n", headers={"Cache-Control": "no-store"})


async def refused(request: Request, error: Exception) -> Response:
    """The page of a refusal, which is counted by its code in the log."""
    assert isinstance(error, Refused)  # noqa: S101  # it is registered for these alone
    log.warning("refused: %s (%d)", error.code, error.status)
    return notice(error)


async def failed(request: Request, error: Exception) -> Response:
    """The page of an address or a method that there is not."""
    assert isinstance(error, HTTPException)  # noqa: S101
    heading, text = _WORDS.get(error.status_code, (HTTPStatus(error.status_code).phrase, ""))
    return notice(Refused(error.status_code, "", heading, text), error.headers)


async def broken(request: Request, error: Exception) -> Response:
    """The page of a fault of ours; the server logs it."""
    text = "Nothing can be said of what became of it. It does no harm to try again."
    return notice(Refused(500, type(error).__name__, "Something is broken here", text))
