"""One page on its way: its target, then its fallbacks, each at its own pace, and never twice."""

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
from workers.incident.paging.rate_limit import Limits

log = logging.getLogger("tidegate.incident")

BUDGET: Final = 100.0
"""Seconds that all targets of one page may take together in one attempt."""

LONGEST_WAIT: Final = 20.0
"""Seconds that a page waits for a target that has its fill, before it goes to the next."""

_REMEMBERED: Final = 10_000


class Pager:
    """Delivers pages; bound to one process, whose limits and memory it keeps.

    A page that this process has delivered is not sent again, although its activity is tried again
    because its end got lost. Beyond that, the page's key tells the channel.
    """

    def __init__(
        self, notifier: Notifier, addresses: Addresses, targets: Mapping[str, TargetConfig]
    ) -> None:
        self._notifier = notifier
        self._addresses = {
            address.name: (name, address) for name, some in addresses.items() for address in some
        }
        self._limits = Limits(targets)
        self._delivered: OrderedDict[str, str] = OrderedDict()

    async def deliver(self, page: Page) -> str:
        """The name of the target that took the page. Raises `NotificationFailed`, and fails for
        good when none of its targets has an address any more."""
        if via := self._delivered.get(page.key):
            return via
        names = [name for name in (page.target, *page.fallback) if name in self._addresses]
        if not names:
            raise ApplicationError(
                f"{page.target} is not among the targets any more",
                type="TargetRemoved",
                non_retryable=True,
            )
        failures: list[str] = []
        end = asyncio.get_running_loop().time() + BUDGET
        for name in names:
            left = end - asyncio.get_running_loop().time()
            if left <= 0:
                failures.append(f"no time was left for {name}")
                break
            try:
                await self._tell(page, *self._addresses[name], left)
            except NotificationFailed as error:
                failures.append(error.message)
            else:
                self._delivered[page.key] = name
                if len(self._delivered) > _REMEMBERED:
                    self._delivered.popitem(last=False)
                return name
        raise NotificationFailed("; ".join(failures))

    async def _tell(self, page: Page, name: str, address: Address, left: float) -> None:
        await self._limits.turn(name, at_most=min(LONGEST_WAIT, left))
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
            # It is on the wire: what cannot be stopped any more is to be told as it ends.
            await asyncio.wait({sending})
            if sending.cancelled() or sending.exception():
                raise
            log.info("page %s was called off too late: %s has taken it", page.key, address.name)
