"""Who is on call, and what changes that: overrides, silences and maintenance windows. Feeds have
addresses of their own: here they are made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime, time, timedelta
from http import HTTPStatus
from itertools import islice
from typing import Any, Final
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator
from starlette.responses import Response

from core.adapters.temporal import incidents, on_call
from core.app.api.bodies import fields_of, made, read_command
from core.app.api.oncall_models import (
    FeedAddress,
    NextShift,
    NextShifts,
    OnCallChange,
    OnCallNowAnswer,
    Overrides,
    ScheduleShifts,
    Silences,
)
from core.app.api.operations import NOT_READ, Call, Operation, answer
from core.app.api.requests import Count, Day, Days, NoQuery, Query, Words
from core.app.identity.caller import Role
from core.domain.command import Command, Word
from core.domain.matching import Name
from core.domain.oncall.commands import (
    AddOverride,
    AddSilence,
    AnyCommand,
    EndSilence,
    PlannedOverride,
    RemoveOverride,
    Swap,
)
from core.feeds import address, new_feed
from core.operations.oncall_rota import known, with_gaps


class SchedulesQuery(Query):
    """Which schedules."""

    schedule: Words = Field(default=(), description="Only these schedules. Default: all.")


class NextQuery(SchedulesQuery):
    """Which shifts to come."""

    person: Word | None = Field(default=None, description="Only this person's, by ID.")
    count: Count = Field(default=5, description="At most so many.")


class ShiftsQuery(Query):
    """Which days of a schedule."""

    start: Day | None = Field(
        default=None,
        alias="from",
        description="From this day on, in the schedule's time zone. Default: today.",
    )
    days: Days = Field(default=7, description="How many days.")


class NewFeed(Command):
    """Make the address of a feed: the shifts of a schedule, or of a person."""

    name = "new_feed"

    schedule: Name | None = None
    person: Name | None = Field(None, description="By ID.")

    @model_validator(mode="after")
    def _of_one_of_two(self) -> NewFeed:
        if (self.schedule is None) == (self.person is None):
            raise ValueError("name a schedule or a person")
        return self


async def now_on_call(call: Call[SchedulesQuery]) -> Response:
    rota = await call.services.rotas.read(call.query.schedule)
    names = dict.fromkeys(call.query.schedule or rota.file.schedules)
    # In a thread, like all that counts shifts: calendars' events are expanded when asked for.
    rows = await asyncio.to_thread(rota.now, names, datetime.now(UTC))
    return answer(OnCallNowAnswer.of(rows, rota))


async def next_on_call(call: Call[NextQuery]) -> Response:
    query = call.query
    rota = await call.services.rotas.read(query.schedule)
    if query.person:
        known("person", query.person, rota.file.people)

    def found() -> list[NextShift]:
        names = dict.fromkeys(query.schedule or rota.file.schedules)
        upcoming = rota.upcoming_of(names, query.person, datetime.now(UTC))
        return [NextShift.of(name, shift, rota) for name, shift in islice(upcoming, query.count)]

    return answer(NextShifts(shifts=tuple(await asyncio.to_thread(found))))


async def shifts(call: Call[ShiftsQuery]) -> Response:
    name, query = call.named("schedule"), call.query
    rota = await call.services.rotas.read([name])

    def found() -> ScheduleShifts:
        zone = ZoneInfo(rota.schedule(name).time_zone)
        first = query.start or datetime.now(zone).date()
        begin, end = (
            datetime.combine(day, time(0), zone).astimezone(UTC)
            for day in (first, first + timedelta(days=query.days))
        )
        listed = with_gaps(rota.shifts(name, begin, end), begin, end)
        return ScheduleShifts.of(name, begin, end, listed, rota)

    return answer(await asyncio.to_thread(found))


async def overrides(call: Call[SchedulesQuery]) -> Response:
    if call.query.schedule:
        _known("schedule", call.query.schedule, (await call.services.rotas.file()).schedules)
    added = (await call.services.rotas.added()).overrides
    wanted = call.query.schedule
    return answer(
        Overrides(overrides=tuple(e for e in added if not wanted or e.schedule in wanted))
    )


async def add_override(call: Call[NoQuery]) -> Response:
    command = await read_command(call, AddOverride)
    await _check(call, command)
    return await _sent(call, command)


async def swap(call: Call[NoQuery]) -> Response:
    command = await read_command(call, Swap)
    for each in command.overrides:
        await _check(call, each)
    return await _sent(call, command)


async def remove_override(call: Call[NoQuery]) -> Response:
    return await _sent(call, made(call, RemoveOverride, {"id": call.named("override").lower()}))


async def silences(call: Call[NoQuery]) -> Response:
    return answer(Silences(silences=(await call.services.rotas.added()).silences))


async def add_silence(call: Call[NoQuery]) -> Response:
    command = await read_command(call, AddSilence)
    if command.incident is not None:
        key = await incidents.workflow_id(await call.services.client(), command.incident)
        command = command.model_copy(update={"incident": key})
    return await _sent(call, command)


async def end_silence(call: Call[NoQuery]) -> Response:
    return await _sent(call, made(call, EndSilence, {"id": call.named("silence").lower()}))


async def new_address(call: Call[NoQuery]) -> Response:
    command = await read_command(call, NewFeed)
    file = await call.services.rotas.file()
    if command.schedule:
        known("schedule", command.schedule, file.schedules)
    if command.person:
        known("person", command.person, file.people)
    url = call.services.settings.require("app_url")
    feed = new_feed(schedule=command.schedule, person=command.person, now=datetime.now(UTC))
    found = await address(feed, url=url, keys=call.services.link_keys)
    return answer(FeedAddress(url=found, expires_at=feed.ends), HTTPStatus.CREATED)


async def _check(call: Call[Any], planned: PlannedOverride) -> None:
    """Raises `UnknownName`: nobody is on call for a schedule that there is not."""
    file = await call.services.rotas.file()
    _known("schedule", [planned.schedule], file.schedules)
    _known("person", planned.people, file.people)


def _known(kind: str, wanted: Collection[str], names: Collection[str]) -> None:
    for name in wanted:
        known(kind, name, names)


async def _sent(call: Call[Any], command: AnyCommand) -> Response:
    done = await on_call.send(await call.services.client(), command.name, fields_of(command))
    return answer(OnCallChange.of(command.command_id, done))


def _reads(
    id: str,
    path: str,
    summary: str,
    handle: Any,
    kind: Any,
    query: type[Query] = NoQuery,
    *refusals: HTTPStatus,
) -> Operation[Any]:
    return Operation(
        id=id,
        method="GET",
        path=path,
        summary=summary,
        role=Role.VIEWER,
        query=query,
        handle=handle,
        answers={HTTPStatus.OK: kind},
        refusals=refusals,
    )


def _adds(id: str, path: str, command: type[Command], handle: Any) -> Operation[Any]:
    return Operation(
        id=id,
        method="POST",
        path=path,
        summary=(command.__doc__ or "").partition("\n\n")[0].replace("\n    ", " "),
        role=Role.RESPONDER,
        query=NoQuery,
        handle=handle,
        command=command,
        answers={HTTPStatus.OK: OnCallChange},
        refusals=(*NOT_READ, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    )


def _ends(id: str, path: str, command: type[Command], handle: Any) -> Operation[Any]:
    return Operation(
        id=id,
        method="DELETE",
        path=path,
        summary=(command.__doc__ or "").partition("\n")[0],
        role=Role.RESPONDER,
        query=NoQuery,
        handle=handle,
        command=command,
        answers={HTTPStatus.OK: OnCallChange},
        refusals=(HTTPStatus.CONFLICT,),
    )


_MISSING: Final = HTTPStatus.NOT_FOUND

OPERATIONS: Final[tuple[Operation[Any], ...]] = (
    _reads(
        "whoIsOnCall",
        "/oncall/now",
        "Show who is on call now, and who comes next.",
        now_on_call,
        OnCallNowAnswer,
        SchedulesQuery,
        _MISSING,
    ),
    _reads(
        "nextShifts",
        "/oncall/next",
        "List the next shifts, those of a person, or of all.",
        next_on_call,
        NextShifts,
        NextQuery,
        _MISSING,
    ),
    _reads(
        "showSchedule",
        "/oncall/schedules/{schedule}",
        "Show the shifts of a schedule, and the times without anybody.",
        shifts,
        ScheduleShifts,
        ShiftsQuery,
        _MISSING,
    ),
    _reads(
        "listOverrides",
        "/oncall/overrides",
        "List the overrides that have not ended, in the order in which they were added.",
        overrides,
        Overrides,
        SchedulesQuery,
        _MISSING,
    ),
    _adds("addOverride", "/oncall/overrides", AddOverride, add_override),
    _adds("swapShifts", "/oncall/swaps", Swap, swap),
    _ends("removeOverride", "/oncall/overrides/{override}", RemoveOverride, remove_override),
    _reads(
        "listSilences",
        "/oncall/silences",
        "List the silences and maintenance windows that were added and have not ended.",
        silences,
        Silences,
    ),
    _adds("addSilence", "/oncall/silences", AddSilence, add_silence),
    _ends("endSilence", "/oncall/silences/{silence}", EndSilence, end_silence),
    Operation(
        id="newFeed",
        method="POST",
        path="/oncall/feeds",
        summary="Make the address of a calendar feed. Whoever has it can read these shifts.",
        role=Role.RESPONDER,
        query=NoQuery,
        handle=new_address,
        command=NewFeed,
        answers={HTTPStatus.CREATED: FeedAddress},
        refusals=(*NOT_READ, HTTPStatus.NOT_FOUND),
    ),
)
