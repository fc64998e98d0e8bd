"""How an event changes an incident: the fold that makes an incident out of its timeline.

No rules here: what has happened, has happened. Which events happen is decided in `lifecycle`.
"""

from __future__ import annotations

from datetime import datetime

from core.domain.incident.model import (
    REMEMBERED_COMMANDS,
    REMEMBERED_EVENTS,
    Incident,
    PageState,
    PageStatus,
    Status,
)
from core.domain.incident.timeline import (
    Acknowledged,
    Closed,
    Escalated,
    EventJoined,
    Noted,
    Opened,
    PageCalledOff,
    PageDelivered,
    PageFailed,
    PageStarted,
    Reopened,
    ReportNotWritten,
    ReportWritten,
    Resolved,
    TimelineEvent,
)


def apply(incident: Incident, event: TimelineEvent) -> Incident:
    """The incident after the event."""
    match event:
        case Opened():
            return incident.model_copy(
                update={
                    "status": Status.OPEN,
                    "title": event.title,
                    "severity": event.severity,
                    "service": event.service,
                    "summary": event.summary,
                    "reporter": event.reporter,
                    "labels": event.labels,
                    "links": event.links,
                    "document": event.document,
                    "policy": event.policy,
                    "started_at": event.started_at,
                    "opened_at": event.at,
                    "open_since": event.at,
                    "events": incident.events + 1,
                    "recent_events": _remember(
                        incident.recent_events, event.event_key, REMEMBERED_EVENTS
                    ),
                }
            )
        case EventJoined():
            return incident.model_copy(
                update={
                    "events": incident.events + 1,
                    "recent_events": _remember(
                        incident.recent_events, event.event_key, REMEMBERED_EVENTS
                    ),
                }
            )
        case Reopened():
            return incident.model_copy(
                update={
                    "status": Status.OPEN,
                    "open_since": event.at,
                    "escalated_at": None,
                    "acknowledged_at": None,
                    "acknowledged_by": (),
                    "resolved_at": None,
                    "resolved_by": None,
                    "reopened": incident.reopened + 1,
                }
            )
        case Escalated():
            return incident.model_copy(update={"escalated_at": event.at})
        case PageStarted():
            return _with_page(incident, event.key, _page_state(event, PageStatus.SENDING))
        case PageDelivered():
            return _page_became(incident, event.key, PageStatus.DELIVERED)
        case PageFailed():
            status = PageStatus.WAITING if event.retry_at else PageStatus.FAILED
            return _page_became(incident, event.key, status, event.retry_at)
        case PageCalledOff():
            return _page_became(incident, event.key, PageStatus.CALLED_OFF)
        case Acknowledged():
            return incident.model_copy(
                update={
                    "status": Status.ACKNOWLEDGED,
                    "acknowledged_at": incident.acknowledged_at or event.at,
                    "acknowledged_by": (*incident.acknowledged_by, event.actor),
                    "recent_commands": _remember(
                        incident.recent_commands, event.command_id, REMEMBERED_COMMANDS
                    ),
                }
            )
        case Resolved():
            return incident.model_copy(
                update={
                    "status": Status.RESOLVED,
                    "resolved_at": event.at,
                    "resolved_by": event.actor,
                    "recent_commands": _remember(
                        incident.recent_commands, event.command_id, REMEMBERED_COMMANDS
                    ),
                }
            )
        case ReportWritten():
            return incident.model_copy(
                update={
                    "reported": event.resolved_at,
                    "reports": (*incident.reports, *event.uris),
                }
            )
        case ReportNotWritten():
            return incident.model_copy(update={"reported": event.resolved_at})
        case Closed():
            return incident.model_copy(update={"status": Status.CLOSED, "closed_at": event.at})
        case Noted():
            return incident


def _remember(known: tuple[str, ...], new: str, limit: int) -> tuple[str, ...]:
    return (*known, new)[-limit:]


def _page_state(event: PageStarted, status: PageStatus) -> PageState:
    return PageState(level=event.level, target=event.target, round=event.round, status=status)


def _page_became(
    incident: Incident, key: str, status: PageStatus, retry_at: datetime | None = None
) -> Incident:
    changed = incident.pages[key].model_copy(update={"status": status, "retry_at": retry_at})
    return _with_page(incident, key, changed)


def _with_page(incident: Incident, key: str, page: PageState) -> Incident:
    return incident.model_copy(update={"pages": {**incident.pages, key: page}})
