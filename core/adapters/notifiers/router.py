"""The notifier of a worker: sends to each address through the channel of its kind."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from core.adapters.notifiers.markup import harmless
from core.adapters.notifiers.registry import CHANNELS
from core.domain.targets import Post
from core.errors import NotificationFailed
from core.ports.notifier import Address, Notification


class ChannelNotifier:
    """A `Notifier` for addresses of every kind. A call takes at most about `timeout` seconds."""

    def __init__(self, *, timeout: float = 20.0) -> None:
        self._timeout = timeout

    async def notify(
        self, notification: Notification, addresses: Sequence[Address]
    ) -> Mapping[str, Post]:
        results = await asyncio.gather(*(self._send(notification, each) for each in addresses))
        failures = [each for each in results if isinstance(each, NotificationFailed)]
        if failures:
            reasons = "; ".join(failure.message for failure in failures)
            what = f"{notification.kind} {notification.key}: {reasons}"
            raise NotificationFailed.together(what, failures)
        posts = zip(addresses, results, strict=True)
        return {address.name: post for address, post in posts if isinstance(post, Post)}

    async def update(self, notification: Notification, address: Address) -> Post:
        update = CHANNELS[address.kind].update
        if update is None:
            raise NotificationFailed(f"{address.name}: it has no messages to edit", final=True)
        try:
            return await update(_plain(notification), address, self._timeout)
        except NotificationFailed as error:
            raise NotificationFailed.together(f"{address.name}: {error.message}", [error]) from None

    async def _send(
        self, notification: Notification, address: Address
    ) -> Post | NotificationFailed | None:
        """The message, if it can be edited; or why there is none."""
        try:
            return await CHANNELS[address.kind].send(_plain(notification), address, self._timeout)
        except NotificationFailed as error:
            return NotificationFailed.together(f"{address.name}: {error.message}", [error])


def _plain(notification: Notification) -> Notification:
    return replace(
        notification,
        title=harmless(notification.title),
        body=harmless(notification.body),
        links=tuple((harmless(name), url) for name, url in notification.links),
        stands=harmless(notification.stands),
        story=tuple(map(harmless, notification.story)),
    )
