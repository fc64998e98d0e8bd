"""Escalation: which level is due while nobody acknowledges, and when paging has to wait.

    since      the (re)opening, or the end of what held the paging
    step       the number of levels gone through since then, over all rounds
    due        since + round x (the last level's delay + repeat_after) + the level's delay
               or, before that, the last paging + repage_every

While a snooze, a silence, a maintenance window or quiet hours hold the paging, nobody is paged.
When the last of them ends, paging starts at level 1.

A person may have the next level paged at any time, also while somebody has the incident, and
whatever holds the paging: see `by_hand`.

A level that reaches nobody is gone through without its delay being waited for: the next one is due
with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from core.domain.incident.decisions import paging
from core.domain.incident.evolve import apply
from core.domain.incident.model import Incident, Status
from core.domain.incident.timeline import (
    Escalated,
    EscalatedByHand,
    PagingHeld,
    PagingResumed,
    StepTaken,
    TimelineEvent,
)


def due(incident: Incident) -> datetime | None:
    """When an open incident pages next, or checks again whether it may."""
    if incident.status is not Status.OPEN or incident.snoozed_until:
        return None
    return incident.escalation.held_until or _next_paging(incident)


def escalate(incident: Incident, now: datetime) -> list[TimelineEvent]:
    """Page what is due, or say why nobody is paged."""
    held = paging.hold(incident, now)
    if held:
        holding = PagingHeld(at=now, reason=held.reason, until=held.until)
        return [holding, *paging.cancel_waiting(incident, now)]
    events: list[TimelineEvent] = []
    if incident.escalation.held_until:
        events.append(PagingResumed(at=now))
        incident = apply(incident, events[0])
    for event in _page(incident, now):
        events.append(event)
        incident = apply(incident, event)
    return events


def by_hand(incident: Incident, asked: dict[str, Any], now: datetime) -> list[TimelineEvent]:
    """Page the next level because a person asks for it, and go on from there; `asked` is what its
    entry says about the command. Nothing if no level reaches anybody."""
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
            targets=tuple(target.name for target in levels[level - 1].targets),
            repeat=paging.next_repeat(incident, level),
            held=held.reason if held else None,
            held_until=held.until if held else None,
        ),
        StepTaken(at=now, step=step + max(level - reached, 0)),
    ]
    for number in range(min(reached + 1, level), level + 1):
        events += paging.page_level(incident, number, now, asked_by=actor)
    return events + paging.hasten(incident, level, now, actor)


def next_level(incident: Incident) -> int | None:
    """The level that a person who escalates has paged: the next that reaches somebody, else the
    last that does; None if none does."""
    reaching = [n for n, level in enumerate(incident.policy.levels, start=1) if level.targets]
    later = [level for level in reaching if level > _level_reached(incident)]
    return next(iter(later or reaching[-1:]), None)


def _level_reached(incident: Incident) -> int:
    """The level that was gone through last in the present round; 0 before the first."""
    step = incident.escalation.step
    return (step - 1) % len(incident.policy.levels) + 1 if step else 0


def _page(incident: Incident, now: datetime) -> Iterable[TimelineEvent]:
    """Page the levels that have become due, each once, or the level reached, if that is due."""
    levels = len(paging.levels_of(incident))
    first = step = incident.escalation.step
    while (moment := _step_due(incident, step)) and moment <= now:
        step += 1
    if step > first:
        numbers = range(max(first, step - levels), step)
    elif (again := _repage_due(incident)) and again <= now:
        reached = _reached(incident, step)
        numbers = range(reached, reached + 1)
    else:
        return
    yield StepTaken(at=now, step=step)
    since = incident.escalation.since
    for number in numbers:
        level = number % levels + 1
        if since and (number or step == first):
            waited = round((now - since).total_seconds(), 1)
            repeat = paging.next_repeat(incident, level)
            skipped = tuple(n + 1 for n in _skipped(incident, number))
            yield Escalated(at=now, level=level, waited=waited, repeat=repeat, skipped=skipped)
        yield from paging.page_level(incident, level, now)


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
    while start and not levels[start - 1].targets:
        start -= 1
    return range(start, end)


def _reached(incident: Incident, step: int) -> int:
    """The last step that was gone through and reaches somebody, in its round; else the first."""
    last = step - 1
    reaches = bool(incident.policy.levels[last % len(incident.policy.levels)].targets)
    return last if reaches else max(last - len(_skipped(incident, last)) - 1, 0)


def _repage_due(incident: Incident) -> datetime | None:
    """When the level reached is paged again; None if it is not, or if it reaches nobody."""
    policy, paged_at, step = incident.policy, incident.escalation.paged_at, incident.escalation.step
    if paged_at is None or not step or policy.repage_every is None:
        return None
    if not policy.levels[_reached(incident, step) % len(policy.levels)].targets:
        return None
    return paged_at + timedelta(seconds=policy.repage_every)
