"""Opsgenie's webhook integration: what happens to alerts in Opsgenie. One event per delivery.

    {"action": "Create", "alert": {"alertId": "...", "alias": "...", ...}, "integrationName": "..."}

The key is the `alias`, or the `alertId` where there is none.

- Firing: Create, UnAcknowledge, and UpdatePriority, since a higher priority must not go unnoticed.
  Resolved: Close, and Delete, since nobody can close a deleted alert.
- Anything else (Acknowledge, AddNote, custom actions, ...) is an event of type
  `com.opsgenie.<action>` that opens no incident (see `core.formats.shared.other_event`): let
  Opsgenie send it only if there is a route for it. `alertId`, action and the time of the update
  identify it.

`createdAt` is in milliseconds and `updatedAt` in nanoseconds, or in milliseconds too. Opsgenie
sends no link.

Source: Opsgenie, "Webhook Integration" and "Opsgenie Edge Connector alert action data".
"""

from __future__ import annotations

from typing import Any, Final, cast

from core.domain.event import Event
from core.errors import InvalidEvent
from core.formats.shared.alert_event import Status, alert
from core.formats.shared.delivery import Delivery, Malformed
from core.formats.shared.format import Format
from core.formats.shared.http_body import load_object
from core.formats.shared.json_path import at, text
from core.formats.shared.links import fields_of, with_links
from core.formats.shared.other_event import joined, other_event
from core.formats.shared.tags import labels_of
from core.formats.shared.times import from_epoch

_FIRING: Final = ("create", "unacknowledge", "updatepriority")
_RESOLVED: Final = ("close", "delete")


def parse(delivery: Delivery) -> list[Event | Malformed]:
    """One event. Raises `InvalidEvent`."""
    body = load_object(delivery)
    item = body.get("alert")
    if not isinstance(item, dict):
        raise InvalidEvent("the body is not a webhook of Opsgenie: its `alert` is not an object")
    name = text(body, "action")
    action = (name or "").strip().lower()
    id, updated = text(item, "alertId"), text(item, "updatedAt")
    if name is None or action in _FIRING or action in _RESOLVED:
        return [_alert(delivery, body, item, action)]
    return [
        other_event(
            delivery,
            kind="opsgenie",
            type=f"com.opsgenie.{name}",
            about=text(item, "alias") or id,
            change=joined(id, action, updated),
            time=from_epoch(item.get("updatedAt")),
            original=body,
        )
    ]


def _alert(delivery: Delivery, body: dict[str, Any], item: dict[str, Any], action: str) -> Event:
    resolved = action in _RESOLVED
    moment = from_epoch(item.get("updatedAt"))
    status = "resolved" if resolved else "firing" if action in _FIRING else None
    details = item.get("details")
    return alert(
        delivery,
        0,
        kind="opsgenie",
        key=text(item, "alias") or item.get("alertId"),
        status=cast(Status, status),  # None counts as firing, with a remark by the domain
        time=moment,
        original=body,
        title=text(item, "message"),
        summary=text(item, "description"),
        service=text(item, "entity"),
        severity=text(item, "priority"),
        starts_at=from_epoch(at(item, "createdAt")),
        ends_at=moment if resolved else None,
        links=with_links({}, fields_of(details)),
        labels=labels_of(item.get("tags")) | (details if isinstance(details, dict) else {}),
    )


FORMAT: Final = Format(parse=parse)
