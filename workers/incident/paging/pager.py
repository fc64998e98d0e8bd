"""Delivers one page, to its target or else to a fallback, and what targets hear after their pages:
within rate limits, never twice.

Runs in activities: may do I/O.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from temporalio.exceptions import ApplicationError

from core.adapters.notifiers.addresses import Addresses
from core.domain.incident.effects import FollowUp, Link, Message, Page, UpdatePost
from core.domain.oncall.people import person_of
from core.domain.targets import News, Post, SlackTarget, TargetConfig
from core.domain.text import counted
from core.errors import NotificationFailed
from core.ports.notifier import Address, Notification, NotificationKind, Notifier
from workers.incident.paging.rate_limit import RateLimits
from workers.incident.payloads import TARGET_REMOVED, Delivered

if TYPE_CHECKING:
    from core.links import PageLinks

log = logging.getLogger("tidegate.incident")

BUDGET: Final = 100.0
"""Seconds for all targets of one page together, in one attempt of the activity."""

LONGEST_WAIT: Final = 20.0
"""Seconds that a page waits for a rate-limited target before it tries the next."""

_REMEMBERED: Final = 10_000

_TOGETHER: Final = 8
"""Targets that one follow-up is sent to concurrently."""


class Pager:
    """Delivers pages and follow-ups, with the rate limits and the memory of one process, and with
    `links` where pages have some that act.

    A page that this process has delivered is not sent again when its activity is retried because
    its completion got lost. Otherwise, the channel can deduplicate by the page's key.
    """

    def __init__(
        self,
        notifier: Notifier,
        addresses: Addresses,
        targets: Mapping[str, TargetConfig],
        links: PageLinks | None = None,
    ) -> None:
        self._notifier = notifier
        self._addresses = {
            address.name: (name, address) for name, some in addresses.items() for address in some
        }
        self._targets = targets
        self._links = links
        self._limits = RateLimits(targets)
        self._follow_up_limits = RateLimits(targets)
        """Limits of their own, so that no page waits for what only follows one up."""
        self._delivered: OrderedDict[str, Delivered] = OrderedDict()

    async def deliver(self, page: Page, url: str | None = None) -> Delivered:
        """Which target took the page, with the incident's address `url`. Raises
        `NotificationFailed`, and a permanent `ApplicationError` when none of its targets is
        configured any more."""
        if delivered := self._delivered.get(page.key):
            return delivered
        names = [name for name in (page.target, *page.fallback) if name in self._addresses]
        if not names:
            raise ApplicationError(
                f"{page.target} is no longer among the targets",
                type=TARGET_REMOVED,
                non_retryable=True,
            )
        failures: list[NotificationFailed] = []
        end = asyncio.get_running_loop().time() + BUDGET
        for name in names:
            left = end - asyncio.get_running_loop().time()
            if left <= 0:
                failures.append(NotificationFailed(f"no time left for {name}"))
                break
            try:
                post = await self._send(page, url, *self._addresses[name], left)
            except NotificationFailed as error:
                failures.append(error)
            else:
                return self._remember(page.key, Delivered(via=name, post=post))
        raise _together(failures)

    async def follow_up(self, follow_up: FollowUp, url: str | None = None) -> dict[str, Post]:
        """Tell every target that is configured and is to hear it; returns the messages that can be
        edited. Raises `NotificationFailed` naming those that could not be told; a retry tells no
        other one again."""
        limit = asyncio.Semaphore(_TOGETHER)

        async def tell(name: str) -> Delivered | NotificationFailed:
            async with limit:
                return await self._tell(follow_up, url, name)

        names = [name for name in follow_up.targets if self._is_to_hear(name, follow_up.what)]
        outcomes = await asyncio.gather(*map(tell, names))
        if failures := [each for each in outcomes if isinstance(each, NotificationFailed)]:
            raise _together(failures)
        delivered = [each for each in outcomes if isinstance(each, Delivered)]
        return {each.via: each.post for each in delivered if each.post}

    async def update(self, update: UpdatePost, url: str | None = None) -> Post:
        """Have a target's message show how the incident stands; returns the message. Raises
        `NotificationFailed`, which is final when the target is not configured any more."""
        if update.target not in self._addresses:
            raise NotificationFailed(f"{update.target} is no longer among the targets", final=True)
        target, address = self._addresses[update.target]
        lines = update.story
        if update.omitted:
            lines = (
                f"(Earlier, on the timeline alone: {counted(update.omitted, 'entry', 'entries')})",
                *lines,
            )
        message = replace(
            _notification(update, NotificationKind.PAGE, update.key, url, ()),
            post=update.post,
            story=lines,
        )
        await self._follow_up_limits.acquire(target, at_most=LONGEST_WAIT)
        return await self._notifier.update(message, address)

    def _is_to_hear(self, name: str, what: News) -> bool:
        if name not in self._addresses:
            return False
        target = self._targets[self._addresses[name][0]]
        return what in (News.ASSIGNED, News.HANDED_OVER) or what.value in target.follow_up

    async def _tell(
        self, follow_up: FollowUp, url: str | None, name: str
    ) -> Delivered | NotificationFailed:
        """That one target has been told, or why it could not be."""
        key = f"{follow_up.key}/{name}"
        if delivered := self._delivered.get(key):
            return delivered
        target, address = self._addresses[name]
        links = await self._links_of(follow_up, target) if follow_up.what is News.ASSIGNED else ()
        message = _notification(follow_up, NotificationKind(follow_up.what), key, url, links)
        message = replace(message, post=follow_up.posts.get(name))
        try:
            await self._follow_up_limits.acquire(target, at_most=LONGEST_WAIT)
            posts = await self._notifier.notify(message, [address])
        except NotificationFailed as error:
            return error
        return self._remember(key, Delivered(via=name, post=posts.get(name)))

    async def _links_of(self, message: Message, target: str) -> tuple[Link, ...]:
        """The links of whoever has that target, by which they act on the incident; none for
        messages with buttons."""
        if self._links is None or isinstance(self._targets[target], SlackTarget):
            return ()
        links = await self._links.of(
            message.dedup_key, person=person_of(target), target=target, now=datetime.now(UTC)
        )
        return tuple(Link(name=name, url=url) for name, url in links)

    def _remember(self, key: str, delivered: Delivered) -> Delivered:
        self._delivered[key] = delivered
        if len(self._delivered) > _REMEMBERED:
            self._delivered.popitem(last=False)
        return delivered

    async def _send(
        self, page: Page, url: str | None, name: str, address: Address, left: float
    ) -> Post | None:
        """The message, if it can be edited."""
        await self._limits.acquire(name, at_most=min(LONGEST_WAIT, left))
        links = await self._links_of(page, name)
        message = _notification(page, NotificationKind.PAGE, page.key, url, links)
        message = replace(message, post=page.posts.get(address.name))
        sending = asyncio.ensure_future(self._notifier.notify(message, [address]))
        try:
            await asyncio.shield(sending)
        except asyncio.CancelledError:
            # It is being sent and cannot be stopped: report what becomes of it.
            await asyncio.wait({sending})
            if sending.cancelled() or sending.exception():
                raise
            log.info("page %s was cancelled too late: %s has taken it", page.key, address.name)
        return sending.result().get(address.name)


def _together(failures: Sequence[NotificationFailed]) -> NotificationFailed:
    return NotificationFailed.together("; ".join(each.message for each in failures), failures)


def _notification(
    message: Message, kind: NotificationKind, key: str, url: str | None, own: Sequence[Link]
) -> Notification:
    return Notification(
        key=key,
        title=message.title,
        body=message.body(url, own),
        severity=message.severity.value,
        kind=kind,
        incident_id=message.dedup_key,
        dedup_key=message.dedup_key,
        url=url,
        links=tuple((link.name, link.url) for link in (*own, *message.links)),
        stands=message.stands,
        buttons=message.buttons,
        again=message.again,
    )
