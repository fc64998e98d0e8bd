"""What a format says of its sender's HTTP, beyond how to read it.

A format module may have any of these, and most have none:

    MEDIA_TYPES         content types besides JSON that the sender uses
    REFUSAL_HEADERS     headers that go with an answer of 4xx
    ANSWER_WITHIN       seconds in which the sender gives up waiting
    COMES_AGAIN         False for senders that send once and never again, whatever they are answered
    SILENT              True for senders that show people what they are answered: success is empty
    handshake(delivery) the JSON that answers a handshake, or None when the body is none
    reply(delivery)     fields that the sender's own libraries look for in the answer
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any

from core.formats.shared.delivery import FORMATS, Delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """One format's; see the module's docstring."""

    media_types: tuple[str, ...] = ()
    refusal_headers: Mapping[str, str] = field(default_factory=dict)
    answer_within: float | None = None
    comes_again: bool = True
    silent: bool = False
    handshake: Callable[[Delivery], dict[str, Any] | None] = lambda _: None
    reply: Callable[[Delivery], dict[str, Any]] = lambda _: {}

    def takes(self, media_type: str) -> bool:
        """Whether a body of this type (lower case, without parameters) may come."""
        json = media_type in ("", "application/json") or media_type.endswith("+json")
        return json or media_type in self.media_types or "*/*" in self.media_types


@cache
def rules(format: str) -> Rules:
    module = import_module(FORMATS[format])
    names = [slot for slot in Rules.__slots__ if hasattr(module, _name(slot))]
    return Rules(**{slot: getattr(module, _name(slot)) for slot in names})


def _name(slot: str) -> str:
    return slot if slot in ("handshake", "reply") else slot.upper()
