"""Who is on call: now, in a week of a schedule, and instead of whom the schedule says."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from core.app.console.forms import (
    NotRead,
    command,
    done,
    field,
    fields,
    may,
    message,
    moment,
    new_key,
    not_read,
    on_call_file,
    send,
    shown,
)
from core.app.console.frame import Page, Visit
from core.app.console.week_picture import DAYS, Bar, Key, midnights, monday, week_picture
from core.app.identity.caller import Role
from core.app.pages import Refused
from core.domain.matching import Name
from core.domain.oncall.commands import LONGEST_WHY, AddOverride, RemoveOverride
from core.domain.oncall.overrides import Override
from core.domain.oncall.rota import Shift
from core.errors import CommandRefused
from core.operations.oncall_calendar import names, reason
from core.operations.oncall_rota import Gap, OnCallNow, Rota, with_gaps

PATH: Final = "/oncall"
SCHEDULE: Final = f"{PATH}/schedule"
OVERRIDE: Final = f"{PATH}/override"
END: Final = f"{OVERRIDE}/end"

FARTHEST: Final = timedelta(days=400)
"""How far from now a week may be."""
MOST_SHIFTS: Final = 300
"""Most shifts of a week that are drawn and listed."""
MOST_OFFERED: Final = 200
"""Most people whose names a form offers; all of the file may be typed."""
_TYPED_CHARS: Final = 400


class Wanted(BaseModel):
    """Which week of which schedule, and what its form begins with: a link of a shift fills it."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    name: Name
    week: date | None = None
    start: Annotated[str, Field(alias="from", max_length=40)] = ""
    until: Annotated[str, Field(max_length=40)] = ""


async def now(visit: Visit) -> Response:
    """Every schedule, with who is on call for it."""
    moment = datetime.now(UTC)
    await on_call_file(visit)
    rota = await visit.console.services.rotas.read()
    # In a thread: a calendar's events are expanded when they are asked for.
    rows = await asyncio.to_thread(rota.now, rota.file.schedules, moment)
    return visit.page(
        "oncall.html",
        title="On call",
        rows=[_row(visit, row, rota) for row in rows],
        remarks=_remarks(rota),
        section=PATH,
    )


def _row(visit: Visit, row: OnCallNow, rota: Rota) -> dict[str, Any]:
    zone, shift, after = ZoneInfo(row.zone), row.shift, row.next
    until = shift.end if shift else after.start if after else None
    follows = after if shift is None or (after and after.start == shift.end) else None
    return {
        "name": row.schedule,
        "link": visit.url(SCHEDULE, name=row.schedule),
        "who": names(shift.people, rota.file.people) if shift else None,
        "why": reason(shift) if shift else "no layer or override",
        "until": shown(until, zone) if until else None,
        "then": names(follows.people, rota.file.people) if follows else None,
        "zone": row.zone,
    }


async def schedule(visit: Visit) -> Response:
    """A week of a schedule, with its overrides and the form of a new one."""
    wanted = visit.query(Wanted)
    return await _schedule(visit, wanted, {"from": wanted.start, "until": wanted.until})


async def _schedule(
    visit: Visit,
    wanted: Wanted,
    typed: Mapping[str, str],
    *,
    status: int = 200,
    problem: str | None = None,
) -> Response:
    now = datetime.now(UTC)
    await on_call_file(visit)
    rota = await visit.console.services.rotas.read([wanted.name])
    zone = ZoneInfo(rota.schedule(wanted.name).time_zone)
    first = _first(wanted.week, now, zone)
    start, *_, end = midnights(first, zone)
    shifts = await asyncio.to_thread(rota.shifts, wanted.name, start, end)
    week = list(with_gaps(shifts[:MOST_SHIFTS], start, end))
    if left_out := len(shifts) > MOST_SHIFTS:  # what follows is no gap
        week = week[:-1] if isinstance(week[-1], Gap) else week
    picture = week_picture(week, first=first, zone=zone, now=now)
    keys = {key.people: key for key in picture.keys}

    def slot(of: Shift | Gap) -> str:
        since, until = max(of.start, start, now), min(of.end, end)
        return (
            visit.url(
                SCHEDULE,
                name=wanted.name,
                week=first.isoformat(),
                **{
                    "from": field(since, zone) if of.start > now else "",
                    "until": field(until, zone),
                },
            )
            + "#override"
        )

    def who(bar: Bar, *, short: bool = False) -> str:
        of = bar.of
        people = names(of.people, rota.file.people) if isinstance(of, Shift) else "nobody"
        if short:
            return people
        why = f", {reason(of)}" if isinstance(of, Shift) else ""
        return f"{people}: {shown(of.start, zone)} to {shown(of.end, zone)}{why}"

    return visit.page(
        "oncall_schedule.html",
        status,
        title=f"On call: {wanted.name}",
        name=wanted.name,
        zone=zone.key,
        picture=picture,
        keys=[_legend(key, rota) for key in picture.keys],
        who=who,
        slot=lambda bar: slot(bar.of),
        rows=[_shift(of, rota, zone, keys, slot(of) if of.end > now else None) for of in week],
        left_out=left_out,
        last_day=first + timedelta(days=DAYS - 1),
        first=first,
        this_week=visit.url(SCHEDULE, name=wanted.name),
        before=_week(visit, wanted.name, first - timedelta(days=DAYS), now),
        after=_week(visit, wanted.name, first + timedelta(days=DAYS), now),
        overrides=[
            _override(each, rota, zone)
            for each in rota.state.overrides
            if each.schedule == wanted.name
        ],
        people=_offered(rota, wanted.name),
        typed=typed,
        longest_why=LONGEST_WHY,
        may=may(visit, Role.RESPONDER),
        key=new_key(),
        week=first.isoformat(),
        problem=problem,
        done="" if problem else message(visit),
        remarks=_remarks(rota),
        section=PATH,
    )


def _first(week: date | None, now: datetime, zone: ZoneInfo) -> date:
    """The Monday of a week, by default of this one. Raises `Refused` for one that is too far."""
    today = now.astimezone(zone).date()
    if week is not None and abs(week - today) > FARTHEST:
        raise Refused(
            400, "TooFar", "That week is too far from now", f"See weeks up to {FARTHEST.days} days."
        )
    return monday(week or today)


def _week(visit: Visit, name: str, first: date, now: datetime) -> str | None:
    """The address of another week; None where that is too far."""
    if abs(first - now.date()) > FARTHEST:
        return None
    return visit.url(SCHEDULE, name=name, week=first.isoformat())


def _legend(key: Key, rota: Rota) -> dict[str, Any]:
    people = names(key.people, rota.file.people)
    return {"letter": key.letter, "colour": key.colour, "people": people}


def _shift(
    of: Shift | Gap,
    rota: Rota,
    zone: ZoneInfo,
    keys: Mapping[tuple[str, ...], Key],
    slot: str | None,
) -> dict[str, Any]:
    shift = of if isinstance(of, Shift) else None
    return {
        "start": shown(of.start, zone),
        "end": shown(of.end, zone),
        "who": names(shift.people, rota.file.people) if shift else None,
        "letter": keys[shift.people].letter if shift else "",
        "why": reason(shift) if shift else "no layer or override",
        "slot": slot,
    }


def _override(override: Override, rota: Rota, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "id": override.id,
        "who": names(override.people, rota.file.people),
        "start": shown(override.start, zone),
        "end": shown(override.end, zone),
        "by": override.by,
        "why": override.why,
    }


def _offered(rota: Rota, name: str) -> list[tuple[str, str]]:
    """The IDs and names of people, those of the schedule first."""
    own = dict.fromkeys(
        person
        for layer in rota.schedule(name).layers
        for turn in (layer.rotation.turns if layer.rotation else ())
        for person in turn
    )
    people = rota.file.people
    return [(id, people[id].name) for id in [*own, *(each for each in people if each not in own)]][
        :MOST_OFFERED
    ]


def _remarks(rota: Rota) -> list[str]:
    """What could not be read of calendars."""
    return [remark for remarks in rota.calendars.remarks.values() for remark in remarks]


class Typed(BaseModel):
    """The form of an override, as it was typed."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    name: Name
    week: date | None = None
    person: Annotated[str, Field(max_length=_TYPED_CHARS)] = ""
    start: Annotated[str, Field(alias="from", max_length=40)] = ""
    until: Annotated[str, Field(max_length=40)] = ""
    why: Annotated[str, Field(max_length=4 * LONGEST_WHY)] = ""


async def override(visit: Visit) -> Response:
    """Put somebody else on call, and lead to the week in which that begins."""
    typed = fields(visit, Typed)
    await on_call_file(visit)
    rota = await visit.console.services.rotas.read([typed.name])
    zone = ZoneInfo(rota.schedule(typed.name).time_zone)
    try:
        start = moment(typed.start, zone, "From")
        with not_read():
            end = moment(typed.until, zone, "Until")
            if end is None:
                raise NotRead("Nothing was done: say until when.")
            order = command(
                visit,
                AddOverride,
                schedule=typed.name,
                people=_people(typed.person, rota),
                start=start,
                end=end,
                **({"why": typed.why} if typed.why else {}),
            )
        answer = await send(visit, order)
    except (NotRead, CommandRefused) as problem:
        status = 400 if isinstance(problem, NotRead) else 409
        return await _schedule(
            visit,
            Wanted(name=typed.name, week=typed.week),
            typed.model_dump(by_alias=True, mode="json"),
            status=status,
            problem=str(problem) if isinstance(problem, NotRead) else problem.message,
        )
    [added] = answer["overrides"]
    begins = datetime.fromisoformat(added["start"])
    text = (
        f"{names(added['people'], rota.file.people)} on call from {shown(begins, zone)} until "
        f"{shown(datetime.fromisoformat(added['end']), zone)}."
    )
    week = monday(begins.astimezone(zone).date()).isoformat()
    return done(visit, text, SCHEDULE, name=typed.name, week=week)


def _people(typed: str, rota: Rota) -> tuple[str, ...]:
    """The IDs of people who were typed by ID or name, with commas between them. Raises
    `NotRead`."""
    whole = [typed] if _id(typed, rota) else typed.split(",")
    parts = [part for part in whole if part.strip()]
    if not parts:
        raise NotRead("Nothing was done: say who is on call instead.")
    found = [(part, _id(part, rota)) for part in parts]
    if unknown := [part.strip() for part, id in found if id is None]:
        raise NotRead(
            f"Nothing was done: the on-call file has nobody called {' or '.join(unknown[:5])}."
        )
    return tuple(dict.fromkeys(id for _, id in found if id))


def _id(typed: str, rota: Rota) -> str | None:
    plain = " ".join(typed.split())
    return plain if plain in rota.file.people else rota.file.names.get(plain.lower())


class Ended(BaseModel):
    """The form that ends an override."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: Name
    week: date | None = None
    id: Annotated[str, Field(min_length=1, max_length=200)]


async def end(visit: Visit) -> Response:
    """End an override, or remove one that has not begun."""
    ended = fields(visit, Ended)
    try:
        await send(visit, command(visit, RemoveOverride, id=ended.id))
    except (NotRead, CommandRefused) as problem:
        return await _schedule(
            visit,
            Wanted(name=ended.name, week=ended.week),
            {},
            status=409,
            problem=problem.message if isinstance(problem, CommandRefused) else str(problem),
        )
    week = ended.week.isoformat() if ended.week else None
    text = f"Override {ended.id} has ended: the layers decide."
    return done(visit, text, SCHEDULE, name=ended.name, week=week)


PAGES: Final[Sequence[Page]] = (
    Page(path=PATH, handle=now, name="On call"),
    Page(path=SCHEDULE, handle=schedule),
    Page(path=OVERRIDE, handle=override, role=Role.RESPONDER, method="POST"),
    Page(path=END, handle=end, role=Role.RESPONDER, method="POST"),
)
