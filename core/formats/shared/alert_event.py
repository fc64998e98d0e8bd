"""Alerts of every monitoring system as events of one shape.

Fields hold the sender's own words, untranslated, with the original beside them;
`core.domain.alert` interprets them, and leniently. An alert is a state, and its event is what was
delivered: so the event has the delivery's identity, and never that of its content, because a source
may say the same thing twice and mean it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from core.domain.event import ALERT, Event, readable_time
from core.domain.identity import message_key, unidentified_key
from core.domain.text import spelt
from core.errors import InvalidEvent
from core.formats.shared.delivery import Delivery, source_of

Status = Literal["firing", "resolved"]


def alert(
    delivery: Delivery,
    position: int,
    *,
    kind: str,
    key: object,
    status: Status,
    time: object = None,
    original: Mapping[str, Any],
    links: Mapping[str, str | None] | None = None,
    **fields: Any,
) -> Event:
    """One alert as an event. Raises `InvalidEvent` for an alert without a key.

    - `position` is the alert's in the delivery.
    - `kind` names the monitoring system, as `core.domain.severity.WORDS` does where its
      severities have words of their own.
    - `key` is the system's own name for the alert, the same from firing to resolved.
    - `links` are addresses by what they lead to: `source` (the alert in the system that sent it),
      `runbook`, `dashboard`, `panel`, `silence`. Those that are None are left out. What people
      name as they like is read by `core.formats.shared.links`.
    - `fields` are the other fields of `core.domain.alert.Alert`; those that are None are left out.
      Of whatever type the sender's are, the event's are of those that the contract names
      (docs/schemas/event.schema.json): a worker in a typed language could not read others.
    - `original` is kept whole.
    """
    if not isinstance(key, str | int) or isinstance(key, bool) or not _is_visible(str(key)):
        raise InvalidEvent(
            f"the {kind} alert has no key, so nobody can say which alert it is",
            fix="let the sender send what stays the same from firing to resolved",
        )
    known_links = {name: link for name, link in (links or {}).items() if link}
    data = {"source": kind, "key": str(key), **_typed({"status": status, **fields})}
    carrier_id = delivery.headers.get("message-id")
    id = f"{carrier_id or delivery.unique}.{position}"
    sender = f"{kind}:{source_of(delivery)}"
    return Event(
        id=id,
        source=source_of(delivery),
        type=ALERT,
        subject=str(key),
        time=readable_time(time),
        datacontenttype="application/json",
        data={
            **data,
            **({"links": known_links} if known_links else {}),
            "original": dict(original),
        },
        key=message_key(sender, id) if carrier_id else unidentified_key(sender, id),
        unidentified=not carrier_id,
    )


def _typed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are not None, of their types: text, but for labels, a count and a flag.
    Labels that are no object are left out; the original has them."""
    typed: dict[str, Any] = {}
    for name, value in fields.items():
        match name, value:
            case (_, None):
                continue
            case ("labels", _):
                typed |= {name: value} if isinstance(value, Mapping) else {}
            case ("truncated", _):  # what is no number still says that alerts are missing
                typed[name] = int(value) if isinstance(value, int) else 1
            case ("replicated", _):
                typed[name] = value
            case _:
                typed[name] = spelt(value)
    return typed


def _is_visible(key: str) -> bool:
    """Whether anything is left of it once incidents drop control characters."""
    return any(character.isprintable() and character != " " for character in key)
