"""Activities of heartbeats: thin adapters between the workflow and the on-call file, the intake and
other heartbeats. They may do I/O.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

from temporalio import activity
from temporalio.client import Client, WorkflowQueryFailedError, WorkflowQueryRejectedError
from temporalio.common import QueryRejectCondition
from temporalio.service import RPCError

from core.contracts import QUERY_HEARTBEAT
from core.domain.event import encode
from core.domain.heartbeat.alerts import alert_event
from core.domain.heartbeat.declaration import Declaration, HeartbeatRule
from core.domain.heartbeat.model import Heartbeat, Notice
from core.domain.heartbeat.names import workflow_id
from core.domain.heartbeat.witnesses import Sighting, by_period, candidates, sighting_of
from core.formats.shared.delivery import Arrival, Delivery, way_headers
from core.intake.accept import Intake
from core.intake.receipts import Verdict, require_settled
from workers.runtime.activity_errors import typed_failures

ACCEPT_SECONDS: Final = 20.0
"""For one attempt to have an alert accepted."""
_ASK_TIMEOUT: Final = timedelta(seconds=5)
HEED_FOR: Final = 5.0
"""Seconds for which the answer of a witness also serves other heartbeats. After an outage all of
them ask the same few."""
REPEATED_AFTER: Final = 120.0
"""Seconds for which this worker does not repeat the shared alert, which every heartbeat has it
send."""


class HeartbeatActivities:
    """Bound to the on-call file and the intake of one worker process; `intake` is made with the
    first alert."""

    def __init__(
        self, *, heartbeats: Mapping[str, HeartbeatRule], intake: Callable[[], Intake]
    ) -> None:
        self._declarations = {name: rule.declared(name) for name, rule in heartbeats.items()}
        self._intake = cache(intake)
        self._by_period: Sequence[Declaration] | None = None
        self._sorting = asyncio.Lock()
        self._witnesses = _Witnesses()
        self._shared = _Shared()

    @property
    def all(self) -> list[Any]:
        """Every activity, for a worker."""
        return [self.read_declaration, self.ask_witnesses, self.alert]

    @activity.defn(name="heartbeat_read_declaration")
    async def read_declaration(self, name: str) -> Declaration | None:
        """What the on-call file says of the heartbeat; None if it has none of this name."""
        return self._declarations.get(name)

    @activity.defn(name="heartbeat_ask_witnesses")
    async def ask_witnesses(self, name: str) -> list[Sighting]:
        """When other heartbeats were heard, those with the shortest periods first. One that does
        not answer in time says nothing."""
        asked = candidates(name, await self._sorted())
        client = activity.client()
        sightings = await asyncio.gather(
            *(self._witnesses.sighting(client, each.name) for each in asked)
        )
        return [each for each in sightings if each]

    @activity.defn(name="heartbeat_alert")
    async def alert(self, state: Heartbeat, notice: Notice) -> None:
        """Have the intake accept what the notice says, as the alert of a monitoring system would
        be. Fails unless it is in a workflow or in quarantine then."""
        with typed_failures():
            if notice.alarm is not None:
                await self._accept(state, notice)
                return
            async with self._shared.lock:
                if not self._shared.is_accepted(notice):
                    await self._accept(state, notice)
                    self._shared.remember(notice)

    async def _sorted(self) -> Sequence[Declaration]:
        """The declarations, those with the shortest periods first. In a thread, and once: thousands
        of cron expressions take seconds, in which the worker would page nobody."""
        async with self._sorting:
            if self._by_period is None:
                declared, now = self._declarations.values(), datetime.now(UTC)
                self._by_period = await asyncio.to_thread(by_period, declared, now)
            return self._by_period

    async def _accept(self, state: Heartbeat, notice: Notice) -> None:
        event = alert_event(state, notice)
        headers = {**way_headers(event.way, scope=event.scope), "message-id": event.id}
        delivery = Delivery(
            format="stored_event", body=encode(event.to_wire()), headers=headers, unique=event.id
        )
        receipts = await self._intake().accept([Arrival(event, delivery)], time_left=ACCEPT_SECONDS)
        require_settled(receipts)
        for receipt in receipts:
            if receipt.verdict in (Verdict.QUARANTINED, Verdict.DROPPED):
                activity.logger.error(
                    "the alert of heartbeat %s is %s: %s",
                    *(state.name, receipt.verdict.value, receipt.reason),
                )


class _Shared:
    """What this process sent last of the shared alert."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self._fires: bool | None = None
        self._at = 0.0

    def is_accepted(self, notice: Notice) -> bool:
        fires = notice.until is None
        return fires is self._fires and time.monotonic() - self._at < REPEATED_AFTER

    def remember(self, notice: Notice) -> None:
        self._fires, self._at = notice.until is None, time.monotonic()


class _Witnesses:
    """Asks each heartbeat at most once at a time, and remembers its answer for a moment."""

    def __init__(self) -> None:
        self._answers: dict[str, tuple[float, asyncio.Task[Sighting | None]]] = {}

    async def sighting(self, client: Client, name: str) -> Sighting | None:
        now = time.monotonic()
        asked = self._answers.get(name)
        if asked is None or now - asked[0] > HEED_FOR:
            asked = (now, asyncio.create_task(_ask(client, name)))
            self._answers[name] = asked
        return await asyncio.shield(asked[1])


async def _ask(client: Client, name: str) -> Sighting | None:
    handle = client.get_workflow_handle(workflow_id(name))
    try:
        state: Heartbeat = await handle.query(
            QUERY_HEARTBEAT,
            result_type=Heartbeat,
            reject_condition=QueryRejectCondition.NOT_OPEN,
            rpc_timeout=_ASK_TIMEOUT,
        )
    except (RPCError, WorkflowQueryFailedError, WorkflowQueryRejectedError) as error:
        activity.logger.info("heartbeat %s does not answer as a witness: %s", name, error)
        return None
    return sighting_of(state)
