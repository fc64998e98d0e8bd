"""Events of EventBridge as events of ours. They are much like CloudEvents, and are read so:

    source, id      the same; together they are the identity
    detail-type     the type
    detail          the data
    resources       the first is the subject; several are the extension `resources` besides, as
                    many as one attribute holds
    account, region extensions

Source: Amazon EventBridge User Guide, "EventBridge event structure".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from core.domain.event import Event, readable_time
from core.domain.identity import eventbridge_key
from core.formats.shared.cloudevents import MAX_CHARS, require_sound
from core.formats.shared.delivery import Delivery, scope_of


def event(envelope: Mapping[str, Any], delivery: Delivery) -> Event:
    """The event of an envelope that `is_from_eventbridge`, identified by source and ID within the
    delivery's scope. Raises `InvalidEvent` as for a CloudEvent."""
    resources = _texts(envelope.get("resources"))
    extensions = {
        "account": envelope.get("account"),
        "region": envelope.get("region"),
        "resources": _joined(resources) if len(resources) > 1 else None,
    }
    context = {
        "id": envelope["id"],
        "source": envelope["source"],
        "type": envelope["detail-type"],
        "subject": resources[0] if resources else None,
        "time": readable_time(envelope.get("time")),
        "datacontenttype": "application/json",
        "extensions": {n: text for n, text in extensions.items() if text and isinstance(text, str)},
    }
    require_sound(context, delivery)
    key = eventbridge_key(scope_of(delivery), context["source"], context["id"])
    return Event(**context, data=envelope["detail"], key=key)


def _texts(items: object) -> list[str]:
    if not isinstance(items, list):
        return []
    return [item for item in items if item and isinstance(item, str)]


def _joined(texts: Sequence[str]) -> str:
    """The texts, comma-separated, as many of the first ones as one attribute holds."""
    lengths = accumulate(len(text) + len(",") for text in texts)
    return ",".join(t for t, length in zip(texts, lengths, strict=True) if length <= MAX_CHARS)
