"""The function for webhooks. The host lets anybody call it; each endpoint verifies its callers, as
on AWS.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import azure.functions as func

from core import bootstrap
from core.errors import ConfigurationError
from functions_azure import http_trigger, runtime, telemetry

if TYPE_CHECKING:
    from core.webhooks.pipeline import Outcome, Webhooks
    from core.webhooks.request import Request

blueprint = func.Blueprint()


@cache
def webhooks() -> Webhooks:
    """Loaded by the first request, so that instances that only read queues never load it."""
    return bootstrap.webhooks(runtime.settings(), intake=runtime.intake())


@blueprint.route(
    route="hooks/{*name}",
    methods=[func.HttpMethod.POST, func.HttpMethod.PUT, func.HttpMethod.OPTIONS],
    auth_level=func.AuthLevel.ANONYMOUS,
    trigger_arg_name="request",
)
async def webhook(request: func.HttpRequest) -> func.HttpResponse:
    """The response to one request; see `core.webhooks.pipeline`."""
    try:
        outcome = await _receive(http_trigger.request(request))
    except ConfigurationError as error:
        from core.webhooks.pipeline import unavailable

        outcome = unavailable(error)
    answer = outcome.response
    telemetry.record_request(hook=outcome.hook, code=outcome.refused, status=answer.status)
    return http_trigger.response(answer)


async def _receive(request: Request) -> Outcome:
    from core.webhooks.pipeline import length_required

    if http_trigger.lost_its_body(request):
        return length_required()
    return await webhooks().receive(request, time_left=runtime.time_left(), report=telemetry.record)
