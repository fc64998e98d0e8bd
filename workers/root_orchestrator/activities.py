"""Activities of the root orchestrator: thin adapters over the domain. They may do I/O."""

from __future__ import annotations

import logging
from typing import Any, Final

from temporalio import activity

from core.contracts import QUARANTINE_ACTIVITY
from core.domain.event import TABLE_ATTRIBUTE
from core.domain.routing.table import Target, WorkflowRouter
from core.domain.validation import EventValidationService
from core.errors import PermanentError, Unwanted
from core.intake.quarantine import Quarantine
from workers.root_orchestrator.attributes import KnownAttributes
from workers.runtime import routing_tables
from workers.runtime.activity_errors import typed_failures

DROPPED: Final = "tidegate_events_dropped"

log = logging.getLogger("tidegate.worker")


class RootActivities:
    """Bound to the services of one worker process."""

    def __init__(
        self,
        *,
        validation: EventValidationService,
        router: WorkflowRouter,
        quarantine: Quarantine,
    ) -> None:
        self._validation = validation
        self._router = router
        self._quarantine = quarantine
        self._attributes = KnownAttributes()

    @activity.defn
    async def validate_and_route(self, wire: Any) -> Target | None:
        """The workflow for the event; None where the routing table drops it. Fails, not to be
        retried, as `InvalidEvent`, `DocumentRefused`, or what the table refuses, such as
        `NoRoute`."""
        theirs = wire.get(TABLE_ATTRIBUTE) if isinstance(wire, dict) else None
        routing_tables.compare(theirs, self._router.digest)
        with typed_failures():
            event = self._validation.read(wire)
            try:
                target = self._router.target(event)
            except Unwanted as unwanted:
                log.info("dropped: %s", unwanted.message)
                counter = activity.metric_meter().create_counter(
                    DROPPED, "events that no route takes"
                )
                counter.add(1)
                return None
            await self._attributes.check(activity.client, target)
            return target

    @activity.defn
    async def validate_smoke(self, wire: Any) -> dict[str, Any]:
        """What a smoke event is answered with, where it is valid: the way it came, and the digest
        of this worker's routing table. Fails as `validate_and_route`."""
        theirs, own = wire.get(TABLE_ATTRIBUTE), self._router.digest
        routing_tables.compare(theirs, own)
        with typed_failures():
            return {"way": self._validation.read(wire).way, "table": own}

    @activity.defn(name=QUARANTINE_ACTIVITY)
    async def quarantine(self, wire: Any, code: str, reason: str) -> str:
        """Quarantine an event that the orchestrator gives up; returns the record's URI."""
        with typed_failures():
            error = PermanentError.from_code(code, reason)
            return await self._quarantine.keep_event(wire, error, started=False)
