"""Service Bus as the Functions host hands it over: a message as a delivery, settled or given back.

A function takes one message at a time. In a batch, one that must come again would bring all of them
again, and each delivery counts against every message of it; and nothing is won: the starts of
messages taken singly run side by side on the process's one loop. It takes it as bytes, because the
host makes text of whatever it does not hand over as such.

Returning completes a message, raising abandons it. Service Bus hands an abandoned message out again
at once, so that a minute without Temporal would use up all of its deliveries; hence a message is
kept, locked, for a while before it is given back.
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

from core.formats.shared.delivery import OWN_PREFIX, Delivery
from functions_azure import runtime, telemetry
from functions_azure.host import FUNCTION_TIMEOUT

CONNECTION: Final = "ServiceBusConnection"
"""The name of the connection, as the host's settings have it."""
_ENDPOINT: Final = re.compile(r"(?:^|;)\s*Endpoint=sb://(?P<host>[^/;]+)", re.I)
_LONGEST_HOLD: Final = 60.0
_RESERVE: Final = 10.0
"""Seconds before the limit of an invocation at which its message is given back at the latest."""
_OURS: Final = (
    "queue",
    "subscription",
    "message-id",
    "sent-at",
    "delivery-count",
    "dead-letter-reason",
    "dead-letter-error-description",
)
"""Headers that say what Service Bus says of a message; a sender's properties cannot."""


async def deliver(
    format: str, message: func.ServiceBusMessage, *, entity: str, subscription: str | None = None
) -> None:
    """Settle one message of a queue or topic; `entity` and `subscription` are the names of the
    settings that hold their names. Returns when the message may be completed, else raises."""
    begun = asyncio.get_running_loop().time()
    given = delivery(format, message, entity=entity, subscription=subscription)
    telemetry.record_delivery(given)
    try:
        await runtime.settle(given)
    except Exception:
        left = begun + FUNCTION_TIMEOUT - _RESERVE - asyncio.get_running_loop().time()
        await asyncio.sleep(max(min(hold(message.delivery_count), left), 0))
        raise


def hold(delivery_count: int | None) -> float:
    """Seconds that a message is kept before it is given back: twice as long at every delivery."""
    return min(2.0 ** min((delivery_count or 1) - 1, 10), _LONGEST_HOLD)


def delivery(
    format: str,
    message: func.ServiceBusMessage,
    *,
    entity: str,
    subscription: str | None = None,
) -> Delivery:
    """One message. The sender's properties become headers; ours go before theirs."""
    properties = message.application_properties or message.user_properties or {}
    headers = {
        name.lower(): text
        for name, value in properties.items()
        if not name.lower().startswith(OWN_PREFIX)
        and name.lower() not in _OURS
        and (text := _text(value)) is not None
    }
    said = {
        "content-type": message.content_type,
        "correlation-id": message.correlation_id,
        "queue": f"servicebus:{namespace()}/{os.environ.get(entity, entity)}",
        "subscription": os.environ.get(subscription) if subscription else None,
        "message-id": _message_id(message),
        "sent-at": _time(message.enqueued_time_utc),
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
        format=format,
        body=message.get_body(),
        headers=headers | {name: text for name, text in said.items() if text},
        unique=uuid.uuid4().hex,
    )


def namespace() -> str:
    """The namespace that the connection leads to: its own name where it is in Azure, else its host
    as it stands. With an identity as with a key, so that a message keeps its identity."""
    host = os.environ.get(f"{CONNECTION}__fullyQualifiedNamespace", "")
    if not host and (found := _ENDPOINT.search(os.environ.get(CONNECTION, ""))):
        host = found["host"]
    return host.partition(".servicebus.")[0].lower() or CONNECTION


def _message_id(message: func.ServiceBusMessage) -> str | None:
    """The sender's, or where it gave none the broker's own: a number that is given once as long as
    the entity lives, with its time."""
    if message.message_id:
        return message.message_id
    number, time = message.sequence_number, _time(message.enqueued_time_utc)
    return f"sequence:{number}@{time}" if number is not None and time else None


def _time(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    known = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return known.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else None
