"""What a monitoring system tells besides alerts: an acknowledgement, a note, a new assignee.

Such an event must open no incident, and says neither that something fires nor that it is resolved.
It is an event of the sender's own type, for routes of the operator's own. No route that is shipped
takes it: let the sender send only what somebody has a use for, or it is quarantined as `NoRoute`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.domain.event import Event, readable_time
from core.domain.identity import alert_key, unidentified_key
from core.formats.shared.delivery import Delivery, source_of


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
    """An event with the sender's own words as its data. `about` is what it is about (the key of an
    alert, where there is one); `change` tells it from all others, None where nothing does."""
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
        key=alert_key(name, subject, change) if change else unidentified_key(name, delivery.unique),
        unidentified=change is None,
    )
