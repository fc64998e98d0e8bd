"""Input and output of every format: bytes and headers as received, events or errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from core.domain.event import Event
from core.errors import InvalidEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One delivery of a platform: the original `body`, and `headers` by lower-case name.

    `format` is the name of the format that reads it. `unique` is a string that no other delivery
    has; it identifies events that nothing else identifies.
    """

    format: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    unique: str


OWN_PREFIX: Final = "tidegate-"
"""Prefix of our own headers: listeners drop what a sender sends under such a name."""
HOOK_HEADER: Final = "tidegate-hook"
"""The name of the webhook that received the delivery."""
PERIOD_HEADER: Final = "tidegate-period"
"""The period of time in which the delivery was received. What a source repeats unchanged is the
same event within one period and a new one in the next: no repeat is lost, and repeats do not start
workflows by the thousand."""
REPLAY_KEY_HEADER: Final = "tidegate-replay-key"
"""The key to start a stored event under, because a run that completed has used up its own."""
ATTRIBUTE_PREFIX: Final = "tidegate-attribute-"
"""Prefix of attributes that all events of the delivery get, e.g. `tidegate-attribute-team`."""


def source_of(delivery: Delivery) -> str:
    """What received the delivery: `webhook:NAME`, the queue's address, or else `message`."""
    hook = delivery.headers.get(HOOK_HEADER)
    return f"webhook:{hook}" if hook else delivery.headers.get("queue") or "message"


@dataclass(frozen=True, slots=True)
class Malformed:
    """A part of a delivery that is not an event, and why."""

    error: InvalidEvent


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event, or a malformed part, with the delivery it came in and its position there."""

    item: Event | Malformed
    delivery: Delivery
    position: int = 0
