"""What every Lambda listener shares: one event loop and one intake per process, telemetry, and how
receipts become Lambda's answers.

Importing this loads all that the first event needs, since Lambda starts functions with more
processor than it runs them with; it connects to nothing, the first event does, or the restore of a
snapshot (see `snapstart`).
"""

from __future__ import annotations

import functions_aws.cold_start  # noqa: F401  before anything else is loaded

# isort: split
import asyncio
import json
import os
import uuid
from collections.abc import Callable, Sequence
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from core import bootstrap
from core.config.settings import Settings
from core.formats.shared.delivery import Arrival, Delivery, read
from core.intake.accept import Intake
from core.intake.receipts import EVENT_AGE, METRICS, Receipt, Verdict, require_settled
from functions_aws import sqs

if TYPE_CHECKING:
    from aws_lambda_powertools import Tracer
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from core.adapters.temporal.starter import TemporalStarter

_SERVICE: Final = os.environ.get("POWERTOOLS_SERVICE_NAME") or "tidegate"
"""Whose logs, metrics and traces these are, where an account has more than one installation."""

logger = Logger(service=_SERVICE)
metrics = Metrics(namespace="Tidegate", service=_SERVICE)

_RECEIPTS_A_LINE: Final = 50
"""CloudWatch takes at most 100 values of a metric in one line."""
_line: Final[list[dict[str, Any]]] = []
"""The receipts that the next line of metrics will carry."""
_warned: Final[set[str | None]] = set()
"""Records that a warning has named: a thousand bad parts of one delivery are one warning."""


@cache
def settings() -> Settings:
    """The process's settings. Raises `SettingsError`, and then Lambda delivers again."""
    return Settings.from_env()


@cache
def loop() -> asyncio.AbstractEventLoop:
    """The process's one event loop; the Temporal client lives on it across invocations.

    Not a Runner: that takes over SIGINT and gives it back at every event, for nobody in Lambda.
    """
    return asyncio.new_event_loop()


@cache
def tracer() -> Tracer:
    """Nothing is patched: that would import botocore, which no event needs."""
    from aws_lambda_powertools import Tracer

    return Tracer(service=_SERVICE, auto_patch=False)


def traced(handler: Callable[[Any, LambdaContext], Any]) -> Callable[[Any, LambdaContext], Any]:
    """Record the invocations whose trace X-Ray samples; all others never import its SDK."""

    @wraps(handler)
    def decide(event: Any, context: LambdaContext) -> Any:
        if "Sampled=1" not in os.environ.get("_X_AMZN_TRACE_ID", ""):
            return handler(event, context)
        traced = tracer().capture_method(capture_response=False)(handler)
        return traced(event, context)

    return decide


@cache
def starter() -> TemporalStarter:
    return bootstrap.temporal_starter(settings())


@cache
def intake() -> Intake:
    return bootstrap.intake(settings(), starter=starter())


def accept(deliveries: Sequence[Delivery], context: LambdaContext) -> list[list[Receipt]]:
    """The receipts of each delivery. All starts run at once, and end before the deadline."""
    batches = [read(delivery) for delivery in deliveries]
    arrivals = [arrival for batch in batches for arrival in batch]
    accepting = intake().accept(arrivals, time_left=time_left(context), report=record)
    receipts = iter(loop().run_until_complete(accepting))
    for delivery, batch in zip(deliveries, batches, strict=True):
        if not batch:
            _record_empty(delivery)
    return [[next(receipts) for _ in batch] for batch in batches]


def time_left(context: LambdaContext) -> float:
    """Seconds that this invocation may still work on events."""
    return max(context.get_remaining_time_in_millis() / 1000 - settings().deadline_margin, 0.05)


def answer(format: str, event: Any, context: LambdaContext) -> Any:
    """What a listener for `format` answers to Lambda.

    For a batch from SQS `{"batchItemFailures": [...]}` with those that must come again; else the
    receipts of the invocation as JSON. Raises `NotAccepted` when that must be delivered again.
    """
    try:
        if sqs.is_batch(event):
            return _answer_queue(format, event["Records"], context)
        return _answer_invocation(format, event, context)
    finally:
        end_line()


def _answer_invocation(format: str, event: Any, context: LambdaContext) -> list[dict[str, Any]]:
    # Lambda hands over what it parsed; the original bytes of a direct invocation are not to be had.
    body = json.dumps(event).encode()
    [receipts] = accept([Delivery(format=format, body=body, unique=uuid.uuid4().hex)], context)
    require_settled(receipts)
    return [receipt.to_json() for receipt in receipts]


def _answer_queue(
    format: str, records: Sequence[dict[str, Any]], context: LambdaContext
) -> dict[str, Any]:
    """On a FIFO queue one record follows another, and after the first that must come again no other
    is touched, so that their order stays. Source: AWS Lambda, "Reporting batch item failures"."""
    deliveries = [sqs.delivery(format, record) for record in records]
    if sqs.is_fifo(records[0]):
        failed = _in_order(deliveries, context)
    else:
        outcomes = accept(deliveries, context)
        failed = [n for n, receipts in enumerate(outcomes) if not _settled(receipts)]
    return {"batchItemFailures": [{"itemIdentifier": records[n]["messageId"]} for n in failed]}


def _in_order(deliveries: Sequence[Delivery], context: LambdaContext) -> list[int]:
    for position, delivery in enumerate(deliveries):
        [receipts] = accept([delivery], context)
        if not _settled(receipts):
            return list(range(position, len(deliveries)))
    return []


def _settled(receipts: Sequence[Receipt]) -> bool:
    return all(receipt.settled for receipt in receipts)


def record(arrival: Arrival, receipt: Receipt) -> None:
    """Count one receipt. It goes into the line that carries the metrics, which costs hardly more
    than the metrics alone; one that somebody must look at has a line of its own, too."""
    metrics.add_metric(name=METRICS[receipt.verdict], unit=MetricUnit.Count, value=1)
    if (age := receipt.age()) is not None:
        metrics.add_metric(name=EVENT_AGE, unit=MetricUnit.Milliseconds, value=age)
    line = {**receipt.to_json(), "message_id": arrival.delivery.headers.get("message-id")}
    kept_before = receipt.quarantine_uri is not None and receipt.quarantine_uri in _warned
    if receipt.verdict not in (Verdict.STARTED, Verdict.DUPLICATE) and not kept_before:
        _warned.add(receipt.quarantine_uri)
        logger.warning("event %s: %s", receipt.verdict, receipt.reason, extra={"receipt": line})
    _line.append(line)
    if len(_line) == _RECEIPTS_A_LINE:
        end_line()
        metrics.flush_metrics()


def end_line() -> None:
    if _line:
        metrics.add_metadata(key="receipts", value=list(_line))
        _line.clear()
    _warned.clear()


def _record_empty(delivery: Delivery) -> None:
    """Log a delivery that has no events in it, such as S3's test event; it is settled."""
    metrics.add_metric(name=METRICS[Verdict.STARTED], unit=MetricUnit.Count, value=0)
    message_id = delivery.headers.get("message-id")
    logger.info("delivery without events", extra={"message_id": message_id})
