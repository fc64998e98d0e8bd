"""Who is on call, for whoever asks: the schedules of the on-call file with the overrides that were
added at run time and the calendars.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from heapq import merge
from typing import TYPE_CHECKING, Final

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
from core.errors import UnknownName
from core.ports.calendars import CalendarReader

if TYPE_CHECKING:
    from temporalio.client import Client


@dataclass(frozen=True, slots=True, kw_only=True)
class OnCallNow:
    """A schedule at a moment, and the first shift after it."""

    schedule: str
    zone: str
    shift: Shift | None
    next: Shift | None


@dataclass(frozen=True, slots=True)
class Gap:
    """A time without anybody on call."""

    start: datetime
    end: datetime


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

    def now(self, names: Iterable[str], moment: datetime) -> list[OnCallNow]:
        """Who is on call for each of these schedules at a moment, and who comes next."""
        return [
            OnCallNow(
                schedule=name,
                zone=self.schedule(name).time_zone,
                shift=self.at(name, moment),
                next=next(self.upcoming(name, moment), None),
            )
            for name in names
        ]

    def upcoming_of(
        self, names: Iterable[str], person: str | None, moment: datetime
    ) -> Iterator[tuple[str, Shift]]:
        """The shifts to come of several schedules, or those of them that are a person's, in order
        of time."""

        def of(name: str) -> Iterator[tuple[str, Shift]]:
            for shift in self.upcoming(name, moment):
                if person is None or person in shift.people:
                    yield name, shift

        return merge(*map(of, names), key=lambda each: (each[1].start, each[0]))


def with_gaps(shifts: Sequence[Shift], start: datetime, end: datetime) -> Iterator[Shift | Gap]:
    """The shifts that overlap a period, and the times between them."""
    since = start
    for shift in shifts:
        if since < shift.start:
            yield Gap(since, shift.start)
        yield shift
        since = shift.end
    if since < end:
        yield Gap(since, end)


def known(kind: str, name: str, names: Collection[str]) -> str:
    """The name, if it is one of those. Raises `UnknownName`, which names some that there are."""
    if name in names:
        return name
    there = f"there are {', '.join(sorted(names)[:_NAMED])}" if names else "there are none"
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    raise UnknownName(f"there is no {kind} {name!r}; {there}{more}")


_NAMED: Final = 10


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


class Rotas:
    """The rotas of one process: it reads the on-call file once, as workers do, and keeps its
    calendars. `connect` gives the client of Temporal."""

    def __init__(self, settings: Settings, connect: Callable[[], Awaitable[Client]]) -> None:
        self._settings = settings
        self._connect = connect
        self._calendars: CalendarReader | None = None
        self._file: OnCallFile | None = None
        self._reading = asyncio.Lock()

    async def file(self) -> OnCallFile:
        """The on-call file: the package's, or the one that the settings name. Raises
        `SettingsError` where there is neither, or `ConfigFileError`."""
        async with self._reading:
            if self._file is None:
                self._file = await asyncio.to_thread(bootstrap.required_oncall, self._settings)
            return self._file

    async def added(self) -> OnCallState:
        """What was added at run time and has not ended. Raises `SettingsError` or
        `TemporalUnavailable`."""
        from core.adapters.temporal.on_call import read_state

        return (await read_state(await self._connect())).at(datetime.now(UTC))

    async def read(self, schedules: Collection[str] = ()) -> Rota:
        """The rota of these schedules, or of all. Raises `UnknownName` for one that there is not,
        and as `file` and `added`."""
        file = await self.file()
        for name in schedules:
            known("schedule", name, file.schedules)
        if self._calendars is None:
            self._calendars = bootstrap.calendars(self._settings)
        state, calendars = await asyncio.gather(
            self.added(), self._calendars.read(file, schedules or None)
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
