"""People: who of a level is paged, by which of their contact methods, until somebody acknowledges.

A person's rules run once at a time: while steps of theirs are left, they are not begun anew,
whatever level reaches them, and a contact method with a page in flight is not used again.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import reduce

from core.domain.incident.decisions import paging
from core.domain.incident.evolve import apply, targets_in_flight
from core.domain.incident.model import Incident, PageStatus, PersonPaging
from core.domain.incident.status import Status
from core.domain.incident.timeline import HandedOver, PageStarted, PersonPaged, TimelineEvent
from core.domain.oncall.answer import OnCall


def on_call(incident: Incident, level: int) -> dict[str, OnCall]:
    """Who is on call for a level and can be paged, by their IDs, as far as is known."""
    recipients = paging.level_of(incident, level).recipients
    people: dict[str, OnCall] = {}
    for each in incident.inquiry.answer.people:
        if each.recipient in recipients and each.steps:
            people.setdefault(each.person, each)
    return people


def is_known(incident: Incident, level: int) -> bool:
    """Whether the last answer is about the recipients of a level, if it has any."""
    has_recipients = bool(paging.level_of(incident, level).recipients)
    return not has_recipients or level <= incident.inquiry.levels


def reaches(incident: Incident, level: int) -> bool:
    """Whether a level reaches anybody, as far as is known."""
    if paging.level_of(incident, level).targets or not is_known(incident, level):
        return True
    return bool(on_call(incident, level))


def missing(incident: Incident, level: int) -> Iterator[str]:
    """Why a level does not reach all that it names."""
    rule, people = paging.level_of(incident, level), incident.inquiry.answer.people
    yield from rule.missing
    if not is_known(incident, level):
        return
    for recipient in rule.recipients:
        if not any(each.recipient == recipient and each.steps for each in people):
            yield f"{recipient} reaches nobody"


def page(
    incident: Incident, level: int, repeat: int, now: datetime, *, asked_by: str | None = None
) -> list[TimelineEvent]:
    """Begin the paging of everybody who is on call for a level and is not being paged."""
    events: list[TimelineEvent] = []
    for who in on_call(incident, level).values():
        if _is_running(incident, who):
            continue
        begun = _begin(incident, who, level, repeat, now, asked_by=asked_by)
        incident = reduce(apply, begun, incident)
        events += begun
    return events


def due(incident: Incident, *, held: bool) -> datetime | None:
    """When the next step of anybody is due; while the paging is `held`, of those whom a person had
    paged by hand."""
    moments = [
        paged.due(paged.steps[0])
        for paged in incident.escalation.people.values()
        if paged.steps and (paged.asked_by or not held)
    ]
    return min(moments, default=None)


def steps_due(incident: Incident, now: datetime) -> list[TimelineEvent]:
    """A page for each step that is due: while somebody has the incident or the paging is held, of
    those whom a person had paged by hand."""
    free = incident.status is Status.OPEN and not paging.hold(incident, now)
    events: list[TimelineEvent] = []
    for person, paged in incident.escalation.people.items():
        if free or paged.asked_by:
            events += _steps(incident, person, now)
    return events


def hand_over(incident: Incident, levels: range, now: datetime) -> list[TimelineEvent]:
    """Those who have come on call since these levels were paged are paged, and those in whose place
    they are hear of it. As long as nobody comes for somebody, that person stays; so does whoever
    may be one of those whom the answer leaves out."""
    events: list[TimelineEvent] = []
    for level in levels:
        repeat = max(incident.escalation.repeats.get(level, 0), 1)
        for person, who in on_call(incident, level).items():
            if person in incident.escalation.people:
                continue
            begun = _begin(incident, who, level, repeat, now)
            incident = reduce(apply, begun, incident)
            events += begun
    if incident.inquiry.answer.left_out:
        return events
    present = {each.person for each in incident.inquiry.answer.people}
    for person, paged in incident.escalation.people.items():
        if person in present or paged.asked_by:
            continue
        if successors := _successors(incident, paged):
            events += [
                HandedOver(
                    at=now,
                    on_call=paged.on_call,
                    to=successors,
                    targets=_reached(incident, person),
                ),
                *paging.cancel_person(incident, person, now),
            ]
    return events


def _successors(incident: Incident, paged: PersonPaging) -> tuple[str, ...]:
    """The names of those who are paged in a person's place."""
    return tuple(
        each.name
        for each in incident.inquiry.answer.people
        if each.recipient == paged.on_call.recipient and each.steps
    )


def _reached(incident: Incident, person: str) -> tuple[str, ...]:
    """The targets that took a page to a person."""
    names = [
        page.via or page.target
        for page in incident.pages.values()
        if page.person == person and page.status is PageStatus.DELIVERED
    ]
    return tuple(dict.fromkeys(names))


def _is_running(incident: Incident, who: OnCall) -> bool:
    """Whether a person is being paged: steps are to follow, or each page is in flight."""
    paged = incident.escalation.people.get(who.person)
    if paged and paged.steps and (incident.status is Status.OPEN or paged.asked_by):
        return True
    busy = targets_in_flight(incident, who.person)
    return all(step.target in busy for step in who.steps)


def _begin(
    incident: Incident,
    who: OnCall,
    level: int,
    repeat: int,
    now: datetime,
    *,
    asked_by: str | None = None,
) -> list[TimelineEvent]:
    """The beginning of a person's paging, with the steps that are due."""
    number = _unused(incident, level, repeat, who.person)
    begun = PersonPaged(at=now, level=level, repeat=number, on_call=who, asked_by=asked_by)
    return [begun, *_steps(apply(incident, begun), who.person, now)]


def _steps(incident: Incident, person: str, now: datetime) -> list[TimelineEvent]:
    """A page for each step of a person's that is due."""
    paged = incident.escalation.people[person]
    begun = [step.target for step in paged.taken]
    events: list[TimelineEvent] = []
    for step in paged.steps:
        if paged.due(step) > now:
            break
        begun.append(step.target)
        again = begun.count(step.target)
        key = f"{_key(incident, paged.level, paged.repeat)}/{step.target}"
        events.append(
            PageStarted(
                at=now,
                key=key if again == 1 else f"{key}/{again}",
                level=paged.level,
                target=step.target,
                repeat=paged.repeat,
                asked_by=paged.asked_by,
                person=person,
                after=step.after,
            )
        )
    return events


def _unused(incident: Incident, level: int, repeat: int, person: str) -> int:
    """The number of a paging under which that person has no page yet: keys are used once."""
    used = {
        page.repeat
        for page in incident.pages.values()
        if page.level == level and page.person == person
    }
    while repeat in used:
        repeat += 1
    return repeat


def _key(incident: Incident, level: int, repeat: int) -> str:
    return f"{incident.id}/level-{level}/repeat-{repeat}"
