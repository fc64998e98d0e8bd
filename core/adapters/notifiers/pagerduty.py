"""Notifications to PagerDuty through its Events API v2.

All messages about one incident carry one `dedup_key`, so PagerDuty keeps one incident of its own
for them: a page triggers it or joins it, and our acknowledgement and resolution are its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from core.adapters.notifiers.http_post import Poster
from core.ports.notifier import Notification, NotificationKind, Target

_ACTIONS: Final[Mapping[NotificationKind, str]] = {
    NotificationKind.PAGE: "trigger",
    NotificationKind.ACKNOWLEDGED: "acknowledge",
    NotificationKind.RESOLVED: "resolve",
}
_SEVERITIES: Final = {"critical": "critical", "high": "error", "medium": "warning"}
_SUMMARY_CHARS: Final = 1024
_DEDUP_CHARS: Final = 255
_BODY_CHARS: Final = 100_000  # an event has at most 512 KB


class PagerDutyNotifier:
    """A target's address is the endpoint, its secret the routing key of the integration."""

    def __init__(self, poster: Poster) -> None:
        self._poster = poster

    async def send(self, notification: Notification, target: Target) -> None:
        """Trigger, acknowledge or resolve. Raises `NotificationFailed`."""
        body = json.dumps(event(notification, target.secret)).encode()
        await self._poster.post(target.address, body, {}, secrets=[target.secret])


def event(notification: Notification, routing_key: str) -> dict[str, Any]:
    """The notification as an event of PagerDuty's."""
    found: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": _ACTIONS[notification.kind],
        "dedup_key": dedup_key(notification.dedup_key or notification.key),
    }
    if notification.kind is NotificationKind.PAGE:
        found["client"] = "Tidegate"
        found["payload"] = {
            "summary": notification.title[:_SUMMARY_CHARS] or "An incident",
            "source": notification.incident_id or "tidegate",
            "severity": _SEVERITIES.get(notification.severity, "info"),
            "custom_details": {
                "incident_id": notification.incident_id,
                "page": notification.key,
                "severity": notification.severity,
                "body": notification.body[:_BODY_CHARS],
            },
        }
    return found


def dedup_key(key: str) -> str:
    """At most 255 characters; a longer key ends in a digest of the whole instead."""
    if len(key) <= _DEDUP_CHARS:
        return key
    digest = hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()
    return f"{key[: _DEDUP_CHARS - len(digest) - 1]}~{digest}"
