"""The function for webhooks. The host lets anybody call it; who may is decided by each endpoint's
own verification, as on AWS.
"""

from __future__ import annotations

import logging
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING

import azure.functions as func

from core import bootstrap
from core.errors import ConfigurationError
from core.webhooks.request import Response, problem
from functions_azure import http_trigger, runtime, telemetry

if TYPE_CHECKING:
    from core.webhooks.receive import Webhooks

blueprint = func.Blueprint()
log = logging.getLogger(__name__)


@cache
def webhooks() -> Webhooks:
    """Loaded by the first request: instances that only read queues do without."""
    return bootstrap.webhooks(runtime.settings(), intake=runtime.intake())


@blueprint.route(
    route="hooks/{name}",
    methods=[func.HttpMethod.POST, func.HttpMethod.OPTIONS],
    auth_level=func.AuthLevel.ANONYMOUS,
    trigger_arg_name="request",
)
async def webhook(request: func.HttpRequest) -> func.HttpResponse:
    """The response to one request; see `core.webhooks.receive`."""
    hook: str | None = None
    code: str | None
    answer: Response
    try:
        outcome = await webhooks().receive(
            http_trigger.request(request),
            time_left=runtime.time_left(),
            report=telemetry.record,
        )
        hook, code, answer = outcome.hook, outcome.refused, outcome.response
    except ConfigurationError as error:
        log.error("nothing can be received: %s", error)
        code, answer = error.code, unavailable(error)
    telemetry.record_request(hook=hook, code=code, status=answer.status)
    return http_trigger.response(answer)


def unavailable(error: ConfigurationError) -> Response:
    """What is the operator's to mend; senders come again until then, and learn nothing of it."""
    return problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "nothing can be received now; send it again",
        code=error.code,
        headers={"retry-after": "60"},
    )
