"""How an incident closes, and when its post-incident reports are written.

A resolution is reported immediately. The incident closes after the reopen window; comments made in
the meantime, and every end that is not a resolution, are reported then.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from core.domain.incident.decisions import paging
from core.domain.incident.model import UNRESOLVED, CloseReason, Incident, Status
from core.domain.incident.timeline import TIDEGATE, Closed, Discarded, TimelineEvent


def close(
    incident: Incident,
    reason: CloseReason,
    now: datetime,
    *,
    actor: str = TIDEGATE,
    command_id: str | None = None,
    note: str | None = None,
) -> list[TimelineEvent]:
    """The end, from any state; nothing if it is already closed."""
    if incident.status is Status.CLOSED:
        return []
    if incident.status in (Status.NEW, Status.PENDING):
        why = f"closed as {reason} before it opened"
        return [
            Discarded(at=now, actor=actor, command_id=command_id, note=note, reason=why),
        ]
    unreported = bool(note) or incident.report_stale or reason is not CloseReason.RESOLVED
    closed = Closed(
        at=now,
        actor=actor,
        command_id=command_id,
        note=note,
        reason=reason,
        report=incident.status in UNRESOLVED or unreported,
    )
    return [closed, *paging.cancel_all(incident, now)]


def due(incident: Incident) -> datetime | None:
    """When a resolved incident closes: not before its report has been written or has failed."""
    if incident.status is not Status.RESOLVED or incident.resolved_at is None:
        return None
    if incident.reported != incident.report_wanted:
        return None
    return incident.resolved_at + timedelta(seconds=incident.policy.reopen_window)


def is_finished(incident: Incident) -> bool:
    """Whether it is closed and its report has been written or has failed: nothing is left to do."""
    return incident.status is Status.CLOSED and incident.reported == incident.report_wanted
