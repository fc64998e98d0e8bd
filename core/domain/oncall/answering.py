"""Who is to be paged for an incident at a moment: the answer to its question.

A page must not be lost because a name is wrong: what cannot be resolved becomes a remark, and the
other recipients are paged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from core.domain.oncall.answer import (
    Answer,
    OnCall,
    Question,
    Recipient,
    RecipientKind,
    TeamMode,
)
from core.domain.oncall.calendars import Calendars
from core.domain.oncall.file import OnCallFile
from core.domain.oncall.overrides import applicable
from core.domain.oncall.rota import shift_at, upcoming
from core.domain.oncall.silencing import silences_for
from core.domain.oncall.state import OnCallState

Found = OnCall | datetime | str
"""Somebody to page, when that may change where nobody is on call, or a remark."""


def answer(
    file: OnCallFile,
    state: OnCallState,
    calendars: Calendars,
    question: Question,
    now: datetime,
    *,
    turns: Mapping[str, int] | None = None,
) -> Answer:
    """The answer to a question at a moment. `turns` are those that the incident has of teams that
    are paged in turns; of a team without one, all are paged."""
    found = [
        each
        for recipient in question.recipients
        for each in _found(file, state, calendars, question, recipient, now, turns or {})
    ]
    people = tuple(each for each in found if isinstance(each, OnCall))
    moments = [each.until for each in people if each.until]
    moments += [each for each in found if isinstance(each, datetime)]
    return Answer(
        people=people,
        silences=silences_for(state.at(now).silences, question),
        until=min(moments, default=None),
        remarks=tuple(dict.fromkeys(each for each in found if isinstance(each, str))),
    )


def _found(
    file: OnCallFile,
    state: OnCallState,
    calendars: Calendars,
    question: Question,
    recipient: Recipient,
    now: datetime,
    turns: Mapping[str, int],
) -> Iterator[Found]:
    match recipient.kind:
        case RecipientKind.SCHEDULE:
            yield from _scheduled(file, state, calendars, question, recipient, now)
        case RecipientKind.PERSON:
            yield from _person(file, question, recipient, now, recipient.name, str(recipient))
        case RecipientKind.TEAM:
            yield from _team(file, question, recipient, now, turns)


def _scheduled(
    file: OnCallFile,
    state: OnCallState,
    calendars: Calendars,
    question: Question,
    recipient: Recipient,
    now: datetime,
) -> Iterator[Found]:
    schedule = file.schedules.get(recipient.name)
    if schedule is None:
        yield f"there is no {recipient} in the on-call file"
        return
    yield from calendars.remarks.get(recipient.name, ())
    for override in state.overrides:
        if override.schedule == recipient.name and override.start <= now < override.end:
            for person in override.people:
                if person not in file.people:
                    yield f"override {override.id} names {person}, who is not in the on-call file"
    own = applicable(state.overrides, recipient.name, file.people)
    shift = shift_at(schedule, now, own, calendars)
    if shift is None:
        following = next(upcoming(schedule, now, own, calendars), None)
        if following is None:
            yield f"nobody is on call for {recipient}"
        else:
            local = following.start.astimezone(ZoneInfo(schedule.time_zone))
            yield f"nobody is on call for {recipient} until {local:%Y-%m-%d %H:%M %Z}"
            yield following.start
        return
    for person in shift.people:
        reason = f"{shift.reason} of {recipient}"
        yield from _person(file, question, recipient, now, person, reason, until=shift.end)


def _team(
    file: OnCallFile,
    question: Question,
    recipient: Recipient,
    now: datetime,
    turns: Mapping[str, int],
) -> Iterator[Found]:
    team = file.teams.get(recipient.name)
    if team is None:
        yield f"there is no {recipient} in the on-call file"
        return
    members, reason = team.members, f"member of {recipient}"
    if recipient.mode is TeamMode.ROUND_ROBIN and recipient.name in turns:
        turn = turns[recipient.name] + question.turn
        members, reason = [members[turn % len(members)]], f"next of {recipient}"
    for person in members:
        yield from _person(file, question, recipient, now, person, reason)


def _person(
    file: OnCallFile,
    question: Question,
    recipient: Recipient,
    now: datetime,
    id: str,
    reason: str,
    *,
    until: datetime | None = None,
) -> Iterator[Found]:
    person = file.people.get(id)
    if person is None:
        yield f"there is no person {id} in the on-call file"
        return
    steps = person.steps(id, question.severity)
    if not steps:
        yield f"{person.name} has no contact method"
    yield OnCall(
        person=id,
        name=person.name,
        recipient=recipient,
        reason=reason,
        until=until,
        quiet_until=person.quiet_until(now, question.severity),
        steps=steps,
    )
