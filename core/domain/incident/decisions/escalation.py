"""Escalation: which level is due while nobody acknowledges, and when paging has to wait.

    since      the (re)opening, or the end of what held the paging
    step       the number of levels gone through since then, over all rounds
    due        since + round x (the last level's delay + repeat_after) + the level's delay
               or, before that, the last paging + repage_every

Whom a level reaches besides its targets is asked each time: see `on_call`. While a snooze, a
silence, a maintenance window or quiet hours hold the paging, nobody is paged. When the last of them
ends, paging starts at level 1.

A person may have the next level paged at any time, also while somebody has the incident, and
whatever holds the paging: see `by_hand`.

A level that reaches nobody is gone through without its delay being waited for: the next one is due
with it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import reduce
from typing import Any

from core.domain.incident.decisions import paging, people
from core.domain.incident.evolve import apply
from core.domain.incident.model import Incident, Wanted
from core.domain.incident.status import Status
from core.domain.incident.timeline import (
    Escalated,
    EscalatedByHand,
    NobodyToPage,
    PagingWanted,
    StepTaken,
    TimelineEvent,
)


def due(incident: Incident) -> datetime | None:
    """When an open incident pages its next level, or checks again whether it may."""
    if incident.status is not Status.OPEN or incident.snoozed_until:
        return None
    return incident.escalation.held_until or _next_paging(incident)


def step_by(incident: Incident, now: datetime) -> int:
    """The number of levels that are gone through by `now`, as far as is known whom they reach.
    After a hold the paging starts at level 1."""
    step = incident.escalation.step
    if incident.status is not Status.OPEN or incident.snoozed_until:
        return step
    if incident.escalation.held_until:
        return 1
    while (moment := _step_due(incident, step)) and moment <= now:
        step += 1
    return step


def round_of(incident: Incident, step: int) -> int:
    """How often all levels were gone through before the level that a step pages."""
    return max(step - 1, 0) // max(len(incident.policy.levels), 1)


def levels_due(incident: Incident, now: datetime) -> list[int]:
    """The numbers of the levels that are paged once it is known who is on call."""
    step, count = incident.escalation.step, len(incident.policy.levels)
    if incident.escalation.held_until:
        step = 0
    return [number % count + 1 for number in range(step, step_by(incident, now))]


def gone_through(incident: Incident) -> range:
    """The numbers of the levels that have been gone through since the paging began."""
    return range(1, min(incident.escalation.step, len(incident.policy.levels)) + 1)


def page_due(incident: Incident, now: datetime) -> list[TimelineEvent]:
    """Page the levels that have become due, each once, or the level reached, if that is due. A
    level that only became due because the one before it turned out to reach nobody waits until it
    is known whom it reaches itself."""
    levels = len(incident.policy.levels)
    first = step = incident.escalation.step
    while (moment := _step_due(incident, step)) and moment <= now:
        if _skipped(incident, step) and not people.is_known(incident, step % levels + 1):
            break
        step += 1
    if step > first:
        numbers = range(max(first, step - levels), step)
    elif (again := _repage_due(incident)) and again <= now:
        reached = _reached(incident, step)
        numbers = range(reached, reached + 1)
    else:
        return []
    events: list[TimelineEvent] = [StepTaken(at=now, step=step)]
    since = incident.escalation.since
    for number in numbers:
        level = number % levels + 1
        if since and (number or step == first):
            waited = round((now - since).total_seconds(), 1)
            repeat = paging.next_repeat(incident, level)
            skipped = tuple(n + 1 for n in _skipped(incident, number))
            events.append(
                Escalated(at=now, level=level, waited=waited, repeat=repeat, skipped=skipped)
            )
        after = reduce(apply, events, incident)
        events += page_level(after, level, now)
    return events


def page_level(incident: Incident, level: int, now: datetime) -> list[TimelineEvent]:
    """Page the targets of a level and the people who are known, and say once for each level if it
    does not reach all whom it names."""
    repeat = paging.next_repeat(incident, level)
    events = [*_unreached(incident, level, now), *paging.page_targets(incident, level, repeat, now)]
    return events + people.page(reduce(apply, events, incident), level, repeat, now)


def by_hand(incident: Incident, asked: dict[str, Any], now: datetime) -> list[TimelineEvent]:
    """Page the next level because a person asks for it, and go on from there; `asked` is what its
    entry says about the command. Its targets are paged immediately, its people as soon as it is
    known who is on call. Nothing if no level names anybody."""
    level = next_level(incident)
    if level is None:
        return []
    levels, step = incident.policy.levels, incident.escalation.step
    reached, actor = _level_reached(incident), asked["actor"]
    held = paging.hold(incident, now)
    events: list[TimelineEvent] = [
        EscalatedByHand(
            **asked,
            level=level,
            targets=levels[level - 1].names,
            repeat=paging.next_repeat(incident, level),
            held=held.reason if held else None,
            held_until=held.until if held else None,
        ),
        StepTaken(at=now, step=step + max(level - reached, 0)),
    ]
    for number in range(min(reached + 1, level), level):
        events += _unreached(incident, number, now)
    return events + _page_by_hand(incident, level, actor, now)


def on_wanted(incident: Incident, wanted: Wanted, now: datetime) -> list[TimelineEvent]:
    """Page the people of a level that was wanted, now that they are known. One that a person asked
    for and that reaches nobody is followed by the next."""
    level, actor = wanted.level, wanted.asked_by
    if not people.is_known(incident, level):
        return [PagingWanted(at=now, wanted=wanted)]
    events = _unreached(incident, level, now)
    if wanted.targets:
        events += paging.page_targets(incident, level, wanted.repeat, now)
    events += people.page(incident, level, wanted.repeat, now, asked_by=actor)
    if actor and not people.reaches(incident, level) and level < len(incident.policy.levels):
        step = incident.escalation.step + max(level + 1 - _level_reached(incident), 0)
        events += [
            StepTaken(at=now, step=step),
            *_page_by_hand(incident, level + 1, actor, now),
        ]
    return events


def next_level(incident: Incident) -> int | None:
    """The level that a person who escalates has paged: the next that names anybody, else the last
    that does; None if none does."""
    naming = [
        number
        for number, level in enumerate(incident.policy.levels, start=1)
        if level.targets or level.recipients
    ]
    later = [level for level in naming if level > _level_reached(incident)]
    return next(iter(later or naming[-1:]), None)


def _page_by_hand(incident: Incident, level: int, actor: str, now: datetime) -> list[TimelineEvent]:
    rule, repeat = paging.level_of(incident, level), paging.next_repeat(incident, level)
    events = paging.page_targets(incident, level, repeat, now, asked_by=actor)
    if not rule.recipients:
        events = _unreached(incident, level, now) + events
    else:
        wanted = Wanted(level=level, repeat=repeat, at=now, asked_by=actor)
        events.append(PagingWanted(at=now, wanted=wanted))
    return events + paging.hasten(incident, level, now, actor)


def _unreached(incident: Incident, level: int, now: datetime) -> list[TimelineEvent]:
    """That a level does not reach all whom it names, unless the timeline says so already."""
    reason = "; ".join(people.missing(incident, level))
    reaches = people.reaches(incident, level)
    if (reaches and not reason) or level in incident.unreachable_levels:
        return []
    return [NobodyToPage(at=now, level=level, reason=reason, partial=reaches)]


def _level_reached(incident: Incident) -> int:
    """The level that was gone through last in the present round; 0 before the first."""
    step = incident.escalation.step
    return (step - 1) % len(incident.policy.levels) + 1 if step else 0


def _next_paging(incident: Incident) -> datetime | None:
    step = _step_due(incident, incident.escalation.step)
    again = _repage_due(incident)
    return min((moment for moment in (step, again) if moment), default=None)


def _step_due(incident: Incident, step: int) -> datetime | None:
    """When a step is due; None when there are no more."""
    policy, since = incident.policy, incident.escalation.since
    if since is None or not policy.levels:
        return None
    round, level = divmod(step, len(policy.levels))
    if round > policy.repeats:
        return None
    length = policy.levels[-1].after + policy.repeat_after
    first = level - len(_skipped(incident, step))
    return since + timedelta(seconds=round * length + policy.levels[first].after)


def _skipped(incident: Incident, step: int) -> range:
    """The positions of the levels just before a step's, in its round, that reach nobody."""
    levels = incident.policy.levels
    end = start = step % len(levels)
    while start and not people.reaches(incident, start):
        start -= 1
    return range(start, end)


def _reached(incident: Incident, step: int) -> int:
    """The last step that was gone through and reaches somebody, in its round; else the first."""
    last = step - 1
    reaches = people.reaches(incident, last % len(incident.policy.levels) + 1)
    return last if reaches else max(last - len(_skipped(incident, last)) - 1, 0)


def _repage_due(incident: Incident) -> datetime | None:
    """When the level reached is paged again; None if it is not, or if it reaches nobody."""
    policy, paged_at, step = incident.policy, incident.escalation.paged_at, incident.escalation.step
    if paged_at is None or not step or policy.repage_every is None:
        return None
    if not people.reaches(incident, _reached(incident, step) % len(policy.levels) + 1):
        return None
    return paged_at + timedelta(seconds=policy.repage_every)
