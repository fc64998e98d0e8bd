"""Notifications to PagerDuty through its Events API v2.

All messages about one incident have one `dedup_key`, so PagerDuty keeps one incident of its own for
them: a page triggers or joins it, and our acknowledgement and resolution become its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from core.adapters.notifiers import http_post
from core.adapters.notifiers.channel import Channel
from core.ports.notifier import Address, Notification, NotificationKind

if TYPE_CHECKING:
    from core.domain.targets import PagerDutyTarget

EVENTS_URL: Final = "https://events.pagerduty.com/v2/enqueue"
"""The Events API, unless the account is in PagerDuty's EU region."""

_ACTIONS: Final[Mapping[NotificationKind, str]] = {
    NotificationKind.PAGE: "trigger",
    NotificationKind.ACKNOWLEDGED: "acknowledge",
    NotificationKind.RESOLVED: "resolve",
    NotificationKind.ASSIGNED: "trigger",
    NotificationKind.HANDED_OVER: "trigger",
}
"""An assignment triggers: PagerDuty has no other way to tell the people of a service. So does a
hand-over, which must not end the entry: whoever took over may be paged by the same service."""
_SEVERITIES: Final = {"critical": "critical", "high": "error", "medium": "warning"}
_SUMMARY_CHARS: Final = 1024
_DEDUP_CHARS: Final = 255
_BODY_CHARS: Final = 100_000  # an event has at most 512 KB


def addresses(name: str, target: PagerDutyTarget, values: Mapping[str, str]) -> tuple[Address, ...]:
    """One address: the endpoint, and the routing key of the integration as its secret."""
    url = values[target.url_env] if target.url_env else EVENTS_URL
    secret = values[target.routing_key_env]
    return (Address(name=name, kind=target.kind, url=url, secret=secret),)


def check(address: Address) -> None:
    http_post.host(address.url)


async def send(notification: Notification, address: Address, timeout: float) -> None:
    """Trigger, acknowledge or resolve."""
    body = json.dumps(event(notification, address.secret)).encode()
    await http_post.post(address.url, body, {}, secrets=[address.secret], timeout=timeout)


def event(notification: Notification, routing_key: str) -> dict[str, Any]:
    """The notification as an event of the Events API."""
    action = _ACTIONS[notification.kind]
    event: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": dedup_key(notification.dedup_key or notification.key),
    }
    if action == "trigger":
        event["client"] = "Tidegate"
        if notification.url:
            event["client_url"] = notification.url
        event["links"] = [{"href": url, "text": name} for name, url in notification.links]
        event["payload"] = {
            "summary": notification.title[:_SUMMARY_CHARS] or "An incident",
            "source": notification.incident_id or "tidegate",
            "severity": _SEVERITIES.get(notification.severity, "info"),
            "custom_details": {
                "incident_id": notification.incident_id,
                "handle": notification.handle,
                "page": notification.key,
                "severity": notification.severity,
                "body": notification.body[:_BODY_CHARS],
            },
        }
    return event


def dedup_key(key: str) -> str:
    """At most 255 characters; a longer key ends in a digest of the whole instead."""
    if len(key) <= _DEDUP_CHARS:
        return key
    digest = hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()
    return f"{key[: _DEDUP_CHARS - len(digest) - 1]}~{digest}"


CHANNEL: Final = Channel(addresses=addresses, check=check, send=send)
