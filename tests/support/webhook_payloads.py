"""Recorded payloads of webhooks, `tests/events/webhooks/FORMAT/NAME.json`, and reading them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from core.domain.alert import Alert, read_alert
from core.domain.event import Event
from core.errors import InvalidEvent
from core.formats.registry import read
from core.formats.shared.delivery import Delivery, Malformed, way_headers

FOLDER = Path(__file__).parents[1] / "events" / "webhooks"
PAYLOADS = sorted((path.parent.name, path.stem) for path in FOLDER.glob("*/*.json"))
"""Format and name of every payload."""


def body_of(format: str, name: str) -> bytes:
    """A recorded payload, byte for byte."""
    return (FOLDER / format / f"{name}.json").read_bytes()


def payload(format: str, name: str) -> Any:
    """A recorded payload, as a copy to change."""
    return json.loads(body_of(format, name))


def sent(
    format: str, body: object, *, hook: str = "prod", unique: str = "1a2b", id: str | None = None
) -> Delivery:
    """A delivery as the webhook pipeline makes it, of bytes or of anything as JSON. `id` is the
    carrier's own ID of it."""
    return Delivery(
        format=format,
        body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        headers={
            "content-type": "application/json",
            **way_headers(f"webhook:{hook}"),
            **({"message-id": id} if id else {}),
        },
        unique=unique,
    )


def items(delivery: Delivery) -> list[Event | Malformed]:
    return [arrival.item for arrival in read(delivery)]


def events(delivery: Delivery) -> list[Event]:
    """All events of a delivery without malformed parts."""
    result = items(delivery)
    assert not [item.error for item in result if isinstance(item, Malformed)]
    return [item for item in result if isinstance(item, Event)]


def event(delivery: Delivery) -> Event:
    """The one event of a delivery."""
    [result] = events(delivery)
    return result


def alert(delivery: Delivery) -> Alert:
    """The one alert of a delivery, as incidents read it."""
    return read_alert(event(delivery))


def refusal(delivery: Delivery) -> InvalidEvent:
    """Why a delivery has no events."""
    [result] = items(delivery)
    assert isinstance(result, Malformed)
    return result.error


def changed(value: Any, *path: str | int, to: Any) -> Any:
    """A copy with another value at a path."""
    value = copy.deepcopy(value)
    *parents, last = path
    place = value
    for part in parents:
        place = place[part]
    place[last] = to
    return value


def without(value: Any, *path: str | int) -> Any:
    """A copy without what is at a path."""
    value = copy.deepcopy(value)
    *parents, last = path
    place = value
    for part in parents:
        place = place[part]
    del place[last]
    return value
