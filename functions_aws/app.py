"""Lambda handler for the HTTP application, behind an HTTP API or a function URL (payload 2.0).

Paths hold the tokens of links, and whoever has one may act: no line of the log holds a path.
"""

from __future__ import annotations

import asyncio
import logging
from functools import cache
from typing import TYPE_CHECKING, Any

from core.cold_start import at_rest

with at_rest():
    from mangum import Mangum

    from core import snapstart
    from core.app.application import create
    from functions_aws import http_api, telemetry

if TYPE_CHECKING:
    from mangum.types import LambdaContext
    from starlette.applications import Starlette

logging.getLogger("mangum.http").setLevel(logging.WARNING)  # it logs the path of each request


@cache
def application() -> Starlette:
    """The process's application. Raises `SettingsError`."""
    return create()


@cache
def loop() -> asyncio.AbstractEventLoop:
    """The process's one event loop; the client of Temporal lives on it across invocations."""
    return asyncio.new_event_loop()


@telemetry.reported
def handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """The application's response to one request. Raises `SettingsError`, so that the canary alarm
    of a new version that cannot serve goes off; also for what is not payload 2.0, which Mangum may
    take."""
    http_api.require_payload(event)
    asyncio.set_event_loop(loop())  # which Mangum takes
    return Mangum(application(), lifespan="off")(event, context)


snapstart.hooks(application)
