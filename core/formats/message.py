"""Messages of the users' own, from a queue: a CloudEvent in JSON, or any JSON.

Headers that count: `queue` (e.g. `sqs:eu-west-1:123456789012:orders`), `message-id`,
`sent-at` (RFC 3339), `content-type`. All other headers stay with the delivery.
"""

from __future__ import annotations

from typing import Any, TypeGuard

from core.domain.event import MESSAGE, Event
from core.domain.identity import fresh_key, message_key
from core.errors import InvalidEvent
from core.formats import cloudevents
from core.formats.delivery import Delivery, Malformed, load_json, source_of

_BATCH = "application/cloudevents-batch+json"


def parse(delivery: Delivery) -> list[Event | Malformed]:
    """One event, or several for a CloudEvents batch. Raises `InvalidEvent`."""
    value = load_json(delivery.body)
    said_batch = delivery.headers.get("content-type", "").lower().startswith(_BATCH)
    if said_batch and not isinstance(value, list):
        raise InvalidEvent(f"the content type says {_BATCH}, but the body is no array")
    if isinstance(value, list) and (said_batch or (value and all(map(_is_cloudevent, value)))):
        return [_one_of_batch(item) for item in value]
    if _is_cloudevent(value):
        return [cloudevents.event(value)]
    return [_plain(value, delivery)]


def _is_cloudevent(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict) and "specversion" in value


def _one_of_batch(item: object) -> Event | Malformed:
    if not isinstance(item, dict):
        return Malformed(InvalidEvent("an item of the CloudEvents batch is not a JSON object"))
    try:
        return cloudevents.event(item)
    except InvalidEvent as error:
        return Malformed(error)


def _plain(data: Any, delivery: Delivery) -> Event:
    source = source_of(delivery)
    message_id = delivery.headers.get("message-id")
    return Event(
        id=message_id or delivery.unique,
        source=source,
        type=MESSAGE,
        time=delivery.headers.get("sent-at"),
        datacontenttype="application/json",
        data=data,
        key=message_key(source, message_id) if message_id else fresh_key(source, delivery.unique),
        fresh=not message_id,
    )
