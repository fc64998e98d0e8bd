"""Activities of the on-call workflow: thin adapters between it and the ports. They may do I/O.

Each failure has the code of its error as its type. The workflow knows people by their IDs only,
because addresses are secrets and everything that a workflow sees is recorded.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from temporalio import activity

from core.adapters.notifiers.addresses import Addresses
from core.adapters.temporal import on_call
from core.domain.oncall.file import OnCallFile
from core.domain.oncall.handovers import AHEAD, Handover, contacts_of, message, next_handovers
from core.domain.oncall.state import OnCallState
from core.domain.severity import Severity
from core.errors import NotificationFailed
from core.ports.calendars import CalendarReader
from core.ports.notifier import Notification, NotificationKind, Notifier
from workers.oncall.payloads import Upcoming
from workers.runtime.activity_errors import typed_failures
from workers.runtime.heartbeats import heartbeating

log = logging.getLogger("tidegate.oncall")

_REMEMBERED: Final = 1_000


class OnCallActivities:
    """Bound to the ports and settings of one worker process. `addresses` are those of people's
    contact methods."""

    def __init__(
        self,
        *,
        file: OnCallFile,
        calendars: CalendarReader,
        notifier: Notifier,
        addresses: Addresses,
        continue_as_new_after: int | None = None,
    ) -> None:
        self._file = file
        self._calendars = calendars
        self._notifier = notifier
        self._addresses = addresses
        self._continue_as_new_after = continue_as_new_after
        self._delivered: OrderedDict[str, None] = OrderedDict()

    @property
    def all(self) -> list[Any]:
        """Every activity, for a worker."""
        return [self.next_handovers, self.tell_of_handover, self.announce]

    @activity.defn
    async def next_handovers(self, state: OnCallState, since: datetime) -> Upcoming:
        """The next hand-overs that are to be announced, `since` included."""
        schedules = [name for name, each in self._file.schedules.items() if each.announce_handovers]
        calendars = await self._calendars.read(self._file, schedules)
        handovers = await asyncio.to_thread(
            next_handovers, self._file, state, calendars, since, since + AHEAD
        )
        return Upcoming(
            handovers=handovers,
            continue_as_new_after=self._continue_as_new_after,
        )

    @activity.defn
    async def tell_of_handover(self, handover: Handover, person: str) -> None:
        """Tell a person of a hand-over, with the incidents that are not resolved. One who has
        left the on-call file meanwhile, or has quiet hours, is not told."""
        known = self._file.people.get(person)
        if known is None or known.quiet_until(handover.at, Severity.INFO):
            log.info("%s is not told of the hand-over of %s", person, handover.schedule)
            return
        at = handover.at.astimezone(UTC).isoformat()
        key = f"handover/{handover.schedule}/{at}/{person}"
        comes = person in handover.coming
        with typed_failures():
            async with heartbeating():
                incidents = await on_call.open_incidents(activity.client())
                title, body = message(handover, person, self._file, incidents)
                notification = Notification(
                    key=key,
                    title=title,
                    body=body,
                    severity=Severity.INFO,
                    kind=NotificationKind.ASSIGNED if comes else NotificationKind.HANDED_OVER,
                    dedup_key=key,
                )
                await self._notify(notification, contacts_of(person, known))

    @activity.defn
    async def announce(self) -> int:
        """Have every open incident ask again who is on call; returns how many there are. One that
        visibility does not list yet is left out."""
        with typed_failures():
            async with heartbeating():
                return await on_call.announce(activity.client())

    async def _notify(self, notification: Notification, contacts: Collection[str]) -> None:
        """Send it to every address of the contacts that has not got it from this process. Raises
        `NotificationFailed` naming those that failed; all were tried."""
        failures = []
        for address in (each for name in contacts for each in self._addresses.get(name, ())):
            key = f"{notification.key}/{address.name}"
            if key in self._delivered:
                continue
            try:
                await self._notifier.notify(replace(notification, key=key), [address])
            except NotificationFailed as error:
                failures.append(error.message)
                continue
            self._delivered[key] = None
            if len(self._delivered) > _REMEMBERED:
                self._delivered.popitem(last=False)
        if failures:
            raise NotificationFailed("; ".join(failures))
