"""Heartbeats: which jobs report in time, and those of which nothing is expected for now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from core.app.console.forms import (
    NotRead,
    command_id,
    done,
    fields,
    may,
    message,
    moment,
    new_key,
    on_call_file,
    shown,
)
from core.app.console.frame import Page, Visit
from core.app.console.silences import zone_of
from core.app.identity.caller import Role
from core.app.pages import Refused
from core.domain.durations import format_age, format_duration
from core.domain.heartbeat.model import Heartbeat, Status
from core.domain.matching import Name
from core.domain.oncall.commands import LONGEST_BY, LONGEST_WHY
from core.domain.text import counted
from core.errors import CommandRefused, UnknownName
from core.operations import heartbeats as operation

PATH: Final = "/heartbeats"
ONE: Final = "/heartbeat"
PAUSE: Final = f"{ONE}/pause"
RESUME: Final = f"{ONE}/resume"

PER_PAGE: Final = 200
_ORDER: Final[Mapping[str, int]] = {
    status: rank
    for rank, status in enumerate(
        (Status.MISSED, Status.FAILED, Status.SUSPECT, Status.PAUSED, Status.UNDECLARED)
    )
}


class Wanted(BaseModel):
    """Where a page of the list begins."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    page: Annotated[int, Field(ge=1, le=1_000)] = 1


class One(BaseModel):
    """Which heartbeat."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: Name


class Typed(One):
    """The form that pauses one, as it was typed."""

    until: Annotated[str, Field(max_length=40)] = ""
    why: Annotated[str, Field(max_length=LONGEST_WHY)] = ""


async def listed(visit: Visit) -> Response:
    """Every heartbeat, those first about which there is something to do."""
    page = visit.query(Wanted).page
    services = visit.console.services
    found = await operation.listed(await services.client(), await on_call_file(visit))
    found.sort(key=lambda each: (_ORDER.get(each.status, len(_ORDER)), each.name))
    begin = (page - 1) * PER_PAGE
    rows = [_row(visit, each) for each in found[begin : begin + PER_PAGE]]
    bad = sum(each.status in (Status.MISSED, Status.FAILED) for each in found)
    return visit.page(
        "heartbeats.html",
        title="Heartbeats",
        summary=f"{counted(len(found), 'heartbeat')}, {bad:,} missed or failed.",
        rows=rows,
        before=visit.url(PATH, page=str(page - 1)) if page > 1 else None,
        after=visit.url(PATH, page=str(page + 1)) if begin + PER_PAGE < len(found) else None,
        section=PATH,
    )


def _row(visit: Visit, each: operation.Listed) -> dict[str, Any]:
    return {
        "name": each.name,
        "link": visit.url(ONE, name=each.name) if each.status != operation.NOT_BEGUN else None,
        "status": each.status,
        "bad": each.status in (Status.MISSED, Status.FAILED),
        "expected": each.expected or "",
        "grace": format_duration(each.grace) if each.grace is not None else "",
        "severity": each.severity,
        "service": each.service or "",
    }


async def one(visit: Visit) -> Response:
    """One heartbeat, with the forms that pause and resume it."""
    return await _one(visit, visit.query(One).name, {})


async def _one(
    visit: Visit,
    name: str,
    typed: Mapping[str, Any],
    *,
    status: int = 200,
    problem: str | None = None,
) -> Response:
    from core.adapters.temporal import heartbeats

    services = visit.console.services
    try:
        state = await heartbeats.show(await services.client(), name)
    except UnknownName as error:
        raise _unknown(error) from None
    zone = zone_of(visit.session.caller.name, await on_call_file(visit))
    return visit.page(
        "heartbeat.html",
        status,
        title=f"Heartbeat {name}",
        name=name,
        state=state.status.value,
        bad=state.status in (Status.MISSED, Status.FAILED),
        facts=_facts(state, datetime.now(UTC), zone),
        output=state.beat.output if state.beat else None,
        paused=state.pause is not None,
        zone=zone.key,
        typed=typed,
        longest_why=LONGEST_WHY,
        may=may(visit, Role.RESPONDER),
        key=new_key(),
        problem=problem,
        done="" if problem else message(visit),
        section=PATH,
    )


def _facts(state: Heartbeat, now: datetime, zone: ZoneInfo) -> list[tuple[str, str]]:
    """What is known of it, by name; nothing that is empty."""
    declaration, beat, pause = state.declaration, state.beat, state.pause
    paused = ""
    if pause:
        until = f" until {shown(pause.until, zone)}" if pause.until else ", until it is resumed"
        paused = f"by {pause.by}{until}{f': {pause.why}' if pause.why else ''}"
    facts = {
        "Paused": paused,
        "About": declaration.description if declaration else "",
        "Alert": state.alarm.text if state.alarm else "",
        "Last heard": f"{_ago(beat.at, now, zone)}, {counted(state.beats, 'beat')} in all"
        if beat
        else "never",
        "Expected next": shown(state.due, zone) if state.due else "",
        "Expected": declaration.text() if declaration else "nothing: the file does not have it",
        "Grace": format_duration(declaration.grace) if declaration else "",
        "Severity": declaration.severity.value if declaration else "",
        "Service": (declaration.service or "") if declaration else "",
        "Exit code": str(beat.exit_code) if beat and beat.exit_code is not None else "",
        "Ran for": format_duration(beat.duration) if beat and beat.duration is not None else "",
    }
    return [(name, text) for name, text in facts.items() if text]


def _ago(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    return f"{shown(at, zone)}, {format_age(now - at)} ago"


async def pause(visit: Visit) -> Response:
    """Expect nothing of it for some time."""
    typed = fields(visit, Typed)
    services = visit.console.services
    zone = zone_of(visit.session.caller.name, await on_call_file(visit))
    try:
        until = moment(typed.until, zone, "Until")
        if until is not None and until <= datetime.now(UTC):
            raise NotRead("Nothing was done: it would end in the past.")
        await operation.pause(
            await services.client(),
            typed.name,
            by=visit.session.caller.name[:LONGEST_BY],
            why=" ".join(typed.why.split()),
            until=until,
            command_id=command_id(visit, "pause", [typed.name, until, typed.why]),
        )
    except UnknownName as error:
        raise _unknown(error) from None
    except (NotRead, CommandRefused) as problem:
        refused = isinstance(problem, CommandRefused)
        return await _one(
            visit,
            typed.name,
            typed.model_dump(),
            status=409 if refused else 400,
            problem=problem.message if isinstance(problem, CommandRefused) else str(problem),
        )
    return done(visit, "It is paused: nothing is expected of it.", ONE, name=typed.name)


async def resume(visit: Visit) -> Response:
    """Expect it again."""
    name = fields(visit, One).name
    try:
        await operation.resume(
            await visit.console.services.client(),
            name,
            command_id=command_id(visit, "resume", name),
        )
    except UnknownName as error:
        raise _unknown(error) from None
    except CommandRefused as problem:
        return await _one(visit, name, {}, status=409, problem=problem.message)
    return done(visit, "It is expected again.", ONE, name=name)


def _unknown(error: UnknownName) -> Refused:
    return Refused(404, error.code, "There is no such heartbeat", error.message)


PAGES: Final[Sequence[Page]] = (
    Page(path=PATH, handle=listed, name="Heartbeats"),
    Page(path=ONE, handle=one),
    Page(path=PAUSE, handle=pause, role=Role.RESPONDER, method="POST"),
    Page(path=RESUME, handle=resume, role=Role.RESPONDER, method="POST"),
)
