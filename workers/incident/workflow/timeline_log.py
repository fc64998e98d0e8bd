"""The timeline as a run of the workflow has it: what lies in the document store, and what does not.

A run that goes on keeps what it has told in the store, as a segment, and takes only the end along.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from temporalio import workflow
from temporalio.exceptions import ActivityError

from core.domain.incident.model import Incident
from core.domain.incident.timeline import PageFailed, TimelineEvent, abridged
from workers.incident.activities import IncidentActivities
from workers.incident.payloads import Carried, Ending, Segment
from workers.incident.workflow import activity_options

LARGEST: Final = 1_000_000
"""Bytes of a timeline as it leaves the workflow: Temporal takes payloads of at most 2 MB."""


class Chronicle:
    """`saved` of the `entries` lie in one of the `segments`, and `omitted` earlier ones only lie
    there."""

    def __init__(self, carried: Carried) -> None:
        self.entries: list[TimelineEvent] = list(carried.timeline)
        self.saved, self.omitted = carried.saved, carried.omitted
        self.segments = carried.segments

    def add(self, event: TimelineEvent) -> None:
        self.entries.append(event)
        level = logging.WARNING if isinstance(event, PageFailed) else logging.INFO
        workflow.logger.log(level, "%s: %s", event.actor, event.sentence())

    def told(self) -> list[dict[str, Any]]:
        """Each entry with a sentence in `text`; of a very long timeline only parts, and how much is
        left out."""
        told = [
            {"text": event.sentence(), **event.model_dump(mode="json")}
            for event in abridged(self.entries, LARGEST)
        ]
        if self.omitted:
            what = f"{self.omitted:,} earlier entries lie in the document store"
            entry = {"text": what, "kind": "noted", "actor": "tidegate"}
            told.insert(0, {**entry, "at": told[0]["at"] if told else None})
        return told

    def ending(self, incident: Incident, limit: int = LARGEST) -> Ending:
        """What the report of the incident is made of, with at most `limit` bytes of timeline."""
        return Ending(
            incident=incident.shown(),
            timeline=abridged(self.entries[self.saved :], limit),
            segments=self.segments,
        )

    async def save(self, incident_id: str) -> None:
        """Keep in the document store what is not kept yet; what cannot be stays in the state."""
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
                IncidentActivities.save_timeline, segment, **activity_options.IF_POSSIBLE
            )
        except ActivityError as error:
            workflow.logger.info("timeline not saved: %s", activity_options.reason_of(error))
        else:
            self.segments += 1
            self.saved += len(entries)
