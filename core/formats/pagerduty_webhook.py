"""PagerDuty's V3 webhooks: what happens to incidents in PagerDuty. One event per delivery.

    {"event": {"id": "...", "event_type": "incident.triggered", "occurred_at": ..., "data": {...}}}

The key is the incident's ID (`event.data.id`).

- Firing: triggered, reopened, unacknowledged, and priority_updated while the incident is not
  resolved, since a higher priority must not go unnoticed. Resolved: resolved.
- A firing began when the incident was created, or when it was reopened: a reopened one keeps its
  `created_at`.
- Anything else (acknowledged, annotated, delegated, services, ...) is an event of type
  `com.pagerduty.<event_type>` that opens no incident (see `core.formats.shared.other_event`):
  subscribe to it only if there is a route for it. `event.id` identifies it.
- `pagey.ping`, a subscription's test, gives no event.
- An incident that a page of Tidegate's opened, of this installation or another, is no alert: it
  would page again, and two installations would page each other without end. What a person does
  about it in PagerDuty is a command to our incident (see `core.formats.shared.incident_command`):
  acknowledged, unacknowledged, resolved, reopened, reassigned. Anything else gives no event; the
  answer says so in `ignored`. The webhook of a note does not say which key its incident has.

Source: PagerDuty, "Webhooks: Overview" and "Behavior".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from core.domain.event import Event
from core.domain.severity import severity_of
from core.errors import InvalidEvent
from core.formats.shared.alert_event import alert
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
from core.formats.shared.other_event import joined, other_event

_FIRING: Final = ("incident.triggered", "incident.reopened", "incident.unacknowledged")
_REOPENED: Final = "incident.reopened"
_RESOLVED: Final = "incident.resolved"
_FIRING_UNLESS_RESOLVED: Final = "incident.priority_updated"
_PING: Final = "pagey.ping"
_PEOPLE: Final = ("user", "user_reference")
"""The types of agents that are people. Others are integrations, by which we act there ourselves."""

_ASSIGNEE: Final = ("data", "assignees", 0, "summary")

_IGNORED: Final = (
    "a page of Tidegate's opened this incident, by its client or its key: it is no alert here, and "
    "this is no command, which is only what a person acknowledges, unacknowledges, resolves, "
    "reopens or reassigns, and whose key is the ID of an incident"
)


def parse(delivery: Delivery) -> list[Event | Malformed]:
    """One event, or none. Raises `InvalidEvent`."""
    event = load_object(delivery).get("event")
    name = text(event, "event_type")
    if not isinstance(event, dict) or name is None:
        raise InvalidEvent(
            "the body is not a V3 webhook of PagerDuty: it has no `event` with an `event_type`"
        )
    if name == _PING:
        return []
    if _is_ours(event):
        command = _command(delivery, event)
        return [command] if command else []
    status = text(event, "data", "status")
    if name in _FIRING or (name == _FIRING_UNLESS_RESOLVED and status != "resolved"):
        return [_alert(delivery, event, resolved=False)]
    if name == _RESOLVED:
        return [_alert(delivery, event, resolved=True)]
    return [
        other_event(
            delivery,
            kind="pagerduty",
            type=f"com.pagerduty.{name}",
            about=text(event, "data", "incident", "id") or text(event, "data", "id"),
            change=text(event, "id") or joined(text(event, "occurred_at"), name),
            time=event.get("occurred_at"),
            original=event,
        )
    ]


def reply(delivery: Delivery) -> dict[str, Any]:
    """Why an incident gives no event, for the delivery log in PagerDuty."""
    try:
        event = load_object(delivery).get("event")
    except InvalidEvent:
        return {}
    ignored = isinstance(event, dict) and _is_ours(event) and not _command(delivery, event)
    return {"ignored": _IGNORED} if ignored else {}


def _command(delivery: Delivery, event: Mapping[str, Any]) -> Event | None:
    """What a person asks of our incident by what they did; None where it is nothing."""
    key, change = text(event, "data", "incident_key") or "", text(event, "id")
    if text(event, "agent", "type") not in _PEOPLE or not change or not is_incident(key):
        return None
    match text(event, "event_type"):
        case "incident.acknowledged":
            asked: dict[str, Any] = {"name": "acknowledge"}
        case "incident.unacknowledged":
            asked = {"name": "unacknowledge"}
        case "incident.resolved":
            asked = {"name": "resolve", "force": True}  # as there, although alerts may still fire
        case "incident.reopened":
            asked = {"name": "reopen"}
        case "incident.reassigned" if to := as_name(text(event, *_ASSIGNEE) or ""):
            asked = {"name": "assign", "assignee": to}
        case _:
            return None
    return incident_command(
        delivery,
        proof="pagerduty",
        incident_id=key,
        actor=text(event, "agent", "summary"),
        change=change,
        time=event.get("occurred_at"),
        **asked,
    )


def _alert(delivery: Delivery, event: Mapping[str, Any], *, resolved: bool) -> Event:
    data, moment = event.get("data"), event.get("occurred_at")
    labels = {
        "urgency": text(data, "urgency"),
        "priority": text(data, "priority", "summary"),
        "escalation_policy": text(data, "escalation_policy", "summary"),
        "team": text(data, "teams", 0, "summary"),
        "number": text(data, "number"),
        "incident_key": text(data, "incident_key"),
    }
    return alert(
        delivery,
        0,
        kind="pagerduty",
        key=at(data, "id"),
        status="resolved" if resolved else "firing",
        time=moment,
        original=event,
        title=text(data, "title"),
        service=text(data, "service", "summary"),
        severity=_severity(text(data, "priority", "summary"), text(data, "urgency")),
        starts_at=moment if event.get("event_type") == _REOPENED else at(data, "created_at"),
        ends_at=moment if resolved else None,
        links={
            "source": text(data, "html_url"),
            "conference": text(data, "conference_bridge", "conference_url"),
        },
        labels={name: value for name, value in labels.items() if value},
    )


def _severity(priority: str | None, urgency: str | None) -> str | None:
    """The priority, unless its name says nothing: an account names its priorities as it likes, and
    then the urgency says more."""
    return priority if severity_of(priority, "pagerduty") or not urgency else urgency


def _is_ours(event: Mapping[str, Any]) -> bool:
    key = text(event, "data", "incident_key") or ""
    return text(event, "client", "name") == US or is_own_id(key)


FORMAT: Final = Format(
    parse=parse,
    reply=reply,
    answer_within=4.5,  # of PagerDuty's 5 s, the way there and back included
)
