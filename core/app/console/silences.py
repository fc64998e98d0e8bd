"""Silences: what nobody is paged for, for some time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from core.app.console.forms import (
    NotRead,
    command,
    done,
    fields,
    may,
    message,
    moment,
    new_key,
    not_read,
    send,
    shown,
)
from core.app.console.frame import Page, Visit
from core.app.identity.caller import Role
from core.domain.durations import format_duration
from core.domain.matching import match_of
from core.domain.oncall.commands import LONGEST_WHY, AddSilence, EndSilence
from core.domain.oncall.file import OnCallFile
from core.domain.oncall.silencing import AddedSilence, SilenceKind
from core.errors import CommandRefused, SettingsError

PATH: Final = "/silences"
ADD: Final = f"{PATH}/add"
END: Final = f"{PATH}/end"

LENGTHS: Final = (1_800, 3_600, 7_200, 14_400, 28_800, 86_400, 259_200)
"""How long a silence may be chosen to last, in seconds."""
_MATCH_CHARS: Final = 2_000
_LONGEST: Final = 366 * 86_400
"""In seconds; on-call itself allows less."""


class Typed(BaseModel):
    """The form of a silence, as it was typed."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    kind: SilenceKind = SilenceKind.SILENCE
    match: Annotated[str, Field(max_length=_MATCH_CHARS)] = ""
    everything: Literal["", "yes"] = ""
    length: Annotated[int, Field(alias="for", gt=0, le=_LONGEST)] = LENGTHS[1]
    start: Annotated[str, Field(alias="from", max_length=40)] = ""
    until: Annotated[str, Field(max_length=40)] = ""
    why: Annotated[str, Field(max_length=4 * LONGEST_WHY)] = ""


class Ended(BaseModel):
    """The form that ends a silence."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: Annotated[str, Field(min_length=1, max_length=200)]


async def listed(visit: Visit) -> Response:
    """The silences that have not ended, and the form of a new one."""
    return await _listed(visit, {})


async def _listed(
    visit: Visit, typed: Mapping[str, Any], *, status: int = 200, problem: str | None = None
) -> Response:
    now, zone = datetime.now(UTC), await _zone(visit)
    added = (await visit.console.services.rotas.added()).silences
    return visit.page(
        "silences.html",
        status,
        title="Silences",
        rows=[_row(each, now, zone) for each in added],
        zone=zone.key,
        lengths=[(seconds, format_duration(seconds)) for seconds in LENGTHS],
        typed={"for": LENGTHS[1], **typed},
        longest_why=LONGEST_WHY,
        longest_match=_MATCH_CHARS,
        may=may(visit, Role.RESPONDER),
        key=new_key(),
        problem=problem,
        done="" if problem else message(visit),
        section=PATH,
    )


async def _zone(visit: Visit) -> ZoneInfo:
    """The zone of the visitor, if an on-call file has them; else UTC."""
    try:
        file = await visit.console.services.rotas.file()
    except SettingsError:
        return ZoneInfo("UTC")
    return zone_of(visit.session.caller.name, file)


def zone_of(name: str, file: OnCallFile) -> ZoneInfo:
    """The time zone of somebody of whom only the name is known; UTC for whoever is not in the
    on-call file."""
    id = name if name in file.people else file.names.get(" ".join(name.split()).lower())
    return ZoneInfo(file.people[id].time_zone if id else "UTC")


def _row(silence: AddedSilence, now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "id": silence.id,
        "kind": silence.kind.value,
        "what": _what(silence),
        "start": shown(silence.start, zone),
        "planned": silence.start > now,
        "end": shown(silence.end, zone),
        "by": silence.by,
        "why": silence.why,
    }


def _what(silence: AddedSilence) -> str:
    if silence.incident:
        return f"incident {silence.incident}"
    return str(silence.match) if silence.match else "everything"


async def add(visit: Visit) -> Response:
    """Silence what matches."""
    typed = fields(visit, Typed)
    zone = await _zone(visit)
    pairs = [line.strip() for line in typed.match.splitlines() if line.strip()]
    try:
        if bool(pairs) == bool(typed.everything):
            raise NotRead(
                "Nothing was done: say what is silenced, like service=checkout, or that it is "
                "everything."
            )
        start = moment(typed.start, zone, "From")
        until = moment(typed.until, zone, "Until")
        with not_read():
            order = command(
                visit,
                AddSilence,
                kind=typed.kind,
                start=start,
                end=until or (start or datetime.now(UTC)) + timedelta(seconds=typed.length),
                why=typed.why,
                **({"match": match_of(pairs)} if pairs else {"everything": True}),
            )
        answer = await send(visit, order)
    except (NotRead, CommandRefused) as problem:
        return await _refused(visit, typed.model_dump(by_alias=True, mode="json"), problem)
    [added] = map(AddedSilence.model_validate, answer["silences"])
    text = f"Nobody is paged for {_what(added)} until {shown(added.end, zone)} ({zone.key})."
    return done(visit, text, PATH)


async def end(visit: Visit) -> Response:
    """End a silence, or remove one that has not begun."""
    ended = fields(visit, Ended)
    try:
        answer = await send(visit, command(visit, EndSilence, id=ended.id))
    except (NotRead, CommandRefused) as problem:
        return await _refused(visit, {}, problem)
    [silence] = map(AddedSilence.model_validate, answer["silences"])
    return done(visit, f"{_what(silence).capitalize()} is no longer silenced.", PATH)


async def _refused(
    visit: Visit, typed: Mapping[str, Any], problem: NotRead | CommandRefused
) -> Response:
    if isinstance(problem, CommandRefused):
        return await _listed(visit, typed, status=409, problem=problem.message)
    return await _listed(visit, typed, status=400, problem=str(problem))


PAGES: Final[Sequence[Page]] = (
    Page(path=PATH, handle=listed, name="Silences"),
    Page(path=ADD, handle=add, role=Role.RESPONDER, method="POST"),
    Page(path=END, handle=end, role=Role.RESPONDER, method="POST"),
)
