"""Helpers for tests of formats: payloads in, events and refusals out."""

from __future__ import annotations

from typing import Any

from core.domain.event import Event
from core.formats.registry import read
from core.formats.shared.delivery import Delivery, Malformed, way_headers
from tests.support.payloads import delivery, recorded, recorded_json

UNIQUE = "delivery-1"


def payload(format: str, name: str) -> bytes:
    """A recorded payload of a webhook, byte for byte."""
    return recorded(f"webhooks/{format}/{name}")


def payload_json(format: str, name: str) -> Any:
    return recorded_json(f"webhooks/{format}/{name}")


def by_hook(format: str, body: object, **headers: str) -> Delivery:
    """The body as delivered by a webhook, named `prod` unless headers say otherwise; underscores in
    headers stand for hyphens."""
    unique = headers.pop("unique", UNIQUE)
    return delivery(format, body, unique=unique, **(way_headers("webhook:prod") | headers))


def items(format: str, body: object, **headers: str) -> list[Event | Malformed]:
    return [arrival.item for arrival in read(by_hook(format, body, **headers))]


def event(format: str, body: object, **headers: str) -> Event:
    [item] = items(format, body, **headers)
    assert isinstance(item, Event), item
    return item


def refusal(format: str, body: object, **headers: str) -> str:
    [item] = items(format, body, **headers)
    assert isinstance(item, Malformed), item
    assert item.error.code == "InvalidEvent"
    return item.error.message
