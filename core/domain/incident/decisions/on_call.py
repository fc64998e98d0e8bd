"""Who is on call: asked at the moment of paging, and then everything is paged that is due.

    a timer or an alert wants to page  ->  OnCallAsked    one question is in flight at a time
    the answer comes                   ->  OnCallFound    what is due is paged, or held by silences
    no answer comes                    ->  OnCallUnknown  targets are paged, people as soon as they
                                                          are known: it is asked again

It is asked again, too, when somebody else comes on call, and when a contact method was removed:
those who are new are paged, and those in whose place they are hear of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import reduce
from typing import Final

from core.domain.incident.decisions import escalation, paging, people
from core.domain.incident.evolve import apply
from core.domain.incident.inputs import OnCallAnswered
from core.domain.incident.model import Incident
from core.domain.incident.status import Status
from core.domain.incident.timeline import (
    AssigneeNotified,
    Noted,
    OnCallAsked,
    OnCallFound,
    OnCallMayDiffer,
    OnCallUnknown,
    PagingHeld,
    PagingResumed,
    TimelineEvent,
)
from core.domain.names import is_name
from core.domain.oncall.answer import OnCall, Question, Recipient, RecipientKind

PATIENCE: Final = timedelta(minutes=1)
"""How long an answer is waited for before what is known has to do."""
RETRY: Final = timedelta(seconds=30)
"""After how long a question is asked again that has no answer, or one that is over already."""


def due(incident: Incident) -> datetime | None:
    """When it is next needed who is on call, or when an answer is waited for no longer."""
    inquiry = incident.inquiry
    return inquiry.asked_at + PATIENCE if inquiry.asked_at else _needed(incident)


def ask(incident: Incident, now: datetime) -> list[TimelineEvent]:
    """Ask who is on call, or say why nobody is paged. An answer that does not come holds nothing
    up."""
    if incident.inquiry.asked_at:
        return _unanswered(incident, "no answer has come", now)
    events: list[TimelineEvent] = []
    if _is_due(incident, now) and (held := paging.certain_hold(incident, now)):
        events += [
            PagingHeld(at=now, reason=held.reason, until=held.until),
            *paging.cancel_waiting(incident, now),
        ]
        incident = reduce(apply, events, incident)
    needed = _needed(incident)
    return [*events, _asked(incident, now)] if needed and needed <= now else events


def answered(incident: Incident, input: OnCallAnswered, now: datetime) -> list[TimelineEvent]:
    """What an answer does: everything that is due is paged. One that is not waited for any more
    does nothing."""
    inquiry = incident.inquiry
    if inquiry.asked_at is None or input.number != inquiry.number:
        return []
    if input.answer is None:
        return _unanswered(incident, input.failure or "there is no answer", now)
    story = _Story(incident)
    story.add(OnCallFound(at=now, answer=input.answer))
    story.add(*_remarks(incident, input, now))
    if inquiry.assignment and (whom := _assignee(story.incident, inquiry.assignment.assignee)):
        first = min(step.after for step in whom.steps)
        story.add(
            AssigneeNotified(
                at=now,
                assignee=inquiry.assignment.assignee,
                by=inquiry.assignment.by,
                note=inquiry.assignment.note,
                targets=tuple(step.target for step in whom.steps if step.after == first),
            )
        )
    held = paging.hold(story.incident, now)
    for wanted in inquiry.wanted:
        if wanted.asked_by or not held:
            story.add(*escalation.on_wanted(story.incident, wanted, now))
        else:
            why = f"Nobody is paged for the higher severity: {held.reason}"
            story.add(Noted(at=now, text=why))
    _page(story, now)
    return story.events


def changed(incident: Incident, now: datetime) -> list[TimelineEvent]:
    """Ask again, if anybody is paged or kept from it by something that may have been ended."""
    if incident.status is not Status.OPEN or incident.snoozed_until:
        return []
    if incident.escalation.held_until and paging.certain_hold(incident, now):
        return []
    return [OnCallMayDiffer(at=now)]


def next_page(incident: Incident) -> datetime | None:
    """When more people are paged while nobody acknowledges, as far as is known what holds the
    paging until then; None while it is being asked whom, or where that is nobody."""
    if incident.inquiry.asked_at:
        return None
    moment = escalation.due(incident)
    if _is_paging(incident):
        moment = min(filter(None, (moment, people.due(incident, held=False))), default=None)
    if moment and (held := paging.hold(incident, moment)):
        moment = held.until
    return min(filter(None, (moment, people.due(incident, held=True))), default=None)


class _Story:
    """Events, and the incident after them."""

    def __init__(self, incident: Incident) -> None:
        self.incident = incident
        self.events: list[TimelineEvent] = []

    def add(self, *events: TimelineEvent) -> None:
        self.events += events
        self.incident = reduce(apply, events, self.incident)


def _needed(incident: Incident) -> datetime | None:
    """When it is next needed who is on call."""
    inquiry = incident.inquiry
    moments = [_by_time(incident)]
    if incident.status in (Status.OPEN, Status.ACKNOWLEDGED):
        moments += [wanted.at for wanted in inquiry.wanted]
        moments.append(people.due(incident, held=True))
    if inquiry.assignment:
        moments.append(inquiry.assignment.at)
    return min(filter(None, moments), default=None)


def _by_time(incident: Incident) -> datetime | None:
    """The same for whatever a hold of the paging holds."""
    if incident.status is not Status.OPEN or incident.snoozed_until:
        return None
    moments = [_level_due(incident), incident.inquiry.ask_at]
    if not incident.escalation.held_until:
        moments.append(people.due(incident, held=False))
        moments.append(_until(incident))
    return min(filter(None, moments), default=None)


def _level_due(incident: Incident) -> datetime | None:
    """When a level is due; one that was due and could not be paged without an answer waits until it
    is asked again."""
    moment, inquiry = escalation.due(incident), incident.inquiry
    if moment and inquiry.unanswered and inquiry.ask_at and inquiry.answered_at:
        return moment if moment > inquiry.answered_at else None
    return moment


def _until(incident: Incident) -> datetime | None:
    """When somebody else may come on call for the levels that were gone through. An answer that no
    longer held when it came is asked for again soon: it took its time, or came from a clock that is
    behind."""
    until, answered_at = incident.inquiry.answer.until, incident.inquiry.answered_at
    if not until or not answered_at or not _names_people(incident):
        return None
    return until if until > answered_at else answered_at + RETRY


def _is_paging(incident: Incident) -> bool:
    is_held = incident.escalation.held_until or incident.snoozed_until
    return incident.status is Status.OPEN and not is_held


def _names_people(incident: Incident) -> bool:
    """Whether any level that was gone through depends on who is on call."""
    levels = escalation.gone_through(incident)
    return any(paging.level_of(incident, level).recipients for level in levels)


def _asked(incident: Incident, now: datetime) -> OnCallAsked:
    """The question about the levels that are due, and all before them."""
    inquiry = incident.inquiry
    step = escalation.step_by(incident, now)
    levels = incident.policy.levels[: max([step, *(each.level for each in inquiry.wanted)])]
    recipients = [recipient for level in levels for recipient in level.recipients]
    if inquiry.assignment and (whom := _person(inquiry.assignment.assignee)):
        recipients.append(whom)
    number = inquiry.number + 1
    return OnCallAsked(
        at=now,
        number=number,
        levels=len(levels),
        question=Question(
            incident_id=incident.id,
            workflow_id=incident.key or incident.id,
            severity=incident.severity,
            source=incident.source,
            service=incident.service,
            labels=incident.labels,
            recipients=tuple(dict.fromkeys(recipients)),
            turn=escalation.round_of(incident, step),
        ),
    )


def _unanswered(incident: Incident, reason: str, now: datetime) -> list[TimelineEvent]:
    """Page what is due as far as is known whom, and the rest when that is known."""
    inquiry = incident.inquiry
    story = _Story(incident)
    story.add(
        OnCallUnknown(at=now, reason=reason, retry_at=now + RETRY, visible=not inquiry.unanswered)
    )
    if not paging.hold(story.incident, now):
        for wanted in inquiry.wanted:
            if wanted.targets:
                pages = paging.page_targets(story.incident, wanted.level, wanted.repeat, now)
                story.add(*pages)
    _page(story, now)
    return story.events


def _page(story: _Story, now: datetime) -> None:
    """Page what is due by now, or say why nobody is paged. Whoever is on call for a level that was
    gone through is due, if they have not been paged for it: they have come on call since, or were
    not known then."""
    incident = story.incident
    if incident.status is Status.OPEN and not incident.snoozed_until:
        held, before = paging.hold(incident, now), incident.escalation.held_until
        if not held:
            if before:
                story.add(PagingResumed(at=now))
            story.add(*_hand_over(story.incident, now))
            story.add(*escalation.page_due(story.incident, now))
        elif before != held.until and (
            before or _is_due(incident, now) or _hand_over(incident, now)
        ):
            story.add(PagingHeld(at=now, reason=held.reason, until=held.until))
            story.add(*paging.cancel_waiting(incident, now))
    story.add(*people.steps_due(story.incident, now))


def _hand_over(incident: Incident, now: datetime) -> list[TimelineEvent]:
    return people.hand_over(incident, escalation.gone_through(incident), now)


def _is_due(incident: Incident, now: datetime) -> bool:
    """Whether an open incident would page by now, or checks again whether it may."""
    moment = escalation.due(incident)
    if _is_paging(incident) and (step := people.due(incident, held=False)):
        moment = min(moment or step, step)
    return moment is not None and moment <= now


def _remarks(incident: Incident, input: OnCallAnswered, now: datetime) -> Iterator[TimelineEvent]:
    """What the answer remarks that the last one did not, where anybody depends on it."""
    levels = incident.policy.levels[: incident.inquiry.asked_levels]
    if not input.answer or not any(level.recipients for level in levels):
        return
    for remark in input.answer.remarks:
        if remark not in incident.inquiry.answer.remarks:
            yield Noted(at=now, text=remark)


def _assignee(incident: Incident, assignee: str) -> OnCall | None:
    """The person of that ID, if they can be reached."""
    whom = _person(assignee)
    found = incident.inquiry.answer.people
    return next((each for each in found if each.recipient == whom and each.steps), None)


def _person(name: str) -> Recipient | None:
    id = name.strip().lower()
    return Recipient(kind=RecipientKind.PERSON, name=id) if is_name(id) else None
