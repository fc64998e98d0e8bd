"""The HTTP application as a function app of its own, with one function for every path.

Paths hold the tokens of links, and whoever has one may act: no line of the log holds a path, and
infra/azure/app/host.json keeps the host from writing one.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING, Final

import azure.functions as func

from core.app.application import create
from core.app.pages import Refused, notice
from core.errors import ConfigurationError

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.types import ASGIApp, Receive, Scope, Send

log = logging.getLogger("tidegate.app")

# The worker forwards what is logged at INFO, where the SDKs log every request.
logging.getLogger("azure").setLevel(logging.WARNING)

_MISCONFIGURED: Final = Refused(
    503,
    "Misconfigured",
    "Something is broken here",
    "The operator has to change a setting first. With credentials of Temporal, `tidegate incident "
    "ack` acknowledges.",
    headers={"Retry-After": "60"},
)
_LENGTH_REQUIRED: Final = Refused(
    411,
    "LengthRequired",
    "That cannot be read here",
    "A request needs the header Content-Length.",
)


@cache
def created() -> Starlette:
    """The process's application. Raises `SettingsError`."""
    return create()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """The application, as the Functions library calls it. With invalid settings it answers 503, and
    the log names them. A fault of ours is answered, too: the host has no page for a function that
    raises."""
    if scope["type"] == "lifespan":
        # Nothing has to be started or stopped. The library waits for this to end, when the worker's
        # loop is closed already.
        await receive()
        await send({"type": "lifespan.startup.complete"})
        return
    try:
        await _answering(scope)(scope, receive, send)
    except Exception:  # Starlette raises it after the answer
        log.exception("a request failed")


def _answering(scope: Scope) -> ASGIApp:
    """What answers this request. The host passes on a body only where Content-Length says its size:
    one that is sent in chunks would be read as none."""
    if any(name.lower() == b"transfer-encoding" for name, _ in scope["headers"]):
        return _refusal(_LENGTH_REQUIRED)
    try:
        return created()
    except ConfigurationError as error:
        log.error("nothing can be answered: %s", error)
        return _refusal(_MISCONFIGURED)


def _refusal(refused: Refused) -> ASGIApp:
    log.warning("refused: %s (%d)", refused.code, refused.status)
    return notice(refused)


app = func.AsgiFunctionApp(
    application, http_auth_level=func.AuthLevel.ANONYMOUS, function_name="application"
)
