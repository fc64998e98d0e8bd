"""The notifier of a worker: each target through the channel of its kind.

Channels are made at their first use, so that nothing is imported that no target needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cached_property

from core.adapters.notifiers import http_post, webhook
from core.adapters.notifiers.apprise import AppriseNotifier, knows
from core.adapters.notifiers.http_post import Poster
from core.adapters.notifiers.pagerduty import PagerDutyNotifier
from core.adapters.notifiers.webhook import WebhookNotifier
from core.errors import NotificationFailed
from core.ports.notifier import Notification, NotificationKind, Target, TargetKind


def check(target: Target) -> None:
    """Raises `NotificationFailed` for a target that nobody can ever be reached by as it is, without
    telling its address. Whether there is somebody behind an address shows with the first page."""
    match target.kind:
        case TargetKind.WEBHOOK:
            http_post.host(target.address)
            webhook.keys(target.secret.split())
        case TargetKind.PAGERDUTY:
            http_post.host(target.address)
        case TargetKind.APPRISE:
            if not knows(target.address):
                raise NotificationFailed("apprise knows no such URL")


class ChannelNotifier:
    """A `Notifier` for targets of every kind. A call takes at most about `timeout` seconds.

    Apprise's services cannot tell a follow-up from a page, so they get pages only: nobody is woken
    to hear that somebody else is awake.
    """

    def __init__(self, *, timeout: float = 20.0) -> None:
        self._timeout = timeout

    async def notify(self, notification: Notification, targets: Sequence[Target]) -> None:
        results = await asyncio.gather(*(self._tell(notification, t) for t in targets))
        failures = [failure for failure in results if failure]
        if failures:
            raise NotificationFailed(
                f"{notification.kind} {notification.key}: {'; '.join(failures)}"
            )

    async def _tell(self, notification: Notification, target: Target) -> str | None:
        try:
            match target.kind:
                case TargetKind.WEBHOOK:
                    await self._webhooks.send(notification, target)
                case TargetKind.PAGERDUTY:
                    await self._pager_duty.send(notification, target)
                case TargetKind.APPRISE:
                    if notification.kind is NotificationKind.PAGE:
                        failure = await self._apprise.deliver(notification, target.address)
                        return failure and f"{target.name}: {failure}"
        except NotificationFailed as error:
            return f"{target.name}: {error.message}"
        return None

    @cached_property
    def _poster(self) -> Poster:
        return Poster(timeout=self._timeout)

    @cached_property
    def _webhooks(self) -> WebhookNotifier:
        return WebhookNotifier(self._poster)

    @cached_property
    def _pager_duty(self) -> PagerDutyNotifier:
        return PagerDutyNotifier(self._poster)

    @cached_property
    def _apprise(self) -> AppriseNotifier:
        return AppriseNotifier(timeout=self._timeout)
