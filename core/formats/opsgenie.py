"""Opsgenie's webhook integration: what happens to alerts in Opsgenie. One event per delivery.

    {"action": "Create", "alert": {"alertId": "...", "alias": "...", ...}, "integrationName": "..."}

The key is the `alias`, or the `alertId` where there is none.

- Firing: Create, UnAcknowledge, and UpdatePriority, since a higher priority must not go unnoticed.
  Resolved: Close, and Delete, since nobody can close a deleted alert.
- An alert that a page of Tidegate's created, of this installation or another, by its source or its
  alias, is no alert here: it would page again, and two installations would page each other without
  end. What a person does about it is a command to our incident, where the alias is the ID of one
  (see `core.formats.shared.incident_command`):
  Acknowledge, UnAcknowledge, Close, AssignOwnership, TakeOwnership, AddNote. Anything else gives
  no event; the answer says so in `ignored`.
- Anything else (Acknowledge, AddNote, custom actions, ...) is an event of type
  `com.opsgenie.<action>` that opens no incident (see `core.formats.shared.other_event`): let
  Opsgenie send it only if there is a route for it. `alertId`, action and the time of the update
  identify it.

`createdAt` is in milliseconds and `updatedAt` in nanoseconds, or in milliseconds too. Opsgenie
sends no link.

Source: Opsgenie, "Webhook Integration" and "Opsgenie Edge Connector alert action data".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from core.domain.event import Event
from core.domain.text import clean, shortened
from core.errors import InvalidEvent
from core.formats.shared.alert_event import Status, alert
from core.formats.shared.delivery import Delivery, Malformed
from core.formats.shared.format import Format
from core.formats.shared.http_body import load_object
from core.formats.shared.incident_command import (
    US,
    as_name,
    incident_command,
    is_incident,
    is_own_id,
)
from core.formats.shared.json_path import at, text
from core.formats.shared.links import fields_of, with_links
from core.formats.shared.other_event import joined, other_event
from core.formats.shared.tags import labels_of
from core.formats.shared.times import from_epoch

_FIRING: Final = ("create", "unacknowledge", "updatepriority")
_RESOLVED: Final = ("close", "delete")
_NOBODY: Final = ("tidegate", "system", "api", "integration")
"""Users and ways by which no person acts: what we do there has `Tidegate` as its user."""
_NOTE_CHARS: Final = 400  # of four bytes each: a signal carries 4,000

_IGNORED: Final = (
    "a page of Tidegate's created this alert, by its source or its alias: it is no alert here, and "
    "this is no command, which is only what a person acknowledges, unacknowledges, closes, "
    "assigns, takes or notes, not by the API, and whose alias is the ID of an incident"
)


def parse(delivery: Delivery) -> list[Event | Malformed]:
    """One event. Raises `InvalidEvent`."""
    body = load_object(delivery)
    item = body.get("alert")
    if not isinstance(item, dict):
        raise InvalidEvent("the body is not a webhook of Opsgenie: its `alert` is not an object")
    name = text(body, "action")
    action = (name or "").strip().lower()
    if _is_ours(item):
        command = _command(delivery, body, item, action)
        return [command] if command else []
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


def reply(delivery: Delivery) -> dict[str, Any]:
    """Why what was done to an alert of ours gives no event."""
    try:
        body = load_object(delivery)
    except InvalidEvent:
        return {}
    item, action = body.get("alert"), (text(body, "action") or "").strip().lower()
    ignored = (
        isinstance(item, dict) and _is_ours(item) and not _command(delivery, body, item, action)
    )
    return {"ignored": _IGNORED} if ignored else {}


def _command(
    delivery: Delivery, body: dict[str, Any], item: dict[str, Any], action: str
) -> Event | None:
    """What a person asks of our incident by what they did; None where it is nothing."""
    alias, who = text(item, "alias") or "", text(item, "username") or ""
    way = (text(body, "source", "type") or "").lower()
    if not is_incident(alias) or not as_name(who) or who.lower() in _NOBODY or way in _NOBODY:
        return None
    match action:
        case "acknowledge" | "unacknowledge":
            asked: dict[str, Any] = {"name": action}
        case "close":
            asked = {"name": "resolve", "force": True}  # as there, although alerts may still fire
        case "assignownership" if to := as_name(text(item, "owner") or ""):
            asked = {"name": "assign", "assignee": to}
        case "takeownership":
            asked = {"name": "assign", "assignee": as_name(who)}
        case "addnote" if note := clean(text(item, "note") or "").strip():
            asked = {"name": "comment", "note": shortened(note, _NOTE_CHARS)}
        case _:
            return None
    return incident_command(
        delivery,
        proof="opsgenie",
        incident_id=alias,
        actor=who,
        change=joined(text(item, "alertId"), action, text(item, "updatedAt")) or delivery.unique,
        time=from_epoch(item.get("updatedAt")),
        **asked,
    )


def _is_ours(item: Mapping[str, Any]) -> bool:
    return text(item, "source") == US or is_own_id(text(item, "alias") or "")


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


FORMAT: Final = Format(parse=parse, reply=reply)
