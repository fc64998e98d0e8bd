"""A format: how one sender is read, and how it is answered over HTTP.

Each sender's file ends in one, `FORMAT`, and `core.formats.registry` lists the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.domain.event import Event
from core.formats.shared.delivery import Delivery, Malformed


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One sender's format. Only `parse` is required; what follows `replicated` is for webhooks."""

    parse: Callable[[Delivery], list[Event | Malformed]]
    """Reads a delivery, purely. A malformed part among good ones is a `Malformed` in its place;
    `InvalidEvent` is raised only if nothing of the delivery can be read."""

    headers: tuple[str, ...] = ()
    """Lower-case names of the headers of its own that `parse` reads: they are kept with what is
    quarantined."""

    without_secrets: Callable[[Delivery], bytes] | None = None
    """The body as it may be kept, of a sender whose bodies hold secrets; it is read as before."""

    timed: bool = False
    """Whether `parse` depends on when the delivery was received."""

    replicated: bool = False
    """Whether the sender runs as replicas that may disagree for a while, so that an alert which
    fires again with the same start may be a late word or the truth."""

    retries: bool = True
    """Whether the sender retries after an error or a timeout. If not, what cannot start is
    quarantined."""

    answer_within: float | None = None
    """Seconds after which the answer comes too late for the sender."""

    methods: tuple[str, ...] = ("POST",)
    """HTTP methods by which the sender may deliver."""

    media_types: tuple[str, ...] = ()
    """Content types that the sender uses besides JSON; `*/*` is any."""

    refusal_headers: Mapping[str, str] = field(default_factory=dict)
    """Headers of every 4xx answer."""

    empty_response: bool = False
    """Whether success is answered without a body, because the sender shows it to people."""

    handshake: Callable[[Delivery], dict[str, Any] | None] | None = None
    """The JSON that answers a handshake, or None for any other delivery. Raises `InvalidEvent`."""

    reply: Callable[[Delivery], dict[str, Any]] | None = None
    """Fields that the sender's own libraries look for in the answer, and `ignored`: why a delivery
    that might be an alert gives no event."""

    def accepts(self, media_type: str) -> bool:
        """Whether a body of this type (lower case, without parameters) is accepted."""
        json = media_type in ("", "application/json") or media_type.endswith("+json")
        return json or media_type in self.media_types or "*/*" in self.media_types
