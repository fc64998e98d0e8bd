"""The timeline of an incident over its runs: what is saved in the document store, and what is not.

A run that continues as new saves its entries as a segment and hands over only the last ones.

Deterministic: runs in the workflow sandbox.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from temporalio import workflow
from temporalio.exceptions import ActivityError

from core.domain.incident.model import Incident
from core.domain.incident.timeline import PageFailed, TimelineEvent, abridged
from workers.incident.activities import IncidentActivities
from workers.incident.payloads import ReportInput, RunState, Segment
from workers.incident.workflow import activity_options

LARGEST: Final = 1_000_000
"""Bytes of timeline that leave the workflow at a time: Temporal's limit for a payload is 2 MB."""


class TimelineLog:
    """The first `saved` of the `entries` are also in one of the `segments`; `omitted` earlier ones
    are only there."""

    def __init__(self, run_state: RunState) -> None:
        self.entries: list[TimelineEvent] = list(run_state.timeline)
        self.saved, self.omitted = run_state.saved, run_state.omitted
        self.segments = run_state.segments

    def add(self, event: TimelineEvent) -> None:
        self.entries.append(event)
        level = logging.WARNING if isinstance(event, PageFailed) else logging.INFO
        workflow.logger.log(level, "%s: %s", event.attested(), event.sentence())

    def rendered(self) -> list[dict[str, Any]]:
        """Each entry as JSON, with a sentence in `text`. A very long timeline is abridged, and says
        how much is left out."""
        rendered = [
            {"text": event.sentence(), **event.model_dump(mode="json")}
            for event in abridged(self.entries, LARGEST)
        ]
        if self.omitted:
            text = f"{self.omitted:,} earlier entries are in the document store"
            entry = {"text": text, "kind": "noted", "actor": "tidegate"}
            rendered.insert(0, {**entry, "at": rendered[0]["at"] if rendered else None})
        return rendered

    def report_input(self, incident: Incident, limit: int = LARGEST) -> ReportInput:
        """What the incident's report is made of, with at most `limit` bytes of timeline."""
        return ReportInput(
            incident=incident.shown(),
            timeline=abridged(self.entries[self.saved :], limit),
            segments=self.segments,
        )

    async def save(self, incident_id: str) -> None:
        """Save new entries in the document store; those that cannot be saved stay in the state."""
        entries = tuple(self.entries[self.saved :])
        if not entries:
            return
        segment = Segment(
            incident_id=incident_id,
            number=self.segments + 1,
            timeline=abridged(entries, LARGEST),
        )
        try:
            await workflow.execute_activity_method(
                IncidentActivities.save_timeline, segment, **activity_options.BEST_EFFORT
            )
        except ActivityError as error:
            workflow.logger.info("timeline not saved: %s", activity_options.reason_of(error))
        else:
            self.segments += 1
            self.saved += len(entries)
