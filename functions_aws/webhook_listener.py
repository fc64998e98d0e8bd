"""Lambda handler for webhooks, behind an HTTP API or a function URL (payload 2.0)."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from core.cold_start import at_rest
from functions_aws import http_api, runtime, snapstart, telemetry

with at_rest():
    from core import bootstrap
    from core.errors import ConfigurationError, InvalidEvent
    from core.webhooks.pipeline import Outcome, Webhooks, unavailable
    from core.webhooks.request import problem

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@cache
def webhooks() -> Webhooks:
    return bootstrap.webhooks(runtime.settings(), intake=runtime.intake())


@telemetry.reported
def handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """The HTTP response to one request; see `core.webhooks.pipeline`."""
    outcome = _receive(event, context)
    answer = outcome.response
    telemetry.record_request(hook=outcome.hook, code=outcome.refused, status=answer.status)
    return http_api.response(answer)


def _receive(event: Any, context: LambdaContext) -> Outcome:
    try:
        request = http_api.request(event)
        receiving = webhooks().receive(
            request, time_left=runtime.time_left(context), report=telemetry.record
        )
        return runtime.loop().run_until_complete(receiving)
    except InvalidEvent as error:
        telemetry.logger.error("not a request: %s", error)
        response = problem(HTTPStatus.BAD_REQUEST, error.message, code=error.code)
        return Outcome(response=response, refused=error.code)
    except ConfigurationError as error:
        return unavailable(error)


snapstart.hooks(webhooks)
