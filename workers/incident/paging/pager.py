"""Delivers one page: to its target or else to a fallback, within their rate limits, never twice.

Runs in activities: may do I/O.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from temporalio.exceptions import ApplicationError

from core.adapters.notifiers.addresses import Addresses
from core.domain.incident.effects import Page
from core.domain.incident.policies.targets import TargetConfig
from core.errors import NotificationFailed
from core.ports.notifier import Address, Notification, Notifier
from workers.incident.paging.rate_limit import RateLimits

log = logging.getLogger("tidegate.incident")

BUDGET: Final = 100.0
"""Seconds for all targets of one page together, in one attempt of the activity."""

LONGEST_WAIT: Final = 20.0
"""Seconds that a page waits for a rate-limited target before it tries the next."""

_REMEMBERED: Final = 10_000


class Pager:
    """Delivers pages, with the rate limits and the memory of one process.

    A page that this process has delivered is not sent again when its activity is retried because
    its completion got lost. Otherwise, the channel can deduplicate by the page's key.
    """

    def __init__(
        self, notifier: Notifier, addresses: Addresses, targets: Mapping[str, TargetConfig]
    ) -> None:
        self._notifier = notifier
        self._addresses = {
            address.name: (name, address) for name, some in addresses.items() for address in some
        }
        self._limits = RateLimits(targets)
        self._delivered: OrderedDict[str, str] = OrderedDict()

    async def deliver(self, page: Page) -> str:
        """The name of the target that took the page. Raises `NotificationFailed`, and a permanent
        `ApplicationError` when none of its targets is configured any more."""
        if via := self._delivered.get(page.key):
            return via
        names = [name for name in (page.target, *page.fallback) if name in self._addresses]
        if not names:
            raise ApplicationError(
                f"{page.target} is no longer among the targets",
                type="TargetRemoved",
                non_retryable=True,
            )
        failures: list[str] = []
        end = asyncio.get_running_loop().time() + BUDGET
        for name in names:
            left = end - asyncio.get_running_loop().time()
            if left <= 0:
                failures.append(f"no time left for {name}")
                break
            try:
                await self._send(page, *self._addresses[name], left)
            except NotificationFailed as error:
                failures.append(error.message)
            else:
                self._delivered[page.key] = name
                if len(self._delivered) > _REMEMBERED:
                    self._delivered.popitem(last=False)
                return name
        raise NotificationFailed("; ".join(failures))

    async def _send(self, page: Page, name: str, address: Address, left: float) -> None:
        await self._limits.acquire(name, at_most=min(LONGEST_WAIT, left))
        message = Notification(
            key=page.key,
            title=page.title,
            body=page.body,
            severity=page.severity.value,
            incident_id=page.dedup_key,
            dedup_key=page.dedup_key,
        )
        sending = asyncio.ensure_future(self._notifier.notify(message, [address]))
        try:
            await asyncio.shield(sending)
        except asyncio.CancelledError:
            # It is being sent and cannot be stopped: report what becomes of it.
            await asyncio.wait({sending})
            if sending.cancelled() or sending.exception():
                raise
            log.info("page %s was cancelled too late: %s has taken it", page.key, address.name)
