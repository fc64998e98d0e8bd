"""Notifications to Opsgenie through its Alert API.

All messages about one incident have one alias, the incident's own ID, so Opsgenie keeps one alert
for them: a page creates or joins it, and our acknowledgement and resolution become its own.

Source: Opsgenie, "Alert API": create, acknowledge, close; requests are accepted and done later.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from core.adapters.notifiers import http_post
from core.adapters.notifiers.channel import Channel
from core.domain.text import shortened
from core.ports.notifier import Address, Notification, NotificationKind

if TYPE_CHECKING:
    from core.domain.targets import OpsgenieTarget

API_URL: Final = "https://api.opsgenie.com"
"""The API, unless the account is in Opsgenie's EU region."""

US: Final = "Tidegate"
"""The user and source of what we do there. Its webhooks name them: see core.formats.opsgenie."""
_ACTIONS: Final[Mapping[NotificationKind, str | None]] = {
    NotificationKind.PAGE: None,
    NotificationKind.ACKNOWLEDGED: "acknowledge",
    NotificationKind.RESOLVED: "close",
    NotificationKind.ASSIGNED: None,
    NotificationKind.HANDED_OVER: None,
}
"""What is done to the alert; without an action it is created, or joined where it is open."""
_PRIORITIES: Final = {"critical": "P1", "high": "P2", "medium": "P3", "low": "P4"}
_ALIAS_CHARS: Final = 512
_MESSAGE_CHARS: Final = 130
_NOTE_CHARS: Final = 25_000
_DESCRIPTION_CHARS: Final = 15_000
_DETAILS_CHARS: Final = 8_000


def addresses(name: str, target: OpsgenieTarget, values: Mapping[str, str]) -> tuple[Address, ...]:
    """One address: the API, and the key of the integration as its secret."""
    url = values[target.url_env] if target.url_env else API_URL
    return (Address(name=name, kind=target.kind, url=url, secret=values[target.api_key_env]),)


def check(address: Address) -> None:
    http_post.host(address.url)


async def send(notification: Notification, address: Address, timeout: float) -> None:
    """Create, acknowledge or close."""
    path, body = request(notification)
    await http_post.post(
        f"{address.url.rstrip('/')}{path}",
        json.dumps(body).encode(),
        {"Authorization": f"GenieKey {address.secret}"},
        secrets=[address.secret],
        timeout=timeout,
    )


def request(notification: Notification) -> tuple[str, dict[str, Any]]:
    """The notification as a path of the API and the body to post there."""
    alias = (notification.dedup_key or notification.key)[:_ALIAS_CHARS]
    if action := _ACTIONS[notification.kind]:
        note = shortened(notification.title, _NOTE_CHARS)
        path = f"/v2/alerts/{quote(alias, safe='')}/{action}?identifierType=alias"
        return path, {"user": US, "source": US, "note": note}
    ours = {
        "incident_id": notification.incident_id,
        "handle": notification.handle,
        "incident": notification.url,
    }
    details = {name: value for name, value in ours.items() if value}
    for name, url in notification.links:
        details.setdefault(name, url)  # the alert's own links come last, whatever they are called
    return "/v2/alerts", {
        "message": shortened(notification.title, _MESSAGE_CHARS) or "An incident",
        "alias": alias,
        "description": shortened(notification.body, _DESCRIPTION_CHARS),
        "priority": _PRIORITIES.get(notification.severity, "P5"),
        "details": _fitting(details),
        "user": US,
        "source": US,
    }


def _fitting(details: Mapping[str, str]) -> dict[str, str]:
    """The first of the details that have room."""
    fitting: dict[str, str] = {}
    left = _DETAILS_CHARS
    for name, value in details.items():
        left -= len(name) + len(value)
        if left >= 0:
            fitting[name] = value
    return fitting


CHANNEL: Final = Channel(addresses=addresses, check=check, send=send)
