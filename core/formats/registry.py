"""Every format by name, and the one way to read a delivery.

A format's name is the name of its file here, and the file ends in its `FORMAT`. It is imported when
the first delivery of that format is read, so a listener pays for its own only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from itertools import groupby
from typing import Final

from core.domain import smoke
from core.domain.event import ALERT, Event
from core.domain.identity import scoped_key
from core.errors import InvalidEvent
from core.formats.shared.bounds import require_few
from core.formats.shared.delivery import (
    ATTRIBUTE_PREFIX,
    CLOUDEVENT_PREFIXES,
    KEPT_HEADERS,
    OWN_PREFIX,
    WAY_HEADER,
    Arrival,
    Delivery,
    Malformed,
    carrier_id,
    is_webhook,
    scope_of,
)
from core.formats.shared.envelopes import opened
from core.formats.shared.format import Format


def registered(*names: str) -> tuple[str, ...]:
    """The names. Raises `ValueError` for one that is there twice."""
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(
            f"registered twice in core/formats/registry.py: {', '.join(twice)}; remove one line, "
            "or rename the file of the newer format and register that name"
        )
    return names


FORMATS: Final = registered(
    "s3",
    "message",
    "stored_event",
    "alertmanager",
    "grafana",
    "pagerduty",
    "pagerduty_webhook",
    "opsgenie",
    "datadog",
    "azure_monitor",
    "cloudwatch",
    "event_grid",
    "github",
    "sentry",
    "slack",
    "heartbeat",
    "mapped",
)

INTERNAL: Final = ("stored_event",)
"""Tidegate's own formats, which neither a webhook nor a queue may have."""
EXTERNAL: Final = tuple(name for name in FORMATS if name not in INTERNAL)
"""All others."""
USERS_OWN: Final = "message"
"""The format of users' own messages, which a queue may be given another one instead of."""
HEARTBEAT: Final = "heartbeat"
"""The format of beats, of which a webhook may name the heartbeat."""
MAPPED: Final = "mapped"
"""The format that reads a sender by a description of it."""


def format_of(name: str) -> Format:
    """The format of this name, one of `FORMATS`. Raises `TypeError` if its file has none."""
    format = getattr(import_module(f"core.formats.{name}"), "FORMAT", None)
    if not isinstance(format, Format):
        raise TypeError(
            f"core/formats/{name}.py has no FORMAT that is a Format; end it with "
            "`FORMAT: Final = Format(parse=parse)`"
        )
    return format


def read(delivery: Delivery) -> list[Arrival]:
    """All arrivals of a delivery, in order, out of whatever envelope they come in. Never raises for
    what a delivery holds: what cannot be read is `Malformed`, and one stands for a run of malformed
    parts."""
    format = format_of(delivery.format)
    items: list[tuple[Event | Malformed, str | None]]
    try:
        items = [each for inner in opened(delivery) for each in _parsed(inner, delivery, format)]
        require_few(items)
    except InvalidEvent as error:
        items = [(_malformed(error), None)]
    attributes = _attributes(delivery)
    return [
        Arrival(
            _completed(item, delivery, format, attributes) if isinstance(item, Event) else item,
            delivery,
            position,
            envelope_id=id,
        )
        for position, (item, id) in enumerate(items)
    ]


def _parsed(
    inner: Delivery | Malformed, outer: Delivery, format: Format
) -> list[tuple[Event | Malformed, str | None]]:
    """What is in one envelope, each with the ID of what carried it if that is not the delivery
    itself. What cannot be read does not affect other envelopes."""
    if isinstance(inner, Malformed):
        return [(inner, None)]
    id = None if inner is outer else carrier_id(inner)
    if event := smoke.event_in(inner.body):  # whatever its format would make of it
        return [(event, id)]
    try:
        return [(item, id) for item in _runs(format.parse(inner))]
    except InvalidEvent as error:
        return [(_malformed(error), id)]


def kept_headers(delivery: Delivery) -> dict[str, str]:
    """The headers that are kept with a delivery: ours, a CloudEvent's, and those that are known."""
    known = {*KEPT_HEADERS, *format_of(delivery.format).headers}
    prefixes = (OWN_PREFIX, *CLOUDEVENT_PREFIXES)
    return {
        name: text
        for name, text in delivery.headers.items()
        if name in known or name.startswith(prefixes)
    }


def kept_body(delivery: Delivery) -> bytes:
    """The body that is kept with a delivery: as it came, but for what is secret in it."""
    without_secrets = format_of(delivery.format).without_secrets
    return without_secrets(delivery) if without_secrets else delivery.body


def _runs(items: Sequence[Event | Malformed]) -> list[Event | Malformed]:
    """The items, with one `Malformed` in place of each run of them."""
    merged: list[Event | Malformed] = []
    for malformed, run in groupby(items, lambda item: isinstance(item, Malformed)):
        if not malformed:
            merged += run
            continue
        first, *others = (item.error for item in run if isinstance(item, Malformed))
        more = f"; {len(others):,} more in a row cannot be read either" if others else ""
        merged.append(_malformed(InvalidEvent(f"{first.message}{more}", fix=first.fix)))
    return merged


def _malformed(error: InvalidEvent) -> Malformed:
    """Without the error's traceback and causes, which keep the whole parsed body in memory."""
    return Malformed(InvalidEvent(error.message, fix=error.fix))


def _completed(
    event: Event, delivery: Delivery, format: Format, attributes: Mapping[str, str]
) -> Event:
    """The event with what its delivery and its format say of all their events."""
    data = event.data
    if event.type == ALERT and isinstance(data, dict):
        if "service" in attributes:  # an alert that names its service itself keeps that one
            data = {"service": attributes["service"], **data}
        if format.replicated:
            data = {**data, "replicated": True}
    key, way, scope = event.key, event.way, event.scope
    if not way:
        way, scope = delivery.headers.get(WAY_HEADER, ""), scope_of(delivery)
    elif is_webhook(delivery):  # its sender may name any store as the event's
        way, scope = delivery.headers[WAY_HEADER], scope_of(delivery)
        key = scoped_key(scope, key)
    return replace(
        event,
        key=smoke.key_of_document(event) or key,
        way=way,
        scope=scope or way,
        extensions={**event.extensions, **attributes},
        data=data,
    )


def _attributes(delivery: Delivery) -> dict[str, str]:
    prefix = ATTRIBUTE_PREFIX
    return {n.removeprefix(prefix): v for n, v in delivery.headers.items() if n.startswith(prefix)}
