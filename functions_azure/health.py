"""The health check: whether this process can accept events.

It asks no other service: an instance is healthy while Temporal is unavailable.
"""

from __future__ import annotations

import logging
from http import HTTPStatus

import azure.functions as func

from core.errors import ConfigurationError
from core.webhooks.request import answer, problem
from functions_azure import http_trigger, runtime

blueprint = func.Blueprint()
log = logging.getLogger(__name__)


@blueprint.route(
    route="healthz",
    methods=[func.HttpMethod.GET, func.HttpMethod.HEAD],
    auth_level=func.AuthLevel.ANONYMOUS,
    trigger_arg_name="request",
)
async def healthz(request: func.HttpRequest) -> func.HttpResponse:
    """200, or 503 for invalid settings; the log says which."""
    try:
        runtime.intake()
    except ConfigurationError as error:
        log.error("nothing can be accepted: %s", error)
        detail = "nothing can be accepted; see the log"
        status = HTTPStatus.SERVICE_UNAVAILABLE
        return http_trigger.response(problem(status, detail, code=error.code))
    return http_trigger.response(answer(HTTPStatus.OK, {"status": "up"}))
