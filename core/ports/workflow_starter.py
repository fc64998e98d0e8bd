"""The Workflow Starter port: how an event becomes a durable workflow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from core.domain.event import Event


@dataclass(frozen=True, slots=True)
class Start:
    """The result of a start; `new` is False for a duplicate, whose workflow exists already."""

    workflow_id: str
    run_id: str | None
    new: bool


class WorkflowStarter(Protocol):
    """Starts the root orchestrator for an event."""

    async def start(self, event: Event) -> Start:
        """Start it in exactly one call.

        Raises `TransientError` for what a retry may fix, `PermanentError` for what it cannot.
        """
        ...
