"""The naive root's activities: the same services as ours, one activity for each."""

from __future__ import annotations

from typing import Any

from temporalio import activity

from core.domain.routing.table import Target, WorkflowRouter
from core.domain.validation import EventValidationService
from workers.runtime.activity_errors import typed_failures


class NaiveActivities:
    """Activities over the services of one worker process."""

    def __init__(self, validation: EventValidationService, router: WorkflowRouter) -> None:
        self._validation = validation
        self._router = router

    @activity.defn
    async def validate(self, wire: Any) -> None:
        with typed_failures():
            self._validation.read(wire)

    @activity.defn
    async def route(self, wire: Any) -> Target:
        with typed_failures():
            return self._router.target(self._validation.read(wire))
