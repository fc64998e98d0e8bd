"""Pages: whom a level reaches, under which keys, and how often each is tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from core.domain.incident.model import IN_FLIGHT, Incident, PageState, PageStatus
from core.domain.incident.policies.policy import Hold, Level
from core.domain.incident.status import Status
from core.domain.incident.timeline import (
    PageCancelled,
    PageFailed,
    PageStarted,
    PagingHeld,
    TimelineEvent,
)
from core.domain.windows import Silence

FIRST_LEVEL: Final = 1

ROUND_DELAYS: Final = tuple(timedelta(seconds=s) for s in (30, 60, 120, 300, *[600] * 24))
"""Backoff after failed rounds; a page is given up after the round that follows the last of them."""


def hold(incident: Incident, now: datetime) -> Hold | None:
    """Why nobody may be paged now, and until when, as far as is known; None if somebody may."""
    return _hold(incident, now, incident.inquiry.answer.silences)


def certain_hold(incident: Incident, now: datetime) -> Hold | None:
    """The same without silences that were added at run time: those may have been ended."""
    return _hold(incident, now, ())


def _hold(incident: Incident, now: datetime, silences: Sequence[Silence]) -> Hold | None:
    snoozed = incident.snoozed_until
    if snoozed and snoozed > now:
        return Hold("snoozed", snoozed)
    return incident.policy.hold(incident.severity, now, silences)


def still_snoozed(incident: Incident, now: datetime) -> list[TimelineEvent]:
    """That nobody is paged although the incident is open again."""
    until = incident.snoozed_until
    return [PagingHeld(at=now, reason="snoozed", until=until)] if until and until > now else []


def next_repeat(incident: Incident, level: int) -> int:
    """The number of a level's next paging, over the incident's whole life."""
    return incident.escalation.repeats.get(level, 0) + 1


def level_of(incident: Incident, level: int) -> Level:
    """The level of that number; one that pages nobody where the policy has none."""
    levels = incident.policy.levels
    return levels[level - 1] if level <= len(levels) else Level(after=0)


def page_targets(
    incident: Incident, level: int, repeat: int, now: datetime, *, asked_by: str | None = None
) -> list[TimelineEvent]:
    """One page to each target of a level whose last one is not still in flight. Keys stay the same
    over retries. `asked_by` is the person who asked for it, if one did."""
    busy = {
        page.target
        for page in incident.pages.values()
        if page.level == level and page.status in IN_FLIGHT
    }
    return [
        PageStarted(
            at=now,
            key=f"{incident.id}/level-{level}/repeat-{repeat}/{target.name}",
            level=level,
            target=target.name,
            repeat=repeat,
            fallback=target.fallback,
            asked_by=asked_by,
        )
        for target in level_of(incident, level).targets
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


def failed(
    key: str, page: PageState, reason: str, now: datetime, *, removed: bool = False
) -> PageFailed:
    """The failure of a round, with the time of the next one if there is one. A contact method that
    was `removed` is given up: who is on call now is asked."""
    retry_at = None
    if page.round <= len(ROUND_DELAYS) and not (removed and page.person):
        retry_at = now + ROUND_DELAYS[page.round - 1]
    return PageFailed(
        at=now, key=key, level=page.level, target=page.target, reason=reason, retry_at=retry_at
    )


def cancel_all(incident: Incident, now: datetime) -> list[TimelineEvent]:
    """The end of every page that is being sent or waits for another round."""
    return _cancelled(incident.pages, now)


def cancel_person(incident: Incident, person: str, now: datetime) -> list[TimelineEvent]:
    """The same of the pages to one person."""
    pages = {key: page for key, page in incident.pages.items() if page.person == person}
    return _cancelled(pages, now)


def _cancelled(pages: Mapping[str, PageState], now: datetime) -> list[TimelineEvent]:
    return [_cancel(key, page, now) for key, page in pages.items() if page.status in IN_FLIGHT]


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
        person=page.person,
    )


def _cancel(key: str, page: PageState, now: datetime) -> PageCancelled:
    return PageCancelled(at=now, key=key, level=page.level, target=page.target)
