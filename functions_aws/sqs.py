"""SQS events of Lambda: batches of records, and each record as a delivery.

Source: AWS Lambda, "Using Lambda with Amazon SQS".
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from core import bootstrap
from core.config.settings import Settings
from core.domain.times import epoch_moment
from core.formats.shared.delivery import Delivery, is_sender_header, shared_scope, way_headers
from core.formats.shared.times import format_time


def is_batch(event: object) -> bool:
    """Whether the invocation is a batch from SQS whose failures can be reported per record."""
    records = event.get("Records") if isinstance(event, dict) else None
    return isinstance(records, list) and bool(records) and all(map(_is_record, records))


def _is_record(record: object) -> bool:
    return (
        isinstance(record, dict)
        and record.get("eventSource") == "aws:sqs"
        and isinstance(record.get("messageId"), str)
        and isinstance(record.get("body"), str)
    )


def is_fifo(record: dict[str, Any]) -> bool:
    """Whether the record comes from a FIFO queue."""
    return str(record.get("eventSourceARN")).endswith(".fifo")


def delivery(format: str, record: dict[str, Any], settings: Settings) -> Delivery:
    """One record, in the format that its queue was given, or else in the listener's. The sender's
    string attributes become headers; ours take precedence."""
    arn = str(record.get("eventSourceARN") or "")
    queue = arn.rpartition(":")[2] or "sqs"
    read_as = bootstrap.format_of_queue(settings, queue, format)
    headers = _sender_headers(record.get("messageAttributes"))
    headers |= way_headers(
        f"queue:{queue}",
        scope=shared_scope(settings.queue_scope),
        trusted=settings.trusted_types,
    )
    headers["queue"] = arn.removeprefix("arn:aws:") or "sqs"
    headers["message-id"] = record["messageId"]
    sent = _sent_at(record.get("attributes"))
    if sent:
        headers["sent-at"] = sent
    # The time when it was sent stays the same when it is delivered again.
    headers |= read_as.headers(sent or format_time(datetime.now(UTC)))
    return Delivery(
        format=read_as.format,
        body=record["body"].encode(errors="surrogatepass"),
        headers=headers,
        unique=uuid.uuid4().hex,
        mapping=read_as.mapping,
    )


def deliveries(format: str, event: Any, settings: Settings) -> list[Delivery] | None:
    """The records of a batch as deliveries, or None for anything but a batch from SQS."""
    if not is_batch(event):
        return None
    return [delivery(format, record, settings) for record in event["Records"]]


def _sender_headers(attributes: object) -> dict[str, str]:
    if not isinstance(attributes, dict):
        return {}
    return {
        name.lower(): value["stringValue"]
        for name, value in attributes.items()
        if is_sender_header(name.lower())
        and isinstance(value, dict)
        and isinstance(value.get("stringValue"), str)
    }


def _sent_at(attributes: object) -> str | None:
    sent = attributes.get("SentTimestamp") if isinstance(attributes, dict) else None
    moment = epoch_moment(sent, per_second=1000)
    return format_time(moment) if moment else None
