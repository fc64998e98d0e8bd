"""The HTTP application that answers people and programs, as one ASGI application.

A platform's adapter calls `create` once for each process:
`uvicorn --factory core.app.application:create --no-access-log --ws none`. Paths hold the tokens of
links, so no server of it logs them.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from core import bootstrap
from core.app.feeds import Feeds
from core.app.incident_links import IncidentLinks
from core.app.pages import Refused, notice
from core.app.services import Services
from core.config.settings import Settings
from core.feeds import PATH as FEEDS_PATH
from core.feeds import SUFFIX
from core.links import PATH

if TYPE_CHECKING:
    from core.app.console.application import Mounted

log = logging.getLogger("tidegate.app")

_WORDS: Final = {
    404: ("Nothing is here", "Open the link as it stands in the page."),
    405: ("That is not possible here", "This address takes no such request."),
    500: ("Something is broken here", "It does no harm to try again."),
}


def create(*, local_user: str | None = None) -> Starlette:
    """The application, with its settings from the environment. It connects to Temporal, and reads
    its keys, with the first link. Whoever passes a `local_user` serves it to this machine alone:
    then everybody who visits the console is that user. Raises `SettingsError`."""
    settings = Settings.from_env()
    services = Services(settings, bootstrap.secrets(settings))
    console = _console(services, local_user)
    links = IncidentLinks(
        keys=services.link_keys,
        temporal=services.temporal,
        timeout=settings.start_timeout,
        console=console.base if console else None,
    )
    application = Starlette(
        routes=[
            Route("/healthz", healthy),
            Route(f"{PATH}{{token}}", links.answer, methods=["GET", "POST"]),
            Route(f"{FEEDS_PATH}{{token}}{SUFFIX}", Feeds(services).answer),
            *_api(services),
            *_slack(services),
            *(console.routes if console else []),
        ],
        exception_handlers=dict.fromkeys((Refused, HTTPException, Exception), failed),
    )
    application.router.redirect_slashes = False
    return application


def _api(services: Services) -> list[BaseRoute]:
    """The HTTP API, where the settings let somebody in; else nothing of it is even loaded."""
    settings = services.settings
    oidc = settings.oidc_audience or (settings.oidc_issuer and not settings.console_client_id)
    if not (settings.api_tokens or oidc):
        return []
    from core.app.api.application import mounted
    from core.app.identity.bearer import identity

    return [mounted(identity(settings, services.secrets), services)]


def _console(services: Services, local_user: str | None) -> Mounted | None:
    """The console, where somebody may visit it; else nothing of it is even loaded."""
    if local_user is None and services.settings.console_client_id is None:
        return None
    from core.app.console import application as console

    if services.settings.console_client_id is None:
        return console.local(services, local_user or "")
    return console.signed_in(services)


def _slack(services: Services) -> list[BaseRoute]:
    """What Slack sends, where the settings know its secret; else nothing of it is even loaded."""
    if services.settings.slack_signing_secret is None:
        return []
    from core.app.slack.application import routes

    return routes(services.settings.slack_signing_secret, services)


async def healthy(request: Request) -> PlainTextResponse:
    """That the process answers, whatever it depends on."""
    return PlainTextResponse("ok\n", headers={"Cache-Control": "no-store"})


async def failed(request: Request, error: Exception) -> Response:
    """The page of a request that was not answered. A refusal is counted by its code in the log; a
    fault of ours is logged by the server."""
    match error:
        case Refused():
            log.warning("refused: %s (%d)", error.code, error.status)
            return notice(error)
        case HTTPException():
            heading, text = _WORDS.get(error.status_code, (error.detail, ""))
            return notice(Refused(error.status_code, "", heading, text, headers=error.headers))
        case _:
            return notice(Refused(500, "", *_WORDS[500]))
