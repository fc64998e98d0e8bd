"""What a notification channel is: all that the registry holds about one kind of target."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from core.domain.targets import Post
from core.ports.notifier import Address, Notification

T = TypeVar("T")
"""The class of the channel's targets in the policies file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel(Generic[T]):
    """One way to notify people. Its module ends in `CHANNEL = Channel(...)`, and imports its
    library where it is first needed."""

    addresses: Callable[[str, T, Mapping[str, str]], tuple[Address, ...]]
    """The addresses of a target, named after it, given its name, the target, and the values of all
    of its environment variables."""
    check: Callable[[Address], None]
    """Raises `NotificationFailed` for an address that can never work, without quoting it. Whether
    somebody is behind it shows with the first page."""
    send: Callable[[Notification, Address, float], Awaitable[Post | None]]
    """Delivers within so many seconds; returns the message if it can be edited. Raises
    `NotificationFailed` without secrets in it."""
    update: Callable[[Notification, Address, float], Awaitable[Post]] | None = None
    """Edits a message, where the channel can; see `core.ports.notifier.Notifier.update`."""
