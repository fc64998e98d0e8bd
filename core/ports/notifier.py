"""The Notifier port: how a page reaches people, and how their tools learn that it is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from core.domain.handles import handle_of
from core.domain.targets import Post


class NotificationKind(StrEnum):
    """`page` wakes somebody, `assigned` tells one person of work, `handed_over` that somebody else
    is paged from now on; the others follow a page up."""

    PAGE = "page"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    ASSIGNED = "assigned"
    HANDED_OVER = "handed_over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One message to people.

    `key` identifies this message and stays the same over retries, so that a channel can
    deduplicate. `dedup_key` identifies the incident and is the same in all messages about it: a
    follow-up finds its page by it. `incident_id` is the incident's own ID, `url` its address in a
    web application, if it has one, and `links` are addresses by what they lead to.

    The last paragraph of `body` holds the facts, one in a line, the most important first (how to
    acknowledge, then the runbook): a channel that takes less cuts what stands before them, and then
    the last of them. `links` and `url` are among the facts, for channels that have text alone.

    The rest is for channels whose messages are edited: `stands` is how the incident stands,
    `buttons` are the commands that are offered, `post` is the message that the address has already,
    `story` the lines to tell under it. It may have been sent before if it is sent `again`.
    """

    key: str
    title: str
    body: str
    severity: str
    kind: NotificationKind = NotificationKind.PAGE
    incident_id: str = ""
    dedup_key: str = ""
    url: str | None = None
    links: tuple[tuple[str, str], ...] = ()
    stands: str = ""
    buttons: tuple[str, ...] = ()
    post: Post | None = None
    story: tuple[str, ...] = ()
    again: bool = False

    @property
    def handle(self) -> str:
        """What people type for the incident's ID; empty without one."""
        return handle_of(self.incident_id) if self.incident_id else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where one channel delivers; everybody else knows it by its name.

    `kind` is the channel's name in the registry; `url` and `secret` are what the channel makes of
    them, and stay out of logs and errors. `room` is the place in a chat.
    """

    name: str
    kind: str
    url: str = field(repr=False)
    secret: str = field(default="", repr=False)
    room: str = ""


class Notifier(Protocol):
    """A way to reach people."""

    async def notify(
        self, notification: Notification, addresses: Sequence[Address]
    ) -> Mapping[str, Post]:
        """Deliver to every address; returns the messages that can be edited, by the addresses'
        names. Raises `NotificationFailed` naming those that failed."""
        ...

    async def update(self, notification: Notification, address: Address) -> Post:
        """Have the message `post` of a notification say what the notification does, and tell the
        story under it; returns the message, which is another where that one was gone. Raises
        `NotificationFailed`."""
        ...
