"""The notifier of a worker: sends to each address through the channel of its kind."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from core.adapters.notifiers.markup import harmless
from core.adapters.notifiers.registry import CHANNELS
from core.errors import NotificationFailed
from core.ports.notifier import Address, Notification


class ChannelNotifier:
    """A `Notifier` for addresses of every kind. A call takes at most about `timeout` seconds."""

    def __init__(self, *, timeout: float = 20.0) -> None:
        self._timeout = timeout

    async def notify(self, notification: Notification, addresses: Sequence[Address]) -> None:
        results = await asyncio.gather(*(self._send(notification, each) for each in addresses))
        failures = [failure for failure in results if failure]
        if failures:
            raise NotificationFailed(
                f"{notification.kind} {notification.key}: {'; '.join(failures)}"
            )

    async def _send(self, notification: Notification, address: Address) -> str | None:
        """Why it could not be delivered; None when it was."""
        plain = replace(
            notification,
            title=harmless(notification.title),
            body=harmless(notification.body),
            links=tuple((harmless(name), url) for name, url in notification.links),
        )
        try:
            await CHANNELS[address.kind].send(plain, address, self._timeout)
        except NotificationFailed as error:
            return f"{address.name}: {error.message}"
        return None
