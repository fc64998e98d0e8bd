"""Service Bus messages of the Functions host: each as a delivery that is settled or abandoned.

A function receives one message at a time. In a batch, one retry would redeliver all messages and
count against each of them, with no gain: the starts of single messages run concurrently on the
process's one loop. It receives bytes, because the host decodes anything else to text.

Returning completes a message, raising abandons it. Service Bus redelivers an abandoned message
immediately, so one minute without Temporal would use up all deliveries; hence a message is held,
locked, for a while before it is abandoned.
Source: Azure Functions, "Azure Service Bus trigger"; Service Bus, "Message transfers, locks, and
settlement".
"""

from __future__ import annotations

import asyncio
import os
import re
import uuid
from datetime import UTC, datetime
from typing import Any, Final

import azure.functions as func

from core import bootstrap
from core.config.settings import Settings
from core.formats.shared.delivery import (
    DELIVERY_HEADER,
    Delivery,
    is_sender_header,
    shared_scope,
    way_headers,
)
from core.formats.shared.times import format_time
from functions_azure import runtime, telemetry
from functions_azure.host import FUNCTION_TIMEOUT

CONNECTION: Final = "ServiceBusConnection"
"""The name of the connection in the host's settings."""
_ENDPOINT: Final = re.compile(r"(?:^|;)\s*Endpoint=sb://(?P<host>[^/;]+)", re.I)
_LONGEST_HOLD: Final = 60.0
_RESERVE: Final = 10.0
"""A message is abandoned at the latest so many seconds before its invocation times out."""


async def deliver(
    format: str, message: func.ServiceBusMessage, *, entity: str, subscription: str | None = None
) -> None:
    """Settle one message of a queue or topic; `entity` and `subscription` name the settings that
    hold their names. Returns when the message may be completed, raises to abandon it."""
    begun = asyncio.get_running_loop().time()
    received = delivery(
        format, message, runtime.settings(), entity=entity, subscription=subscription
    )
    telemetry.record_delivery(received)
    try:
        await runtime.settle(received)
    except Exception:
        left = begun + FUNCTION_TIMEOUT - _RESERVE - asyncio.get_running_loop().time()
        await asyncio.sleep(max(min(hold(message.delivery_count), left), 0))
        raise


def sessions() -> bool | None:
    """Whether the messages' queue and subscription have sessions, from MESSAGES_SESSIONS: true, or
    None for without. Read while the app loads, because the host indexes triggers once. Raises
    ValueError for another value, and then no function of the app runs."""
    text = os.environ.get("MESSAGES_SESSIONS", "")
    if text not in ("", "false", "true"):
        raise ValueError(f"MESSAGES_SESSIONS is {text!r}: write true or false")
    return text == "true" or None


def hold(delivery_count: int | None) -> float:
    """Seconds that a message is held before it is abandoned: twice as long at every delivery."""
    return min(2.0 ** min((delivery_count or 1) - 1, 10), _LONGEST_HOLD)


def delivery(
    format: str,
    message: func.ServiceBusMessage,
    settings: Settings,
    *,
    entity: str,
    subscription: str | None = None,
) -> Delivery:
    """One message, in the format that its queue or subscription was given, or else in the
    listener's. The sender's properties become headers; ours take precedence."""
    properties = message.application_properties or message.user_properties or {}
    headers = {
        name.lower(): text
        for name, value in properties.items()
        if is_sender_header(name.lower()) and (text := _text(value)) is not None
    }
    name = os.environ.get(entity, entity)
    subscribed = os.environ.get(subscription, subscription) if subscription else None
    # A message is the same by all subscriptions to its topic, so the scope is the topic.
    scope = f"topic:{name}" if subscribed else f"queue:{name}"
    way = f"{scope}/{subscribed}" if subscribed else scope
    read_as = bootstrap.format_of_queue(settings, way.partition(":")[2], format)
    sent = _time(message.enqueued_time_utc)
    ours = {
        # The time when it was enqueued stays the same when it is delivered again.
        **read_as.headers(sent or format_time(datetime.now(UTC))),
        **way_headers(
            way,
            scope=shared_scope(settings.queue_scope) or scope,
            trusted=settings.trusted_types,
        ),
        "content-type": message.content_type,
        "correlation-id": message.correlation_id,
        "queue": f"servicebus:{namespace()}/{name}",
        "subscription": subscribed,
        "message-id": message.message_id or _broker_id(message),
        DELIVERY_HEADER: _broker_id(message),
        "sent-at": sent,
        "delivery-count": _text(message.delivery_count),
        "dead-letter-reason": (
            message.dead_letter_reason or _text(properties.get("DeadLetterReason"))
        ),
        "dead-letter-error-description": (
            message.dead_letter_error_description
            or _text(properties.get("DeadLetterErrorDescription"))
        ),
    }
    return Delivery(
        format=read_as.format,
        body=message.get_body(),
        headers=headers | {name: text for name, text in ours.items() if text},
        unique=uuid.uuid4().hex,
        mapping=read_as.mapping,
    )


def namespace() -> str:
    """The namespace of the connection: its name in Azure, otherwise its host. The same with an
    identity as with a key, so that a message's event ID does not depend on it."""
    host = os.environ.get(f"{CONNECTION}__fullyQualifiedNamespace", "")
    if not host and (found := _ENDPOINT.search(os.environ.get(CONNECTION, ""))):
        host = found["host"]
    return host.partition(".servicebus.")[0].lower() or CONNECTION


def _broker_id(message: func.ServiceBusMessage) -> str | None:
    """The broker's own ID of the message: its sequence number, which is unique for the lifetime of
    the entity, with its time. A sender may give the same message ID to many messages."""
    number, time = message.sequence_number, _time(message.enqueued_time_utc)
    return f"sequence:{number}@{time}" if number is not None and time else None


def _time(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return format_time(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else None
