"""What every format takes and gives: bytes as they came in, events (or what is wrong) out.

A format is one module with `parse(delivery) -> list[Event | Malformed]`. It is pure, takes bytes
and headers rather than parsed JSON, and raises `InvalidEvent` only when nothing of the delivery can
be understood; a bad record among good ones becomes a `Malformed` in its place.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, Final, NoReturn

from core.domain.event import ALERT, Event, encode
from core.errors import InvalidEvent

FORMATS: Final = {
    "s3": "core.formats.s3",
    "message": "core.formats.message",
    "event": "core.formats.stored_event",
    "alertmanager": "core.formats.alertmanager",
    "grafana": "core.formats.grafana",
    "pagerduty": "core.formats.pagerduty",
    "pagerduty_webhook": "core.formats.pagerduty_webhook",
    "opsgenie": "core.formats.opsgenie",
    "datadog": "core.formats.datadog",
    "azure_monitor": "core.formats.azure_monitor",
    "cloudwatch": "core.formats.cloudwatch",
    "event_grid": "core.formats.event_grid",
    "github": "core.formats.github",
    "sentry": "core.formats.sentry",
    "slack": "core.formats.slack",
}
"""Every format by name. Modules are imported on first use: a listener pays for its own only."""

MAX_DEPTH: Final = 100
"""Deepest nesting of JSON that is accepted; what decodes it later must not run out of stack."""


MAX_EVENTS: Final = 10_000
"""Most events that one delivery may hold: more could not be started in any platform's time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One delivery of a platform: the original `body`, and `headers` with lower-case names.

    `format` names the module that reads it. `unique` is a string that no other delivery has; it
    identifies events that nothing else does.
    """

    format: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    unique: str


OWN_PREFIX: Final = "tidegate-"
"""Headers that begin so are ours alone: listeners drop what a sender sends under such a name."""
HOOK_HEADER: Final = "tidegate-hook"
"""The name of the webhook that a delivery came by."""
PERIOD_HEADER: Final = "tidegate-period"
"""The period of time in which a delivery came. What a source repeats while nothing has changed is
the same event within one period, and a new one in the next: repeats are not lost, nor are they
workflows by the thousand."""
ATTRIBUTE_PREFIX: Final = "tidegate-attribute-"
"""What a way in says of all its events, e.g. `tidegate-attribute-team: payments`."""


def source_of(delivery: Delivery) -> str:
    """Where a delivery came by: `webhook:NAME`, the queue's address, or just `message`."""
    hook = delivery.headers.get(HOOK_HEADER)
    return f"webhook:{hook}" if hook else delivery.headers.get("queue") or "message"


@dataclass(frozen=True, slots=True)
class Malformed:
    """A part of a delivery that is no event, and why."""

    error: InvalidEvent


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event, or what is no event, with the delivery it came in and its place therein."""

    item: Event | Malformed
    delivery: Delivery
    position: int = 0


def read(delivery: Delivery) -> list[Arrival]:
    """All arrivals of a delivery, in order. Never raises: what cannot be read is `Malformed`."""
    parse = import_module(FORMATS[delivery.format]).parse
    items: list[Event | Malformed]
    try:
        items = parse(delivery)
        if len(items) > MAX_EVENTS:
            raise InvalidEvent(
                f"it holds {len(items):,} events, and {MAX_EVENTS:,} may come at once",
                fix="let the sender send smaller batches; a replay needs a smaller one, too",
            )
    except InvalidEvent as error:
        items = [Malformed(error)]
    if given := _attributes(delivery):
        items = [_with(item, given) if isinstance(item, Event) else item for item in items]
    return [Arrival(item, delivery, position) for position, item in enumerate(items)]


def _attributes(delivery: Delivery) -> dict[str, str]:
    prefix = ATTRIBUTE_PREFIX
    return {n.removeprefix(prefix): v for n, v in delivery.headers.items() if n.startswith(prefix)}


def _with(event: Event, given: Mapping[str, str]) -> Event:
    """The event with what its way in says of it; an alert's own word on its service goes first."""
    data = event.data
    if event.type == ALERT and isinstance(data, dict) and "service" in given:
        data = {"service": given["service"], **data}
    return replace(event, extensions={**event.extensions, **given}, data=data)


def load_json(body: bytes) -> Any:
    """The body as JSON. Raises `InvalidEvent` unless it is UTF-8 (a byte-order mark is tolerated)
    and JSON by RFC 8259 that can be written again: no NaN, no lone surrogates, no bottomless nests.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidEvent(f"the body is not UTF-8: {error}") from error
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise InvalidEvent(f"the body is not JSON: {error}") from error
    if text.count("[") + text.count("{") > MAX_DEPTH and _deeper_than(value, MAX_DEPTH):
        raise InvalidEvent(f"the body nests deeper than {MAX_DEPTH} levels")
    if "\\u" in text:  # the only way to say a lone surrogate
        encode(value)
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise InvalidEvent(f"the event cannot be written as JSON: {text[:32]} is out of range")
    return value


_DECODER: Final = json.JSONDecoder(parse_float=_finite, parse_constant=_refuse_constant)


def _deeper_than(value: Any, levels: int) -> bool:
    layer = [value]
    for _ in range(levels):
        layer = [
            child
            for item in layer
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not layer:
            return False
    return True
