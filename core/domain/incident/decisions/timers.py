"""Timers: every rule by which something happens to an incident because time has passed.

A rule says both when it is due and what happens then, so that the deadline for which the workflow
waits and what it does on waking never disagree.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from core.domain.durations import format_duration
from core.domain.incident.decisions import alerts, closing, on_call, opening, paging, posts
from core.domain.incident.evolve import apply
from core.domain.incident.model import Incident
from core.domain.incident.status import UNRESOLVED, CloseReason, Status
from core.domain.incident.timeline import (
    Resolved,
    SnoozeEnded,
    TimelineEvent,
    Unacknowledged,
)


class Rule(NamedTuple):
    """`due` is None if the rule does not apply. `do` moves `due` into the future or to None."""

    due: Callable[[Incident], datetime | None]
    do: Callable[[Incident, datetime], list[TimelineEvent]]


def deadline(incident: Incident) -> datetime | None:
    """The time of the next `Wake`; None if nothing is due until another input comes."""
    return min((moment for rule in RULES if (moment := rule.due(incident))), default=None)


def advance(incident: Incident, now: datetime) -> list[TimelineEvent]:
    """Everything that is due by `now`, in the order of the rules."""
    events: list[TimelineEvent] = []
    for rule in RULES:
        moment = rule.due(incident)
        if moment and moment <= now:
            for event in rule.do(incident, now):
                events.append(event)
                incident = apply(incident, event)
    return events


def _too_old(incident: Incident) -> datetime | None:
    if incident.status not in UNRESOLVED or not incident.opened_at:
        return None
    limit = incident.policy.maximum_age
    return None if limit is None else incident.opened_at + timedelta(seconds=limit)


def _give_up(incident: Incident, now: datetime) -> list[TimelineEvent]:
    limit = incident.policy.maximum_age
    note = f"nobody resolved it within its maximum age of {format_duration(limit or 0)}"
    return closing.close(incident, CloseReason.CANCELLED, now, note=note)


def _silent(incident: Incident) -> datetime | None:
    if incident.status not in UNRESOLVED:
        return None
    limit, last = incident.policy.resolve_if_silent_for, incident.alerts.last_fired_at
    if limit is None or last is None:
        return None
    return max(last, incident.open_since or last) + timedelta(seconds=limit)


def _resolve_silent(incident: Incident, now: datetime) -> list[TimelineEvent]:
    limit = incident.policy.resolve_if_silent_for
    note = f"no alert came for {format_duration(limit or 0)}"
    return [Resolved(at=now, note=note), *paging.cancel_all(incident, now)]


def _snooze_over(incident: Incident) -> datetime | None:
    return incident.snoozed_until if incident.status in UNRESOLVED else None


def _end_snooze(incident: Incident, now: datetime) -> list[TimelineEvent]:
    return [SnoozeEnded(at=now)]


def _acknowledgement_over(incident: Incident) -> datetime | None:
    """When an acknowledgement times out; never while the incident is snoozed."""
    if incident.status is not Status.ACKNOWLEDGED:
        return None
    limit, since = incident.policy.acknowledgement_timeout, incident.acknowledged_at
    if limit is None or since is None or incident.snoozed_until:
        return None
    return since + timedelta(seconds=limit)


def _end_acknowledgement(incident: Incident, now: datetime) -> list[TimelineEvent]:
    limit = incident.policy.acknowledgement_timeout
    reason = f"the acknowledgement is older than {format_duration(limit or 0)}"
    return [Unacknowledged(at=now, reason=reason)]


RULES: Final = (
    Rule(alerts.settling_due, alerts.settle),
    Rule(opening.pending_due, opening.end_pending),
    Rule(_too_old, _give_up),
    Rule(_silent, _resolve_silent),
    Rule(_snooze_over, _end_snooze),
    Rule(_acknowledgement_over, _end_acknowledgement),
    Rule(paging.retry_due, paging.retry),
    Rule(on_call.due, on_call.ask),
    Rule(closing.due, lambda incident, now: closing.close(incident, CloseReason.RESOLVED, now)),
    Rule(closing.forgetting_due, closing.forget),
    Rule(posts.due, posts.update),
)
"""In this order: an alert that fires comes before what follows from silence, and what ends an
incident before what would page for it; what is shown of it is last. What a rule does may make a
later rule due, never an earlier one."""
