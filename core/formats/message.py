"""Users' own messages, by queue or HTTP: CloudEvents in every mode, events of EventBridge, or any
JSON.

    content-type: application/cloudevents-batch+json   batched: an array of CloudEvents in JSON
    content-type: application/cloudevents+json         structured: one CloudEvent in JSON
    ce-specversion: 1.0                                binary: attributes in headers, any body
    anything else                                      JSON; with a `specversion`, a CloudEvent;
                                                       with a `detail-type`, EventBridge's

Headers that are read: `queue` (e.g. `sqs:eu-west-1:123456789012:orders`), `message-id`, `sent-at`
(RFC 3339), `content-type`, and the attributes of a CloudEvent in binary mode.
"""

from __future__ import annotations

from typing import Any, Final, TypeGuard

from core.domain.event import MESSAGE, Event, readable_time
from core.domain.identity import message_key, unidentified_key
from core.errors import InvalidEvent
from core.formats.shared import cloudevents, eventbridge
from core.formats.shared.bounds import require_few
from core.formats.shared.delivery import Delivery, Malformed, is_webhook, source_of
from core.formats.shared.envelopes import is_from_eventbridge
from core.formats.shared.format import Format
from core.formats.shared.http_body import load, media_type
from core.formats.shared.json_body import load_json

_ANY_CLOUDEVENT: Final = "application/cloudevents"
_STRUCTURED: Final = (_ANY_CLOUDEVENT, f"{_ANY_CLOUDEVENT}+json")
_BATCH: Final = f"{_ANY_CLOUDEVENT}-batch+json"


def parse(delivery: Delivery) -> list[Event | Malformed]:
    """One event, or several for a CloudEvents batch. Raises `InvalidEvent`."""
    content_type = media_type(delivery)
    if not content_type.startswith(_ANY_CLOUDEVENT):
        if event := cloudevents.binary_event(delivery):
            return [event]
    elif content_type not in (_BATCH, *_STRUCTURED):
        raise InvalidEvent(
            f"the content type is {content_type[:100]}; CloudEvents are read in JSON only"
        )
    value = load(delivery) if is_webhook(delivery) else load_json(delivery.body)
    if content_type == _BATCH and not isinstance(value, list):
        raise InvalidEvent(f"the content type says {_BATCH}, but the body is not an array")
    if isinstance(value, list) and (
        content_type == _BATCH or (value and all(map(_is_cloudevent, value)))
    ):
        require_few(value)
        return [_one_of_batch(item, delivery) for item in value]
    if content_type in _STRUCTURED and not isinstance(value, dict):
        raise InvalidEvent(f"the content type says {content_type}, but the body is not an object")
    if content_type in _STRUCTURED or _is_cloudevent(value):
        return [cloudevents.event(value, delivery)]
    if is_from_eventbridge(value):
        return [eventbridge.event(value, delivery)]
    return [_plain(value, delivery)]


def _is_cloudevent(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict) and "specversion" in value


def _one_of_batch(item: object, delivery: Delivery) -> Event | Malformed:
    if not isinstance(item, dict):
        return Malformed(InvalidEvent("an item of the CloudEvents batch is not a JSON object"))
    try:
        return cloudevents.event(item, delivery)
    except InvalidEvent as error:
        return Malformed(error)


def _plain(data: Any, delivery: Delivery) -> Event:
    source = source_of(delivery)
    message_id = delivery.headers.get("message-id")
    return Event(
        id=message_id or delivery.unique,
        source=source,
        type=MESSAGE,
        time=readable_time(delivery.headers.get("sent-at")),
        datacontenttype="application/json",
        data=data,
        key=message_key(source, message_id)
        if message_id
        else unidentified_key(source, delivery.unique),
        unidentified=not message_id,
    )


FORMAT: Final = Format(
    parse=parse,
    media_types=("*/*",),  # the data of a CloudEvent in binary mode may be anything
)
