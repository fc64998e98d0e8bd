"""Hand-overs: when other people are on call for a schedule than before, and what they are told."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime

from core.domain.oncall.calendars import Calendars
from core.domain.oncall.file import OnCallFile
from core.domain.oncall.overrides import applicable
from core.domain.oncall.people import Person
from core.domain.oncall.rota import Shift, shifts
from core.domain.oncall.state import OnCallState
from core.domain.severity import Severity
from core.domain.text import counted
from core.domain.value import Value

AHEAD: Final = timedelta(days=2)
"""How far ahead hand-overs are looked for. It is looked again every day: the on-call file and its
calendars may have changed."""

SHOWN_INCIDENTS: Final = 20

_INCIDENTS_ONLY: Final = ("pagerduty", "opsgenie")
_DATE: Final = "%a %Y-%m-%d %H:%M"


class Handover(Value):
    """At a moment, some people's shift for a schedule ends or begins. `on_call` are all who are on
    call from then on, until `until`."""

    schedule: str
    at: AwareDatetime
    leaving: tuple[str, ...] = ()
    coming: tuple[str, ...] = ()
    on_call: tuple[str, ...] = ()
    until: AwareDatetime | None = None


class OpenIncident(NamedTuple):
    """An incident that is not resolved, as hand-over messages name it."""

    handle: str
    severity: Severity
    title: str
    service: str | None = None
    acknowledged_by: str | None = None


class Message(NamedTuple):
    """What one person is told of a hand-over. The last paragraph of `body` holds the incidents, one
    in a line."""

    title: str
    body: str


def announces(file: OnCallFile) -> bool:
    """Whether any schedule of a file announces its hand-overs."""
    return any(schedule.announce_handovers for schedule in file.schedules.values())


def next_handovers(
    file: OnCallFile, state: OnCallState, calendars: Calendars, since: datetime, until: datetime
) -> tuple[Handover, ...]:
    """The first hand-overs from `since`, included, to `until`, of schedules that announce theirs:
    one, or several at the same moment."""
    found = [
        handover
        for name, schedule in file.schedules.items()
        if schedule.announce_handovers
        and (handover := next(_handovers(file, name, state, calendars, since, until), None))
    ]
    first = min((each.at for each in found), default=None)
    return tuple(each for each in found if each.at == first)


def _handovers(
    file: OnCallFile,
    name: str,
    state: OnCallState,
    calendars: Calendars,
    since: datetime,
    until: datetime,
) -> Iterator[Handover]:
    own = applicable(state.overrides, name, file.people)
    found = shifts(file.schedules[name], since - timedelta(microseconds=1), until, own, calendars)
    moments = {moment for shift in found for moment in (shift.start, shift.end)}
    for at in sorted(moment for moment in moments if since <= moment < until):
        before = _people(shift for shift in found if shift.start < at <= shift.end)
        now = _people(shift for shift in found if shift.start <= at < shift.end)
        leaving = tuple(each for each in before if each not in now)
        coming = tuple(each for each in now if each not in before)
        if leaving or coming:
            ends = [shift.end for shift in found if shift.start <= at < shift.end]
            yield Handover(
                schedule=name,
                at=at,
                leaving=leaving,
                coming=coming,
                on_call=now,
                until=ends[0] if ends else None,
            )


def _people(found: Iterable[Shift]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(person for shift in found for person in shift.people))


def contacts_of(id: str, person: Person) -> tuple[str, ...]:
    """The targets by which a person hears of hand-overs: those that are used first for an incident
    of severity info. None is PagerDuty or Opsgenie, where a message would page."""
    steps = [
        step
        for step in person.steps(id, Severity.INFO)
        if person.contacts[step.target.rpartition("/")[2]].kind not in _INCIDENTS_ONLY
    ]
    return tuple(dict.fromkeys(step.target for step in steps if step.after == steps[0].after))


def message(
    handover: Handover, id: str, file: OnCallFile, incidents: Collection[OpenIncident]
) -> Message:
    """What a person who leaves, or comes, is told, in the person's own time zone."""
    zone = ZoneInfo(file.people[id].time_zone)
    comes = id in handover.coming
    at = f"{handover.at.astimezone(zone):{_DATE} %Z}"
    title = (
        f"You are on call for {handover.schedule}"
        if comes
        else f"Your shift for {handover.schedule} is over"
    )
    until = f" until {handover.until.astimezone(zone):{_DATE} %Z}" if handover.until else ""
    first = f"From {at}{until}." if comes else f"It ended on {at}."
    others = _names(file, [each for each in handover.on_call if each != id])
    before = _names(file, handover.leaving)
    lines = [first]
    if comes:
        lines += [f"Also on call: {others}."] if others else []
        lines += [f"Before you: {before}."] if before else []
    else:
        lines.append(f"Now on call: {others}{until}." if others else "Nobody is on call now.")
    return Message(title, "\n".join(lines) + "\n\n" + "\n".join(_listed(incidents)))


def _names(file: OnCallFile, ids: Collection[str]) -> str:
    return ", ".join(file.people[id].name if id in file.people else id for id in ids)


def _listed(incidents: Collection[OpenIncident]) -> Iterator[str]:
    if not incidents:
        yield "No incident is open."
        return
    yield f"{counted(len(incidents), 'incident')} not resolved:"
    ordered = sorted(incidents, key=lambda each: each.severity.rank)
    for each in ordered[:SHOWN_INCIDENTS]:
        about = [each.severity.value, *([each.service] if each.service else [])]
        taken = f", acknowledged by {each.acknowledged_by}" if each.acknowledged_by else ""
        yield f"{each.handle} {each.title} ({', '.join(about)}{taken})"
    if (left := len(incidents) - SHOWN_INCIDENTS) > 0:
        yield f"and {left:,} more: `tidegate incident list`"
