"""What passes between the incident workflow, its activities and its next run.

Deterministic: values only, used on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import Field, model_validator

from core.domain.incident.alert_counts import AlertCounts
from core.domain.incident.effects import FindOnCall, FollowUp, Page, UpdatePost, WriteReport
from core.domain.incident.inputs import Listen
from core.domain.incident.model import Incident
from core.domain.incident.policies.policy import Policy
from core.domain.incident.reports.incident_report import IncidentReport
from core.domain.incident.timeline import TimelineEvent
from core.domain.targets import Post
from core.domain.value import Value

URI_CHARS: Final = 2000
"""Most of a document's URI that an incident keeps, to name it in its timeline."""


TARGET_REMOVED: Final = "TargetRemoved"
"""The code of a page's failure when none of its targets is configured any more."""


class Delivered(Value):
    """Which target took a page, and the message that it has now, if it can be edited."""

    via: str
    post: Post | None = None

    @model_validator(mode="before")
    @classmethod
    def _recorded(cls, value: Any) -> Any:
        """Histories have the target's name alone."""
        return {"via": value} if isinstance(value, str) else value


class Told(Value):
    """The messages that targets have of a follow-up, where they can be edited."""

    posts: Mapping[str, Post] = Field(default_factory=dict)


class OpeningRules(Value):
    """What is configured for an incident that opens now, and for the runs of its workflow.

    A run whose history has more than `continue_as_new_after` events continues as new.
    """

    policy: Policy
    continue_as_new_after: int | None = None


class LoadedReport(Value):
    """The report that an event brings, with the ID that the event's key makes and the document's
    URI, if any."""

    report: IncidentReport
    event_key: str
    document: str | None = None


class Segment(Value):
    """A part of a timeline for the document store; number 1 is the beginning."""

    incident_id: str
    number: int
    timeline: tuple[TimelineEvent, ...]


class ReportInput(Value):
    """All that a post-incident report is made of. The first `segments` parts of the timeline are in
    the document store."""

    incident: Incident
    timeline: tuple[TimelineEvent, ...]
    segments: int = 0


class RunState(Value):
    """What one run of the workflow hands to the next: the input of continue-as-new.

    With an `incident`, the next run continues it; without, it opens one with the first of the
    `arrivals`, which are events in their wire form. The first `saved` entries of the timeline are
    also in the document store, in one of the `segments`; `omitted` earlier ones are only there.
    """

    incident: Incident | None = None
    silence: Listen | None = None
    """What is left of the silence after the incident before, for when none of the `arrivals` opens
    one."""
    timeline: tuple[TimelineEvent, ...] = ()
    saved: int = 0
    omitted: int = 0
    segments: int = 0
    effects: tuple[Page | WriteReport | FollowUp | UpdatePost | FindOnCall, ...] = ()
    arrivals: tuple[Any, ...] = ()
    backlog: tuple[Any, ...] = ()
    """Events of the incident that the run before has not accepted yet."""
    commands: tuple[Any, ...] = ()
    """Commands that wait until an incident opens, or that the run before has not taken yet."""
    alerts: AlertCounts = AlertCounts()
    """What is known of alerts, for a run without an `incident`."""
    recalled: bool = False
    """Whether `alerts` has what the last run that completed knew."""
    pending_reports: tuple[ReportInput, ...] = ()
    """Earlier incidents whose reports are not written yet."""
    continue_as_new_after: int | None = None
