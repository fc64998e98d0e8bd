"""What monitoring systems send besides alerts: an acknowledgement, a note, a new assignee.

It neither fires nor resolves, so it must not open an incident. It becomes an event of the sender's
own type, for the operator's own routes. No shipped route matches it: unless the sender leaves it
out, it is quarantined as `NoRoute`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.domain.event import Event, readable_time
from core.domain.identity import change_key, key_part, unidentified_key
from core.formats.shared.delivery import Delivery, source_of


def joined(*parts: str | None) -> str | None:
    """Parts that identify a change together, or None if one is missing."""
    known = [part for part in parts if part]
    if len(known) < len(parts):
        return None
    return ":".join(key_part(part, ":") for part in known)


def other_event(
    delivery: Delivery,
    *,
    kind: str,
    type: str,
    about: str | None,
    change: str | None,
    time: object,
    original: Mapping[str, Any],
) -> Event:
    """The event, with the original as its data. `about` is its subject (an alert's key, where there
    is one). `change` identifies it; None where nothing does."""
    source = source_of(delivery)
    change = change or delivery.headers.get("message-id")
    name, subject = f"{kind}:{source}", about or type
    return Event(
        id=f"{subject}@{change or delivery.unique}",
        source=source,
        type=type,
        subject=about,
        time=readable_time(time),
        datacontenttype="application/json",
        data=dict(original),
        key=change_key(name, subject, change)
        if change
        else unidentified_key(name, delivery.unique),
        unidentified=change is None,
    )
