"""PagerDuty's Events API v2, received: a sender that pages PagerDuty today only changes the URL.

    {"routing_key": "...", "event_action": "trigger", "dedup_key": "...", "payload": {...}, ...}

- The key is the `dedup_key`, however long. A `trigger` without one gets a new key, and the answer
  has it, as PagerDuty's does: a sender that keeps it can resolve the alert.
- `acknowledge` gives no event. It neither fires nor resolves, so it must not open an incident, and
  an incident takes acknowledgements only from people, as commands. Most senders cannot be
  configured to leave it out, so it is not quarantined either.
- `routing_key` is a secret and is kept nowhere, neither in an event nor in quarantine.
- Change events (`/v2/change/enqueue`) have no `event_action`: they are not alerts, and are refused.

Source: PagerDuty, "Events API v2 Overview" and "Send an Alert Event".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, cast

from core.domain.event import Event, encode
from core.errors import InvalidEvent
from core.formats.shared.alert_event import Status, alert
from core.formats.shared.delivery import Delivery, Malformed
from core.formats.shared.format import Format
from core.formats.shared.http_body import load_object
from core.formats.shared.json_path import at, text
from core.formats.shared.links import fields_of, with_links

_STATUSES: Final = {"trigger": "firing", "resolve": "resolved"}
_LABELS: Final = ("source", "component", "group", "class")


def parse(delivery: Delivery) -> list[Event | Malformed]:
    """One event, none for `acknowledge`. Raises `InvalidEvent`."""
    body = load_object(delivery)
    if body.get("event_action") is None and body.get("dedup_key") is None:
        raise InvalidEvent(
            "the body is not an alert of the Events API v2: it has neither an `event_action` "
            "(trigger, acknowledge or resolve) nor a `dedup_key`"
        )
    action = _action(body)
    return [] if action == "acknowledge" else [_alert(delivery, body, action)]


def without_secrets(delivery: Delivery) -> bytes:
    """The body without its routing key; the original itself where it has none. One that is no JSON
    object has none: nobody could have verified it by that."""
    try:
        body = load_object(delivery)
    except InvalidEvent:
        return delivery.body
    return encode(_without_key(body)) if "routing_key" in body else delivery.body


def _without_key(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != "routing_key"}


def reply(delivery: Delivery) -> dict[str, Any]:
    """PagerDuty's own answer: its senders' libraries look for the `dedup_key`."""
    try:
        body = load_object(delivery)
    except InvalidEvent:
        return {}
    key = _key(delivery, body)
    return {"status": "success", "message": "Event processed", "dedup_key": key}


def _key(delivery: Delivery, body: dict[str, Any]) -> object:
    """The alert's key; a new one for a trigger whose sender gave none."""
    key = body.get("dedup_key")
    empty = key is None or (isinstance(key, str) and not key.strip())
    if not empty or _action(body) != "trigger":
        return key
    return delivery.headers.get("message-id") or delivery.unique


def _action(body: dict[str, Any]) -> str:
    return (text(body, "event_action") or "").strip().lower()


def _alert(delivery: Delivery, body: dict[str, Any], action: str) -> Event:
    resolved, moment = action == "resolve", at(body, "payload", "timestamp")
    payload = body.get("payload")
    return alert(
        delivery,
        0,
        kind="pagerduty",
        key=_key(delivery, body),
        # Any other word counts as firing: the domain treats it so, with a remark.
        status=cast(Status, _STATUSES.get(action, body.get("event_action"))),
        time=moment,
        original=_without_key(body),
        title=text(payload, "summary"),
        service=text(payload, "component") or text(payload, "source"),
        severity=text(payload, "severity"),
        starts_at=None if resolved else moment,
        ends_at=moment if resolved else None,
        links=with_links(
            {"source": text(body, "client_url")},
            _named(body, "links", "text"),
            fields_of(at(payload, "custom_details")),
            _named(body, "images", "alt"),
        ),
        labels={name: value for name in _LABELS if (value := text(payload, name))},
    )


def _named(body: dict[str, Any], list_name: str, name: str) -> Iterator[tuple[Any, Any]]:
    """The addresses of a list of links or images, with their names."""
    items = body.get(list_name)
    for item in items if isinstance(items, list) else ():
        yield text(item, name) or "link", text(item, "href")


FORMAT: Final = Format(parse=parse, reply=reply, without_secrets=without_secrets)
