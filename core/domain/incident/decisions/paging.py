"""Pages: whom a level reaches, under which keys, and how often each is tried."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from core.domain.incident.model import IN_FLIGHT, Incident, PageState, PageStatus, Status
from core.domain.incident.policies.policy import Hold, Level
from core.domain.incident.timeline import (
    NobodyToPage,
    PageCancelled,
    PageFailed,
    PageStarted,
    PagingHeld,
    TimelineEvent,
)

FIRST_LEVEL: Final = 1

ROUND_DELAYS: Final = tuple(timedelta(seconds=s) for s in (30, 60, 120, 300, *[600] * 24))
"""Backoff after failed rounds; a page is given up after the round that follows the last of them."""


def levels_of(incident: Incident) -> Sequence[Level]:
    return incident.policy.levels


def hold(incident: Incident, now: datetime) -> Hold | None:
    """Why nobody may be paged now, and until when; None if somebody may."""
    snoozed = incident.snoozed_until
    if snoozed and snoozed > now:
        return Hold("snoozed", snoozed)
    return incident.policy.hold(incident.severity, now)


def still_snoozed(incident: Incident, now: datetime) -> list[TimelineEvent]:
    """That nobody is paged although the incident is open again."""
    until = incident.snoozed_until
    return [PagingHeld(at=now, reason="snoozed", until=until)] if until and until > now else []


def next_repeat(incident: Incident, level: int) -> int:
    """The number of a level's next paging, over the incident's whole life."""
    return incident.escalation.repeats.get(level, 0) + 1


def page_level(
    incident: Incident, level: int, now: datetime, *, asked_by: str | None = None
) -> list[TimelineEvent]:
    """One page to each target of a level whose last one is not still in flight; and an event, once
    per level, if the level does not reach them all. Keys stay the same over retries.

    `asked_by` is the person who asked for it, if one did.
    """
    levels = levels_of(incident)
    rule = levels[level - 1] if level <= len(levels) else Level(after=0)
    repeat = next_repeat(incident, level)
    events: list[TimelineEvent] = []
    absent = "; ".join(rule.missing)
    if (absent or not rule.targets) and level not in incident.unreachable_levels:
        events.append(NobodyToPage(at=now, level=level, reason=absent, partial=bool(rule.targets)))
    busy = {
        page.target
        for page in incident.pages.values()
        if page.level == level and page.status in IN_FLIGHT
    }
    return events + [
        PageStarted(
            at=now,
            key=f"{incident.id}/level-{level}/repeat-{repeat}/{target.name}",
            level=level,
            target=target.name,
            repeat=repeat,
            fallback=target.fallback,
            asked_by=asked_by,
        )
        for target in rule.targets
        if target.name not in busy
    ]


def hasten(incident: Incident, level: int, now: datetime, asked_by: str) -> list[TimelineEvent]:
    """The next round, now, of every page of a level that waits for it."""
    return [
        _next_round(key, page.model_copy(update={"asked_by": asked_by}), now)
        for key, page in incident.pages.items()
        if page.level == level and page.status is PageStatus.WAITING
    ]


def retry_due(incident: Incident) -> datetime | None:
    """When the next round of a page is due."""
    waiting = [
        page.retry_at
        for page in incident.pages.values()
        if page.status is PageStatus.WAITING and page.retry_at
    ]
    return min(waiting, default=None)


def retry(incident: Incident, now: datetime) -> list[TimelineEvent]:
    """The next round of every page whose wait is over, or its end while nobody may be paged."""
    due = [
        (key, page)
        for key, page in incident.pages.items()
        if page.status is PageStatus.WAITING and page.retry_at and page.retry_at <= now
    ]
    paging = incident.status in (Status.OPEN, Status.ACKNOWLEDGED)
    held = hold(incident, now)
    return [
        _next_round(key, page, now)
        if paging and (page.asked_by or not held)
        else _cancel(key, page, now)
        for key, page in due
    ]


def failed(key: str, page: PageState, reason: str, now: datetime) -> PageFailed:
    """The failure of a round, with the time of the next one if there is one."""
    retry_at = None
    if page.round <= len(ROUND_DELAYS):
        retry_at = now + ROUND_DELAYS[page.round - 1]
    return PageFailed(
        at=now, key=key, level=page.level, target=page.target, reason=reason, retry_at=retry_at
    )


def cancel_all(incident: Incident, now: datetime) -> list[TimelineEvent]:
    """The end of every page that is being sent or waits for another round."""
    return [
        _cancel(key, page, now) for key, page in incident.pages.items() if page.status in IN_FLIGHT
    ]


def cancel_waiting(incident: Incident, now: datetime) -> list[TimelineEvent]:
    """The end of every page that waits for another round, but for those that a person asked for."""
    return [
        _cancel(key, page, now)
        for key, page in incident.pages.items()
        if page.status is PageStatus.WAITING and not page.asked_by
    ]


def _next_round(key: str, page: PageState, now: datetime) -> PageStarted:
    return PageStarted(
        at=now,
        key=key,
        level=page.level,
        target=page.target,
        repeat=page.repeat,
        fallback=page.fallback,
        round=page.round + 1,
        asked_by=page.asked_by,
    )


def _cancel(key: str, page: PageState, now: datetime) -> PageCancelled:
    return PageCancelled(at=now, key=key, level=page.level, target=page.target)
