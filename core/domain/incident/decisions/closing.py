"""How an incident closes, and when its post-incident reports are written.

A resolution is reported immediately. The incident closes after the reopen window; comments made in
the meantime, and every end that is not a resolution, are reported then. An incident of alerts then
stays silent for a while, so that late and repeated alerts open no other one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from core.domain.incident.decisions import paging
from core.domain.incident.model import Incident
from core.domain.incident.status import UNRESOLVED, CloseReason, Status
from core.domain.incident.timeline import Closed, Discarded, Forgotten, TimelineEvent


def close(
    incident: Incident,
    reason: CloseReason,
    now: datetime,
    *,
    note: str | None = None,
    asked: Mapping[str, Any] | None = None,
) -> list[TimelineEvent]:
    """The end, from any state; nothing if it is already closed. `asked` is what its entry says of
    the command that asks for it, if one does."""
    if incident.status is Status.CLOSED:
        return []
    entry = asked or {"at": now, "note": note}
    if incident.status in (Status.NEW, Status.PENDING):
        why = f"closed as {reason} before it opened"
        return [Discarded(**entry, reason=why)]
    unreported = bool(entry["note"]) or incident.report_stale or reason is not CloseReason.RESOLVED
    closed = Closed(
        **entry,
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
    closes = incident.resolved_at + timedelta(seconds=incident.policy.reopen_window)
    return max(closes, _settled_at(incident) or closes)


def forgetting_due(incident: Incident) -> datetime | None:
    """When a workflow without an open incident stops waiting for late alerts."""
    until = incident.silent_until
    return max(until, _settled_at(incident) or until) if until else None


def forget(incident: Incident, now: datetime) -> list[TimelineEvent]:
    """The time for late alerts is over."""
    if incident.status is Status.NEW:
        return [Discarded(at=now, reason="nothing that was heard of its alerts opens it")]
    return [Forgotten(at=now)]


def _settled_at(incident: Incident) -> datetime | None:
    """When the last of the alerts that are held has settled."""
    return max(incident.alerts.settling, default=None)


def is_finished(incident: Incident) -> bool:
    """Whether it is closed and its report has been written or has failed."""
    return incident.status is Status.CLOSED and incident.reported == incident.report_wanted


def is_forgotten(incident: Incident) -> bool:
    """Whether late alerts are not waited for any more, and none is held."""
    return incident.silent_until is None and not incident.alerts.held
