"""Opsgenie's webhook integration: what happens to alerts in Opsgenie. One event per delivery.

    {"action": "Create", "alert": {"alertId": "...", "alias": "...", ...}, "integrationName": "..."}

The key is the `alias`, or the `alertId` where none was given. Creating and closing happen once in
an alert's life, so the `alertId` and the action tell such a change; others are told by the moment
of the update too.

- Firing: Create and UnAcknowledge; and UpdatePriority, because a higher priority must be heard.
  Resolved: Close, and Delete, since nobody will close what is not there any more.
- All else (Acknowledge, AddNote, custom actions, ...) is an event of type `com.opsgenie.<action>`
  that opens nothing (see `core.formats.shared.other_event`): let Opsgenie send it only with a
  route for it.

`createdAt` is in milliseconds and `updatedAt` in nanoseconds, or in milliseconds too. Opsgenie
sends no link.

Source: Opsgenie, "Webhook Integration" and "Opsgenie Edge Connector alert action data".
"""

from __future__ import annotations

from typing import Any, Final, cast

from core.domain.event import Event
from core.errors import InvalidEvent
from core.formats.shared.alert_event import Status, alert, changed
from core.formats.shared.delivery import Delivery, Malformed
from core.formats.shared.format import Format
from core.formats.shared.http_body import load_object
from core.formats.shared.json_path import at, text
from core.formats.shared.other_event import other_event
from core.formats.shared.tags import labels_of
from core.formats.shared.times import readable

_FIRING: Final = ("create", "unacknowledge", "updatepriority")
_RESOLVED: Final = ("close", "delete")
_ONCE: Final = ("create", *_RESOLVED)


def parse(delivery: Delivery) -> list[Event | Malformed]:
    """One event. Raises `InvalidEvent`."""
    body = load_object(delivery)
    given = body.get("alert")
    if not isinstance(given, dict):
        raise InvalidEvent("the body is no webhook of Opsgenie: its `alert` is not an object")
    said = text(body, "action")
    action = (said or "").strip().lower()
    id, updated = text(given, "alertId"), text(given, "updatedAt")
    change = changed(id, action) if action in _ONCE else changed(id, action, updated)
    if said is None or action in _FIRING or action in _RESOLVED:
        return [_alert(delivery, body, given, action, change)]
    return [
        other_event(
            delivery,
            kind="opsgenie",
            type=f"com.opsgenie.{said}",
            about=text(given, "alias") or id,
            change=change,
            time=readable(given.get("updatedAt")),
            original=body,
        )
    ]


def _alert(
    delivery: Delivery,
    body: dict[str, Any],
    given: dict[str, Any],
    action: str,
    change: str | None,
) -> Event:
    resolved = action in _RESOLVED
    moment = readable(given.get("updatedAt"))
    status = "resolved" if resolved else "firing" if action in _FIRING else None
    details = given.get("details")
    return alert(
        delivery,
        0,
        kind="opsgenie",
        key=text(given, "alias") or given.get("alertId"),
        status=cast(Status, status),  # None counts as firing; the domain says so
        change=change,
        time=moment,
        original=body,
        title=text(given, "message"),
        summary=text(given, "description"),
        service=text(given, "entity"),
        severity=text(given, "priority"),
        starts_at=readable(at(given, "createdAt")),
        ends_at=moment if resolved else None,
        labels=labels_of(given.get("tags")) | (details if isinstance(details, dict) else {}),
    )


FORMAT: Final = Format(parse=parse)
