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
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final

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


_SHORTEST: Final = 0.05
_GROUP_CHARS: Final = 256 * 1024
"""Most characters of records that are read together; a larger record is read alone."""


def accept(
    deliveries: Sequence[Delivery],
    context: LambdaContext,
    behind: dict[str, Receipt] | None = None,
) -> list[list[Receipt]]:
    """The receipts of each delivery. All starts run concurrently, and end before the deadline.
    `behind` is what `Intake.accept` takes."""
    batches = [read(delivery) for delivery in deliveries]
    arrivals = [arrival for batch in batches for arrival in batch]
    accepting = intake().accept(
        arrivals, time_left=time_left(context), report=telemetry.record, behind=behind
    )
    receipts = iter(loop().run_until_complete(accepting))
    for delivery, batch in zip(deliveries, batches, strict=True):
        if not batch:
            telemetry.record_empty(delivery)
    return [[next(receipts) for _ in batch] for batch in batches]


def time_left(context: LambdaContext) -> float:
    """Seconds that this invocation may still work on events."""
    left = context.get_remaining_time_in_millis() / 1000 - settings().deadline_margin
    return max(left, _SHORTEST)


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
    """Records are read in groups of bounded size, so that a batch takes no more memory than its
    largest record. On a FIFO queue each is a group, and none is processed after the first that must
    be redelivered, to keep their order; nor is any for which no time is left.
    Source: AWS Lambda, "Reporting batch item failures"."""
    fifo = sqs.is_fifo(records[0])
    failed: list[dict[str, Any]] = []
    behind: dict[str, Receipt] = {}
    for position, group in enumerate(_groups(records, most=0 if fifo else _GROUP_CHARS)):
        if fifo and failed:
            failed += group
        elif position and time_left(context) <= _SHORTEST:
            telemetry.record_unread(len(group))
            failed += group
        else:
            failed += _failed(format, group, context, behind)
    return {"batchItemFailures": [{"itemIdentifier": each["messageId"]} for each in failed]}


def _failed(
    format: str,
    records: Sequence[dict[str, Any]],
    context: LambdaContext,
    behind: dict[str, Receipt],
) -> list[dict[str, Any]]:
    """The records of which not everything is settled, after accepting all."""
    deliveries = [sqs.delivery(format, each, settings()) for each in records]
    outcomes = accept(deliveries, context, behind)
    return [
        record
        for record, receipts in zip(records, outcomes, strict=True)
        if not all(receipt.settled for receipt in receipts)
    ]


def _groups(records: Sequence[dict[str, Any]], *, most: int) -> Iterator[list[dict[str, Any]]]:
    """The records in their order, in groups of at most so many characters, or of one record."""
    group: list[dict[str, Any]] = []
    size = 0
    for record in records:
        length = len(record["body"])
        if group and size + length > most:
            yield group
            group, size = [], 0
        group.append(record)
        size += length
    if group:
        yield group
