"""Input and output of every format: bytes and headers as received, events or errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from core.domain.event import Event
from core.errors import InvalidEvent

if TYPE_CHECKING:
    from core.formats.mapping.mapping import AlertMapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One delivery of a platform: the original `body`, and `headers` by lower-case name.

    `format` is the name of the format that reads it. `unique` is a string that no other delivery
    has; it identifies events that nothing else identifies. `mapping` describes the sender where
    the format is `mapped`.
    """

    format: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    unique: str
    mapping: AlertMapping | None = None


OWN_PREFIX: Final = "tidegate-"
"""Prefix of our own headers: listeners drop what a sender sends under such a name."""
WAY_HEADER: Final = "tidegate-way"
"""Which way the delivery came, `KIND:NAME`: `webhook:prod`, `queue:orders`, `topic:orders/billing`,
`command`."""
SCOPE_HEADER: Final = "tidegate-scope"
"""Within which its keys are one sender's: the way, or the name that several ways share."""
TRUSTED_HEADER: Final = "tidegate-trusted-types"
"""The types of Tidegate's own, comma-separated, that its CloudEvents may have."""
RECEIVED_HEADER: Final = "tidegate-received-at"
"""When a listener received the delivery, RFC 3339; set where the format depends on it."""
REPLAY_KEY_HEADER: Final = "tidegate-replay-key"
"""The key to start a stored event under, because a run that completed has used up its own."""
PRESET_HEADER: Final = "tidegate-preset"
"""The preset by which the format `mapped` reads a queue's messages."""
HEARTBEAT_HEADER: Final = "tidegate-heartbeat"
"""The heartbeat that a webhook's endpoint names: whatever it receives is a beat of it."""
CLOUDEVENT_PREFIXES: Final = ("ce-", "ce_", "cloudevents:", "cloudevents_")
"""Prefixes of a CloudEvent's attributes among other headers: HTTP, Kafka, and both forms of AMQP.
They make any body a CloudEvent, of any type and identity."""
CHANGING_HEADERS: Final = (
    RECEIVED_HEADER,
    "delivery-count",
    "dead-letter-reason",
    "dead-letter-error-description",
)
"""What is said of one delivery among several of the same message."""
KEPT_HEADERS: Final = (
    *CHANGING_HEADERS,
    "content-encoding",
    "content-type",
    "correlation-id",
    "message-id",
    "queue",
    "sent-at",
    "subscription",
    "user-agent",
)
"""Headers that are kept with a quarantined original, whatever its format."""
DELIVERY_HEADER: Final = "tidegate-delivery"
"""The carrier's own ID of the delivery, where the `message-id` is its sender's."""
ATTRIBUTE_PREFIX: Final = "tidegate-attribute-"
"""Prefix of attributes that all events of the delivery get, e.g. `tidegate-attribute-team`."""

_OF_THE_CARRIER: Final = frozenset(
    ("queue", "subscription", "message-id", "sent-at", *CHANGING_HEADERS)
)
"""Headers by which a queue's listener says what carried a message."""

_WEBHOOK: Final = "webhook:"


def way_headers(
    way: str, *, scope: str | None = None, trusted: Sequence[str] = ()
) -> dict[str, str]:
    """The headers by which a listener says which way a delivery came, and what the operator says of
    that way. `scope` is the way where it is None."""
    headers = {WAY_HEADER: way, SCOPE_HEADER: scope or way}
    return {**headers, TRUSTED_HEADER: ",".join(trusted)} if trusted else headers


def is_sender_header(name: str) -> bool:
    """Whether what a sender of a queue's message names so, in lower case, may be a header."""
    return name not in _OF_THE_CARRIER and not name.startswith(OWN_PREFIX)


def webhook_way(name: str) -> str:
    """The way of the webhook of this name."""
    return f"{_WEBHOOK}{name}"


def webhook_of(delivery: Delivery) -> str | None:
    """The name of the webhook that received the delivery; None if none did."""
    way = delivery.headers.get(WAY_HEADER, "")
    return way.removeprefix(_WEBHOOK) if way.startswith(_WEBHOOK) else None


def shared_scope(name: str | None) -> str | None:
    """The scope that an operator names, or None where none is named."""
    return f"shared:{name}" if name else None


def is_webhook(delivery: Delivery) -> bool:
    """Whether a webhook received the delivery: then its sender wrote all of it."""
    return webhook_of(delivery) is not None


def scope_of(delivery: Delivery) -> str:
    """The scope of the delivery's keys."""
    return delivery.headers.get(SCOPE_HEADER, "")


def carrier_id(delivery: Delivery) -> str:
    """What a redelivery keeps and no other delivery by the same way has, as far as its carrier can
    say: the broker's ID of the message, else the ID that the sender gives, else one of our own."""
    headers = delivery.headers
    return headers.get(DELIVERY_HEADER) or headers.get("message-id") or delivery.unique


def source_of(delivery: Delivery) -> str:
    """What received the delivery: `webhook:NAME`, the queue's address, or else `message`."""
    if is_webhook(delivery):
        return delivery.headers[WAY_HEADER]
    return delivery.headers.get("queue") or "message"


@dataclass(frozen=True, slots=True)
class Malformed:
    """A part of a delivery that is not an event, and why."""

    error: InvalidEvent


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event, or a malformed part, with the delivery it came in and its position there.

    `envelope_id` is the ID by which an envelope in the delivery names what it carries, if any does.
    """

    item: Event | Malformed
    delivery: Delivery
    position: int = 0
    envelope_id: str | None = None
