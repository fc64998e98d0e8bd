"""Who is on call, for whoever asks: the schedules of the on-call file with the overrides that were
added at run time and the calendars.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from core import bootstrap
from core.config.settings import Settings
from core.domain.oncall import rota
from core.domain.oncall.answer import Answer, Question, Recipient, RecipientKind, TeamMode
from core.domain.oncall.answering import answer
from core.domain.oncall.calendars import Calendars
from core.domain.oncall.file import OnCallFile
from core.domain.oncall.overrides import Override, applicable
from core.domain.oncall.rota import Shift
from core.domain.oncall.schedules import Schedule
from core.domain.oncall.state import OnCallState


@dataclass(frozen=True, slots=True, kw_only=True)
class Rota:
    """The schedules of a file, and what else decides who is on call."""

    file: OnCallFile
    state: OnCallState = field(default_factory=OnCallState)
    calendars: Calendars

    def answer(self, question: Question, now: datetime) -> Answer:
        """Who is paged for an incident at a moment; of teams in turns, everybody, and a remark says
        that only one of them is: an incident's turn is taken when it opens."""
        found = answer(self.file, self.state, self.calendars, question, now)
        remarks = tuple(dict.fromkeys(map(_turn_not_taken, _in_turns(self.file, question))))
        return found.model_copy(update={"remarks": (*remarks, *found.remarks)})

    def schedule(self, name: str) -> Schedule:
        return self.file.schedules[name]

    def overrides(self, name: str) -> tuple[Override, ...]:
        """The overrides of a schedule that apply."""
        return applicable(self.state.overrides, name, self.file.people)

    def overrides_of_nobody(self, name: str) -> tuple[Override, ...]:
        """Those of whose people nobody is in the file."""
        apply = {each.id for each in self.overrides(name)}
        added = self.state.overrides
        return tuple(each for each in added if each.schedule == name and each.id not in apply)

    def at(self, name: str, moment: datetime) -> Shift | None:
        """The shift of a moment; None if nobody is on call."""
        return rota.shift_at(self.schedule(name), moment, self.overrides(name), self.calendars)

    def upcoming(self, name: str, moment: datetime) -> Iterator[Shift]:
        """The shifts that begin after a moment."""
        return rota.upcoming(self.schedule(name), moment, self.overrides(name), self.calendars)

    def shifts(self, name: str, start: datetime, end: datetime) -> Sequence[Shift]:
        """The shifts that overlap a period, whole ones."""
        overrides = self.overrides(name)
        return rota.shifts(self.schedule(name), start, end, overrides, self.calendars)


def _in_turns(file: OnCallFile, question: Question) -> Iterator[Recipient]:
    """The teams of several people of whom an incident pages one."""
    for each in question.recipients:
        if each.kind is RecipientKind.TEAM and each.mode is TeamMode.ROUND_ROBIN:
            team = file.teams.get(each.name)
            if team and len(team.members) > 1:
                yield each


def _turn_not_taken(team: Recipient) -> str:
    return f"only one member of {team} is paged: whose turn it is when an incident opens"


async def read_rota(
    settings: Settings, file: OnCallFile, schedules: Collection[str], *, added: bool
) -> Rota:
    """The rota of these schedules of a file, or of all, with their calendars, and with what was
    `added` at run time.

    Raises `SettingsError` or `TemporalUnavailable`: without the overrides it may name the wrong
    person."""
    state, calendars = await asyncio.gather(
        read_added(settings) if added else _nothing(), read_calendars(settings, file, schedules)
    )
    return Rota(file=file, state=state, calendars=calendars)


async def read_added(settings: Settings) -> OnCallState:
    """What was added at run time. Raises `SettingsError` or `TemporalUnavailable`."""
    from core.adapters.temporal.on_call import read_state

    return await read_state(await bootstrap.connect(settings))


async def _nothing() -> OnCallState:
    return OnCallState()


async def read_calendars(
    settings: Settings, file: OnCallFile, schedules: Collection[str] = ()
) -> Calendars:
    """The calendars of these schedules of a file, or of all; what cannot be read is in its
    remarks."""
    return await bootstrap.calendars(settings).read(file, schedules or None)
