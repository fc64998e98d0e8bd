"""What a command did, as facts: whoever gave it makes the sentence out of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from core.domain.incident.decisions import escalation, on_call, paging
from core.domain.incident.facts import CommandFacts, Paged
from core.domain.incident.model import Incident
from core.domain.incident.status import UNRESOLVED
from core.domain.incident.timeline import (
    Assigned,
    EscalatedByHand,
    PageStarted,
    TimelineEvent,
)


def command_facts(
    before: Incident, after: Incident, events: Sequence[TimelineEvent], now: datetime
) -> CommandFacts:
    """The facts of a command that made the incident `after` out of `before` by these events."""
    held = paging.hold(after, now) if after.status in UNRESOLVED else None
    next_page = on_call.next_page(after)
    return {
        "commander": after.commander,
        "snoozed_until": _moment(after.snoozed_until),
        "held": {"reason": held.reason, "until": held.until.isoformat()} if held else None,
        "paged": list(_paged(after, events, now)),
        "notified": [
            name for event in events if isinstance(event, Assigned) for name in event.notified
        ],
        "next_page_at": None if held else _moment(next_page),
        "before": {
            "status": before.status.value,
            "severity": before.severity.value,
            "assignee": before.assignee,
            "commander": before.commander,
            "acknowledged_by": list(before.acknowledged_by),
            "snoozed_until": _moment(before.snoozed_until),
        },
    }


def _paged(after: Incident, events: Sequence[TimelineEvent], now: datetime) -> Iterator[Paged]:
    """Whom the command has paged, or pages once it is known who is on call."""
    by_hand = [event for event in events if isinstance(event, EscalatedByHand)]
    for event in by_hand:
        yield {"level": event.level, "targets": list(event.targets), "repeat": event.repeat}
    started = [
        event
        for event in events
        if isinstance(event, PageStarted) and event.round == 1 and not event.asked_by
    ]
    for level in dict.fromkeys(event.level for event in started):
        pages = [event for event in started if event.level == level]
        targets = [event.target for event in pages]
        yield {"level": level, "targets": targets, "repeat": pages[0].repeat}
    if after.inquiry.asked_at and not paging.certain_hold(after, now):
        for level in escalation.levels_due(after, now):
            if names := list(paging.level_of(after, level).names):
                yield {"level": level, "targets": names, "repeat": paging.next_repeat(after, level)}


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
