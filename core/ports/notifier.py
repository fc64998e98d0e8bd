"""The Notifier port: how a page reaches people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One message to people.

    `key` names the page and stays the same over retries: a channel that can may drop repeats.
    """

    key: str
    title: str
    body: str
    severity: str


class Notifier(Protocol):
    """A way to reach people at targets (apprise URLs)."""

    async def notify(self, notification: Notification, targets: Sequence[str]) -> None:
        """Deliver to every target; raises `NotificationFailed` naming those it could not reach."""
        ...
