"""The Notifier port: how a page reaches people, and how their tools hear the end of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class NotificationKind(StrEnum):
    """What is told. `page` wakes somebody; the others follow a page up and wake nobody."""

    PAGE = "page"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class TargetKind(StrEnum):
    """The way by which a target is reached."""

    APPRISE = "apprise"
    WEBHOOK = "webhook"
    PAGERDUTY = "pagerduty"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One message to people.

    `key` names this message and stays the same over its retries: a channel that can may drop
    repeats. `dedup_key` names the incident and is the same in all messages about it: by it a
    follow-up finds the page. `incident_id` is the incident's own ID.
    """

    key: str
    title: str
    body: str
    severity: str
    kind: NotificationKind = NotificationKind.PAGE
    incident_id: str = ""
    dedup_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One address, known to everybody else by its name.

    `address` is an apprise URL or a web address; `secret` signs what goes to a web hook, and is the
    routing key for PagerDuty. Both are kept out of logs and errors.
    """

    name: str
    kind: TargetKind
    address: str = field(repr=False)
    secret: str = field(default="", repr=False)


class Notifier(Protocol):
    """A way to reach people at targets."""

    async def notify(self, notification: Notification, targets: Sequence[Target]) -> None:
        """Deliver to every target; raises `NotificationFailed` naming those it could not reach."""
        ...
