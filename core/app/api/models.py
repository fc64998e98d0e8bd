"""What the API answers, as published models: the OpenAPI document is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from core.adapters.temporal.incident_list import IncidentSummary
from core.adapters.temporal.incidents import CommandResult
from core.domain.command import Proof
from core.domain.handles import handle_of
from core.domain.incident.decisions import on_call
from core.domain.incident.decisions.command_handling import possible
from core.domain.incident.ids import parse_id
from core.domain.incident.model import Incident, PageStatus
from core.domain.incident.status import CloseReason, Status
from core.domain.severity import Severity


class Answer(BaseModel):
    """The base of all: a field that is null is there, so that a reader finds it."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ListedIncident(Answer):
    """An incident in the list, as its workflow has published it."""

    id: str = Field(description="Its own ID, which no other incident has.")
    handle: str = Field(description="The six characters by which people name it.")
    workflow_id: str
    began: AwareDatetime
    status: Status | None = Field(description="null where its workflow failed before it opened.")
    severity: Severity | None
    service: str | None
    assignee: str | None
    acknowledged_by: str | None = Field(description="Who acknowledged it last.")
    title: str | None
    ended: str | None = Field(
        description="How its workflow ended, where that was not by closing: it takes no commands."
    )

    @classmethod
    def of(cls, incident: IncidentSummary) -> Self:
        return cls.model_validate(incident, from_attributes=True)


class IncidentPage(Answer):
    """Incidents, the newest first. A page may have fewer than `limit`, and yet not be the last."""

    incidents: tuple[ListedIncident, ...]
    next: str | None = Field(description="The `cursor` of the next page; null on the last.")


class AlertTally(Answer):
    """The alerts of an incident. Alerts beyond a bound are not told apart."""

    firing: int
    distinct: int
    received: int = Field(description="How often one of them fired.")


class Paged(Answer):
    """What became of the page to one target."""

    target: str
    level: int
    status: PageStatus
    at: AwareDatetime | None


class IncidentState(Answer):
    """An incident as it stands."""

    id: str = Field(description="Its own ID, which no other incident has.")
    handle: str = Field(description="The six characters by which people name it.")
    workflow_id: str
    status: Status
    close_reason: CloseReason | None
    title: str
    severity: Severity
    worst_severity: Severity | None
    service: str | None
    summary: str | None
    labels: Mapping[str, str]
    links: tuple[str, ...]
    named_links: Mapping[str, str]
    document: str | None = Field(description="The URI of the report that opened it.")
    follows: str | None = Field(description="The ID of the incident that it follows.")
    reporter: str | None = Field(description="Who reported it, where somebody did.")
    assignee: str | None
    commander: str | None
    acknowledged_by: tuple[str, ...]
    resolved_by: str | None
    snoozed_until: AwareDatetime | None
    next_page_at: AwareDatetime | None
    started_at: AwareDatetime | None = Field(
        description="When the trouble began, as its source says."
    )
    opened_at: AwareDatetime | None
    acknowledged_at: AwareDatetime | None
    mitigated_at: AwareDatetime | None
    resolved_at: AwareDatetime | None
    closed_at: AwareDatetime | None
    alerts: AlertTally
    pages: tuple[Paged, ...]
    reports: tuple[str, ...] = Field(description="The URIs of its post-incident reports.")
    possible: tuple[str, ...] = Field(description="The commands that have an effect now.")

    @classmethod
    def of(cls, incident: Incident) -> Self:
        same = {name for name in cls.model_fields if name in Incident.model_fields}
        alerts = incident.alerts
        return cls(
            **{name: getattr(incident, name) for name in same - {"alerts", "pages"}},
            handle=handle_of(incident.id),
            workflow_id=incident.key or parse_id(incident.id)[0],
            follows=incident.previous,
            next_page_at=on_call.next_page(incident),
            alerts=AlertTally(
                firing=alerts.firing, distinct=alerts.distinct, received=alerts.fired
            ),
            pages=tuple(
                Paged(target=page.target, level=page.level, status=page.status, at=page.at)
                for page in incident.pages.values()
            ),
            possible=possible(incident),
        )


class TimelineEntry(Answer):
    """Something that happened to an incident."""

    at: AwareDatetime | None
    kind: str
    actor: str
    proof: str | None = Field(
        default=None,
        description="How it is known that a command was the actor's: `api` by a token of this API.",
        examples=list(Proof),
    )
    text: str = Field(description="What happened, in a sentence.")
    note: str | None = Field(default=None, description="What the actor said about it.")
    command_id: str | None = Field(default=None, description="The command that caused it.")


class Timeline(Answer):
    """What has happened to an incident so far. A very long one is abridged, and says so."""

    incident_id: str
    handle: str
    entries: tuple[TimelineEntry, ...]

    @classmethod
    def of(cls, view: Mapping[str, Any]) -> Self:
        return cls(
            incident_id=view["incident"]["id"], handle=view["handle"], entries=view["timeline"]
        )


class Held(Answer):
    """What holds the paging back, and until when."""

    reason: str
    until: AwareDatetime


class PagedLevel(Answer):
    """Whom a level pages."""

    level: int
    targets: tuple[str, ...]
    repeat: int


class CommandDone(Answer):
    """An incident after a command. One whose workflow has ended says no more than its status."""

    command_id: str
    changed: bool = Field(description="false where there was nothing to do.")
    incident_id: str
    handle: str
    status: Status
    title: str | None = None
    severity: Severity | None = None
    service: str | None = None
    assignee: str | None = None
    commander: str | None = None
    acknowledged_by: tuple[str, ...] | None = None
    resolved_by: str | None = None
    close_reason: CloseReason | None = None
    snoozed_until: AwareDatetime | None = None
    next_page_at: AwareDatetime | None = None
    held: Held | None = None
    paged: tuple[PagedLevel, ...] = Field(default=(), description="Whom the command paged.")
    notified: tuple[str, ...] = Field(
        default=(), description="The addresses at which a new assignee is told."
    )

    @classmethod
    def of(cls, command_id: str, result: CommandResult) -> Self:
        return cls.model_validate({"command_id": command_id, **result})


class CommandSent(Answer):
    """A command on its way to an incident, whose timeline says what came of it."""

    command_id: str
    incident_id: str | None = Field(description="null for a command to a workflow ID.")
    handle: str | None


class IncidentOpened(Answer):
    """The incident that a report has opened, or joined."""

    command_id: str
    opened: bool = Field(description="false where an incident that is open took the report.")
    incident_id: str | None = Field(description="null where that is not known in time.")
    handle: str | None
    workflow_id: str
    title: str
    follows: str | None = Field(description="The ID of the incident that it follows.")

    @classmethod
    def of(cls, command_id: str, opened: Mapping[str, Any]) -> Self:
        return cls.model_validate(
            {**opened, "command_id": command_id, "workflow_id": opened["child_id"]}
        )
