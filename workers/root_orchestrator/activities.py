"""Activities of the root orchestrator: thin adapters over the domain. They may do I/O."""

from __future__ import annotations

import logging
from typing import Any, Final

from temporalio import activity

from core.domain.event import TABLE_ATTRIBUTE
from core.domain.routing.table import Target, WorkflowRouter
from core.domain.validation import EventValidationService
from core.errors import PermanentError
from core.intake.quarantine import Quarantine
from workers.runtime.activity_errors import typed_failures

TABLE_MISMATCHES: Final = "tidegate_routing_table_mismatches"
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

    @activity.defn
    async def validate_and_route(self, wire: Any) -> Target:
        """The workflow for the event. Fails, not to be retried, as `InvalidEvent`,
        `DocumentRefused`, `NoRoute` or `InvalidChildId`."""
        self._compare_tables(wire)
        with typed_failures():
            return self._router.target(self._validation.read(wire))

    @activity.defn
    async def quarantine(self, wire: Any, code: str, reason: str) -> str:
        """Quarantine an event that the orchestrator gives up; returns the record's URI."""
        with typed_failures():
            error = PermanentError.from_code(code, reason)
            return await self._quarantine.keep_event(wire, error, started=False)

    def _compare_tables(self, wire: Any) -> None:
        """Say so when the listener was given another routing table: what each of them decides may
        then differ."""
        theirs = wire.get(TABLE_ATTRIBUTE) if isinstance(wire, dict) else None
        if theirs in (None, self._router.digest):
            return
        log.warning(
            "routing tables differ: the listener has %s, this worker %s",
            theirs,
            self._router.digest,
        )
        activity.metric_meter().create_counter(
            TABLE_MISMATCHES, "events routed by a listener with another routing table"
        ).add(1)
