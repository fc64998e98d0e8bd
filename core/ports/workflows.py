"""The Workflows port: how an event reaches a durable workflow, in exactly one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from core.domain.event import Event
from core.domain.routing.table import Target


class Outcome(StrEnum):
    """What became of a call that was answered."""

    STARTED = "started"
    DUPLICATE = "duplicate"
    """The workflow ID had been taken by the same event before."""
    DELIVERED = "delivered"
    """A running workflow has it; whether it had it before is not known here."""


class Sent(NamedTuple):
    """The workflow that an event reached."""

    workflow_id: str
    run_id: str | None
    """None where Temporal does not say it."""
    outcome: Outcome


class Workflows(Protocol):
    """Takes events to workflows.

    Each method makes exactly one call, and raises `TransientError` for what may work later and
    `PermanentError` for what never will. `table` is the digest of the routing table that chose the
    workflow; it travels with the first event of a call. A target with an `input` gets that instead
    of the event.
    """

    async def orchestrate(self, event: Event, *, table: str) -> Sent:
        """Start the root orchestrator for the event, under the event's own ID."""
        ...

    async def start(self, event: Event, target: Target, *, table: str) -> Sent:
        """Start the target workflow with the event."""
        ...

    async def signal(
        self, events: Sequence[Mapping[str, Any]], target: Target, *, request_id: str, table: str
    ) -> Sent:
        """Signal the target workflow with events in their wire form, and start it if it does not
        run; or raise `ChildMissing` then, if its rule says so. A request ID that the running
        workflow has had is ignored by it."""
        ...
