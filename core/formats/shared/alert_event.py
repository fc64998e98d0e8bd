"""Alerts of every monitoring system as events of one shape.

Fields hold the sender's own words, untranslated, with the original beside them;
`core.domain.alert` interprets them, and leniently.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from core.domain.event import ALERT, Event, readable_time
from core.domain.identity import alert_key, unidentified_key
from core.errors import InvalidEvent
from core.formats.shared.delivery import PERIOD_HEADER, Delivery, source_of

Status = Literal["firing", "resolved"]


def alert(
    delivery: Delivery,
    position: int,
    *,
    kind: str,
    key: object,
    status: Status,
    change: str | None,
    time: object = None,
    original: Mapping[str, Any],
    scope: str | None = None,
    **fields: Any,
) -> Event:
    """One alert as an event. Raises `InvalidEvent` for an alert without a key.

    - `position` is the alert's in the delivery.
    - `kind` names the monitoring system, as `core.domain.incident.severity.WORDS` does where its
      severities have words of their own.
    - `key` is the system's own name for the alert, the same from firing to resolved.
    - `change` identifies this change of the alert. Where it is None the delivery's own ID does;
      without one, the event is unidentified.
    - `scope` separates systems whose keys may be equal: by default the webhook, "" where keys are
      globally unique.
    - `fields` are the other fields of `core.domain.alert.Alert`; those that are None are left out.
    - `original` is kept whole.
    """
    if not isinstance(key, str | int) or isinstance(key, bool) or not _is_visible(str(key)):
        raise InvalidEvent(
            f"the {kind} alert has no key, so nobody can say which alert it is",
            fix="let the sender send what stays the same from firing to resolved",
        )
    if change is None and (change := _of_delivery(delivery, position)):
        scope = None  # a delivery's ID is unique to its sender only
    source = source_of(delivery) if scope is None else scope
    name = f"{kind}:{source}" if source else kind
    unique = f"{delivery.unique}.{position}"
    data = {"source": kind, "key": str(key), "status": status, **fields}
    return Event(
        id=f"{key}@{change or unique}",
        source=source_of(delivery),
        type=ALERT,
        subject=str(key),
        time=readable_time(time),
        datacontenttype="application/json",
        data={
            **{field: value for field, value in data.items() if value is not None},
            "original": dict(original),
        },
        key=alert_key(name, str(key), change) if change else unidentified_key(name, unique),
        unidentified=change is None,
    )


def _is_visible(key: str) -> bool:
    """Whether anything is left of it once incidents drop control characters."""
    return any(character.isprintable() and character != " " for character in key)


def _of_delivery(delivery: Delivery, position: int) -> str | None:
    id = delivery.headers.get("message-id")
    return f"{id}.{position}" if id else None


def repeated(delivery: Delivery, *parts: object) -> str | None:
    """The `change` for sources that repeat an alert while it lasts: its parts, and the delivery's
    period. None if a part is missing."""
    if not all(parts):
        return None
    period = delivery.headers.get(PERIOD_HEADER)
    return ":".join(str(part) for part in (*parts, *([period] if period else [])))


def changed(*parts: object) -> str | None:
    """The `change` for sources that send each change once. None if a part is missing."""
    return ":".join(map(str, parts)) if all(parts) else None
