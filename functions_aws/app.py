"""Lambda handler for the HTTP application, behind an HTTP API or a function URL (payload 2.0).

Paths hold the tokens of links, and whoever has one may act: no line that is logged here holds a path.
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
    from aws_lambda_powertools.utilities.typing import LambdaContext

logging.getLogger("mangum.http").setLevel(logging.WARNING)  # it logs the path of each request


@cache
def application() -> Mangum:
    """The process's application. Its client of Temporal lives on the process's one event loop, which
    Mangum takes. Raises `SettingsError`: then the invocation fails, and a new version with it."""
    asyncio.set_event_loop(asyncio.new_event_loop())
    return Mangum(create(), lifespan="off")


@telemetry.reported
def handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """The application's response to one request. Raises `SettingsError`, for a request too that is
    not payload 2.0: Mangum would take those of other services."""
    http_api.require_payload(event)
    return application()(event, context)


snapstart.hooks(application)
