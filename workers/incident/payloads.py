"""What passes between the incident workflow, its activities, and its next run."""

from __future__ import annotations

from typing import Any

from pydantic import model_validator

from core.domain.incident.effects import FollowUp, Page, WriteReport
from core.domain.incident.model import Incident
from core.domain.incident.policies.policy import Policy
from core.domain.incident.reports.incident_report import IncidentReport
from core.domain.incident.timeline import TimelineEvent
from core.domain.value import Value


class Rules(Value):
    """What holds for an incident that opens now, and for the runs of its workflow.

    With more than `continue_as_new_after` events in its history, a run hands over to the next one.
    """

    policy: Policy
    continue_as_new_after: int | None = None

    @model_validator(mode="before")
    @classmethod
    def _as_first_recorded(cls, given: Any) -> Any:
        """It was the policy alone, once; histories hold some."""
        if isinstance(given, dict) and "policy" not in given:
            return {"policy": given}
        return given


class Loaded(Value):
    """What an event brings: its report, its identity, and its document's URI, if it has one."""

    report: IncidentReport
    event_key: str
    document: str | None = None


class Segment(Value):
    """Part of a timeline that the document store is to keep, number 1 being the beginning."""

    incident_id: str
    number: int
    timeline: tuple[TimelineEvent, ...]


class Ending(Value):
    """All that a post-incident report is made of. The timeline's beginning lies in the document
    store, in so many `segments`."""

    incident: Incident
    timeline: tuple[TimelineEvent, ...]
    segments: int = 0


class Carried(Value):
    """What one run of the workflow hands to the next.

    With an `incident`, it goes on; without, the next one begins with the first of the `arrivals`,
    which are events in their wire form. `saved` counts those entries of the timeline that lie in
    one of the `segments`, `omitted` those that only lie there.
    """

    incident: Incident | None = None
    previous: str | None = None
    timeline: tuple[TimelineEvent, ...] = ()
    saved: int = 0
    omitted: int = 0
    segments: int = 0
    effects: tuple[Page | WriteReport | FollowUp, ...] = ()
    arrivals: tuple[Any, ...] = ()
    unreported: tuple[Ending, ...] = ()
    """Incidents that went before, and whose reports are not written yet."""
    continue_as_new_after: int | None = None
