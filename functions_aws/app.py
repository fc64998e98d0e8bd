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
def adapter() -> Mangum:
    """Lambda's way to the application, on the process's one event loop, where the client of Temporal
    lives across invocations. Raises `SettingsError`."""
    asyncio.set_event_loop(asyncio.new_event_loop())
    return Mangum(application(), lifespan="off")


@telemetry.reported
def handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """The application's response to one request. Raises `SettingsError`, so that a new version
    that cannot serve is rolled back; also for what is not payload 2.0, some of which Mangum takes."""
    http_api.require_payload(event)
    return adapter()(event, context)


snapstart.hooks(application)
