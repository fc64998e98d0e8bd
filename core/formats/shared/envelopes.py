"""Envelopes of AWS around what a sender sent, opened before any format reads it.

    {"Type": "Notification", "TopicArn": "...", "Message": "..."}   SNS, in a queue or a request
    {"Records": [{"EventSource": "aws:sns", "Sns": {...}}]}         SNS, as it invokes a function
    {"detail-type": "...", "source": "...", "id": "...", ...}       EventBridge

SNS's is taken off. EventBridge's stays, because formats read it. Both deliver at least once, and a
repeat is another message of the queue. So both name what they carry by IDs of their own, which take
the place of the queue's: the ID of SNS's message, the source and the ID of EventBridge's event. A
webhook's delivery keeps the ID that its verification proves.

With raw message delivery SNS sends no envelope, and nothing of this applies.
Sources: Amazon SNS Developer Guide, "HTTP/HTTPS notification JSON format" and "Fanout to Lambda
functions"; Amazon EventBridge User Guide, "EventBridge event structure".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, TypeGuard

from core.domain.identity import message_key
from core.errors import InvalidEvent
from core.formats.shared.delivery import (
    DELIVERY_HEADER,
    Delivery,
    Malformed,
    is_sender_header,
    is_webhook,
)
from core.formats.shared.json_body import load_json

_MARKS: Final = (b'"TopicArn"', b'"aws:sns"', b'"detail-type"')
"""What no envelope is without; the body of any other delivery is not read twice."""
_DEEPEST: Final = 2
"""Most envelopes of SNS, one in the other, that are taken off."""


def opened(delivery: Delivery) -> list[Delivery | Malformed]:
    """What the delivery's envelope carries: itself if it has none; one delivery for each record
    with which SNS invokes a function, `Malformed` for one without a message. Raises `InvalidEvent`.
    """
    if not any(mark in delivery.body for mark in _MARKS):
        return [delivery]
    try:
        value = load_json(delivery.body)
    except InvalidEvent:
        return [delivery]  # its format says what is wrong with it
    records = value.get("Records") if isinstance(value, dict) else None
    if not isinstance(records, list) or not records or not all(map(_is_record, records)):
        return [_opened(value, delivery)]
    found: list[Delivery | Malformed] = []
    for position, record in enumerate(records):
        inner = replace(delivery, unique=f"{delivery.unique}.{position}")
        try:
            found.append(_without_envelope(record.get("Sns"), inner))
        except InvalidEvent as error:
            found.append(Malformed(InvalidEvent(f"record {position}: {error.message}")))
    return found


def is_from_eventbridge(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether it is an event of EventBridge, whole."""
    return (
        isinstance(value, dict)
        and "detail" in value
        and all(
            isinstance(value.get(name), str) and value[name]
            for name in ("detail-type", "source", "id")
        )
    )


def _opened(value: object, delivery: Delivery, depth: int = 0) -> Delivery:
    if depth < _DEEPEST and _is_notification(value):
        return _without_envelope(value, delivery, depth)
    if is_from_eventbridge(value) and not is_webhook(delivery):
        id = message_key(value["source"], value["id"])
        headers = {**delivery.headers, "message-id": id, DELIVERY_HEADER: id}
        return replace(delivery, headers=headers)
    return delivery


def _without_envelope(envelope: object, delivery: Delivery, depth: int = 0) -> Delivery:
    message = envelope.get("Message") if isinstance(envelope, dict) else None
    if not isinstance(message, str) or not isinstance(envelope, dict):
        raise InvalidEvent("the SNS envelope has no Message")
    headers = delivery.headers if is_webhook(delivery) else _headers(envelope, delivery.headers)
    body = message.encode(errors="surrogatepass")
    inner = replace(delivery, body=body, headers=headers)
    try:
        value = load_json(body)
    except InvalidEvent:
        return inner
    return _opened(value, inner, depth + 1)


def _headers(envelope: Mapping[str, Any], outer: Mapping[str, str]) -> dict[str, str]:
    """Those of the delivery, with the ID and the time of SNS's message and, as from a queue, its
    text attributes, which are the sender's."""
    attributes = envelope.get("MessageAttributes")
    sent = {
        name.lower(): attribute["Value"]
        for name, attribute in (attributes.items() if isinstance(attributes, dict) else ())
        if is_sender_header(name.lower())
        and isinstance(attribute, dict)
        and isinstance(attribute.get("Value"), str)
        and attribute.get("Type") != "Binary"
    }
    id = envelope.get("MessageId")
    ours = {"message-id": id, DELIVERY_HEADER: id, "sent-at": envelope.get("Timestamp")}
    known = {name: text for name, text in ours.items() if isinstance(text, str) and text}
    return {**outer, **sent, **known}


def _is_notification(value: object) -> bool:
    return isinstance(value, dict) and value.get("Type") == "Notification" and "TopicArn" in value


def _is_record(record: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(record, dict) and record.get("EventSource") == "aws:sns"
