"""What every Lambda listener shares: one event loop and one intake per process, and how receipts
become Lambda's responses.

Importing this loads everything that the first event needs, because Lambda gives a starting function
more CPU than a running one. Nothing is connected yet: the first event does that, or the restore of
a snapshot (see `snapstart`).
"""

from __future__ import annotations

import functions_aws.cold_start  # noqa: F401  before anything else is loaded

# isort: split
import asyncio
import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from core import bootstrap
from core.config.settings import Settings
from core.formats.registry import read
from core.formats.shared.delivery import Delivery, shared_scope, way_headers
from core.formats.shared.times import format_time
from core.intake.accept import Intake
from core.intake.receipts import Receipt, require_settled
from functions_aws import sqs, telemetry

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from core.adapters.temporal.workflows import TemporalWorkflows


@cache
def settings() -> Settings:
    """The process's settings. Raises `SettingsError`, and then Lambda retries."""
    read = Settings.from_env()
    bootstrap.queue_formats(read)
    return read


@cache
def loop() -> asyncio.AbstractEventLoop:
    """The process's one event loop; the Temporal client lives on it across invocations.

    Not a Runner: that installs and removes a SIGINT handler at every event, useless in Lambda.
    """
    return asyncio.new_event_loop()


@cache
def workflows() -> TemporalWorkflows:
    return bootstrap.temporal_workflows(settings())


@cache
def intake() -> Intake:
    return bootstrap.intake(settings(), workflows=workflows())


def accept(deliveries: Sequence[Delivery], context: LambdaContext) -> list[list[Receipt]]:
    """The receipts of each delivery. All starts run concurrently, and end before the deadline."""
    batches = [read(delivery) for delivery in deliveries]
    arrivals = [arrival for batch in batches for arrival in batch]
    accepting = intake().accept(arrivals, time_left=time_left(context), report=telemetry.record)
    receipts = iter(loop().run_until_complete(accepting))
    for delivery, batch in zip(deliveries, batches, strict=True):
        if not batch:
            telemetry.record_empty(delivery)
    return [[next(receipts) for _ in batch] for batch in batches]


def time_left(context: LambdaContext) -> float:
    """Seconds that this invocation may still work on events."""
    return max(context.get_remaining_time_in_millis() / 1000 - settings().deadline_margin, 0.05)


def answer(format: str, event: Any, context: LambdaContext) -> Any:
    """The response of a listener for `format`, or for the formats that its queues were given.

    For a batch from SQS `{"batchItemFailures": [...]}` with the messages to redeliver; otherwise
    the receipts as JSON. Raises `NotAccepted` when the invocation must be retried.
    """
    if sqs.is_batch(event):
        return _answer_queue(format, event["Records"], context)
    return _answer_invocation(format, event, context)


def _answer_invocation(format: str, event: Any, context: LambdaContext) -> list[dict[str, Any]]:
    # Lambda passes parsed JSON; the original bytes of a direct invocation are not available.
    body = json.dumps(event).encode()
    name = f"invoked/{format}"  # no queue's name has a slash
    read_as = bootstrap.format_of_queue(settings(), name, format)
    headers = read_as.headers(format_time(datetime.now(UTC))) | way_headers(
        f"queue:{name}",
        scope=shared_scope(settings().queue_scope),
        trusted=settings().trusted_types,
    )
    delivery = Delivery(
        format=read_as.format,
        body=body,
        headers=headers,
        unique=uuid.uuid4().hex,
        mapping=read_as.mapping,
    )
    [receipts] = accept([delivery], context)
    require_settled(receipts)
    return [receipt.to_json() for receipt in receipts]


def _answer_queue(
    format: str, records: Sequence[dict[str, Any]], context: LambdaContext
) -> dict[str, Any]:
    """On a FIFO queue records are processed one by one, and none after the first that must be
    redelivered, to keep their order. Source: AWS Lambda, "Reporting batch item failures"."""
    deliveries = [sqs.delivery(format, record, settings()) for record in records]
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
