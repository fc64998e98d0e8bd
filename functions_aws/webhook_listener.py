"""Lambda handler for webhooks, behind an HTTP API or a function URL (payload 2.0)."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit

from functions_aws import http_api, runtime, snapstart
from functions_aws.cold_start import at_rest

with at_rest():
    from core import bootstrap
    from core.errors import ConfigurationError, InvalidEvent
    from core.intake.receipts import REFUSED
    from core.webhooks.pipeline import Outcome, Webhooks, unavailable
    from core.webhooks.request import problem

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@cache
def webhooks() -> Webhooks:
    return bootstrap.webhooks(runtime.settings(), intake=runtime.intake())


@runtime.logger.inject_lambda_context
@runtime.metrics.log_metrics(capture_cold_start_metric=True)
@runtime.traced
def handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """The HTTP response to one request; see `core.webhooks.pipeline`."""
    try:
        outcome = _receive(event, context)
    finally:
        runtime.end_line()
    if outcome.refused or not runtime.metrics.metric_set:
        # Powertools warns of every invocation that counts nothing, as a handshake would.
        refused = bool(outcome.refused)
        runtime.metrics.add_metric(name=REFUSED, unit=MetricUnit.Count, value=refused)
    if outcome.refused:
        line = {"hook": outcome.hook, "code": outcome.refused, "status": outcome.response.status}
        runtime.logger.warning("request refused", extra={"request": line})
    return http_api.response(outcome.response)


def _receive(event: Any, context: LambdaContext) -> Outcome:
    try:
        request = http_api.request(event)
        receiving = webhooks().receive(
            request, time_left=runtime.time_left(context), report=runtime.record
        )
        return runtime.loop().run_until_complete(receiving)
    except InvalidEvent as error:
        runtime.logger.error("not a request: %s", error)
        response = problem(HTTPStatus.BAD_REQUEST, error.message, code=error.code)
        return Outcome(response=response, refused=error.code)
    except ConfigurationError as error:
        return unavailable(error)


snapstart.hooks(webhooks)
