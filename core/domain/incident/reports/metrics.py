"""The times and durations of an incident."""

from __future__ import annotations

from datetime import datetime

from pydantic import AwareDatetime, Field

from core.domain.incident.model import Incident
from core.domain.value import Value

Seconds = float | None


class Moments(Value):
    """When each thing happened first or, if it can be undone, last."""

    started: AwareDatetime | None = Field(
        None, description="When the trouble began, according to the report or the first alert."
    )
    opened: AwareDatetime | None = None
    first_paged: AwareDatetime | None = Field(None, description="When the first page arrived.")
    first_acknowledged: AwareDatetime | None = None
    mitigated: AwareDatetime | None = None
    resolved: AwareDatetime | None = None
    closed: AwareDatetime | None = None


class Durations(Value):
    """In seconds; null for what has not happened, or happened before its start."""

    to_first_page: Seconds = Field(None, description="From the opening.")
    to_acknowledge: Seconds = Field(None, description="From the opening.")
    to_mitigate: Seconds = Field(None, description="From the opening.")
    to_resolve: Seconds = Field(None, description="From the opening.")
    from_start_to_open: Seconds = Field(None, description="How long nobody knew.")
    from_start_to_acknowledge: Seconds = None
    from_start_to_mitigate: Seconds = None
    from_start_to_resolve: Seconds = None


class Metrics(Value):
    """The figures of one incident."""

    moments: Moments
    durations: Durations
    reopened: int
    alerts: int = Field(description="How often alerts fired.")
    distinct_alerts: int
    pages_delivered: int
    pages_failed: int
    comments: int


def metrics_of(incident: Incident) -> Metrics:
    """The figures of an incident as it stands."""
    moments = Moments(
        started=incident.started_at,
        opened=incident.opened_at,
        first_paged=incident.first_paged_at,
        first_acknowledged=incident.first_acknowledged_at,
        mitigated=incident.mitigated_at,
        resolved=incident.resolved_at,
        closed=incident.closed_at,
    )
    start, opened = moments.started, moments.opened
    return Metrics(
        moments=moments,
        durations=Durations(
            to_first_page=_seconds(opened, moments.first_paged),
            to_acknowledge=_seconds(opened, moments.first_acknowledged),
            to_mitigate=_seconds(opened, moments.mitigated),
            to_resolve=_seconds(opened, moments.resolved),
            from_start_to_open=_seconds(start, opened),
            from_start_to_acknowledge=_seconds(start, moments.first_acknowledged),
            from_start_to_mitigate=_seconds(start, moments.mitigated),
            from_start_to_resolve=_seconds(start, moments.resolved),
        ),
        reopened=incident.reopened,
        alerts=incident.alerts.fired,
        distinct_alerts=incident.alerts.distinct,
        pages_delivered=incident.pages_delivered,
        pages_failed=incident.pages_failed,
        comments=incident.comments,
    )


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return round((end - start).total_seconds(), 3) if start and end and start <= end else None
