"""`tidegate oncall override|swap|overrides`: put somebody else on call for some time."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

import typer
from pydantic import ValidationError
from rich.markup import escape

from core import bootstrap
from core.cli.completion import added_overrides, complete, people
from core.cli.console import (
    EXIT_FAILED,
    Json,
    err,
    out,
    print_json,
    print_lines,
    terminal_width,
)
from core.cli.oncall import read, read_file
from core.cli.oncall_options import (
    By,
    For,
    From,
    PersonId,
    ScheduleName,
    ScheduleNames,
    ShownZone,
    Until,
    Why,
    Yes,
    known,
    period,
    shown,
)
from core.cli.waiting import answered
from core.config.settings import Settings
from core.domain.problems import problems_of

if TYPE_CHECKING:
    from core.domain.oncall.commands import AnyCommand, Command, PlannedOverride
    from core.domain.oncall.file import OnCallFile

app = typer.Typer()
overrides_app = typer.Typer(help="List and remove overrides.", no_args_is_help=True)
app.add_typer(overrides_app, name="overrides")

C = TypeVar("C", bound="Command")


def command(kind: type[C], actor: str, /, **fields: Any) -> C:
    """A command of that kind. Raises `typer.BadParameter` with every field that is wrong."""
    try:
        return kind(command_id=uuid.uuid4().hex, actor=actor, **fields)
    except ValidationError as error:
        raise typer.BadParameter("; ".join(problems_of(error))) from None


def send(command: AnyCommand) -> dict[str, Any]:
    """Send a command; returns what it added or ended. Raises `CommandRefused`."""
    from core.adapters.temporal import on_call

    fields = command.model_dump(mode="json", by_alias=True, exclude_unset=True)

    async def sent() -> dict[str, Any]:
        client = await bootstrap.connect(Settings.from_env())
        return await answered(on_call.send(client, command.name, fields))

    return asyncio.run(sent())


@app.command("override")
def oncall_override(
    schedule: ScheduleName,
    person: Annotated[
        list[str],
        typer.Option(
            help="Who is on call instead, by ID; repeatable, for several at the same time.",
            autocompletion=complete(people, str),
        ),
    ],
    start: From = None,
    until: Until = None,
    for_: For = None,
    why: Why = None,
    actor: By = "operator",
    as_json: Json = False,
) -> None:
    """Put somebody else on call for some time.

    Times are in the schedule's time zone, unless they have an offset of their own. Overrides of one
    schedule do not overlap: `overrides remove` ends one."""
    from core.domain.oncall.commands import AddOverride

    file = read_file(None)
    zone = ZoneInfo(file.schedules[known("schedule", schedule, file.schedules)].time_zone)
    for each in person:
        known("person", each, file.people)
    begins, ends = period(start, until, for_, zone, datetime.now(UTC))
    answer = send(
        command(
            AddOverride,
            actor,
            schedule=schedule,
            people=tuple(dict.fromkeys(person)),
            start=begins,
            end=ends,
            **({"why": why} if why else {}),
        )
    )
    _print_added(answer, file, as_json)


@app.command("swap")
def oncall_swap(
    schedule: ScheduleName,
    one: PersonId,
    other: PersonId,
    why: Why = None,
    yes: Yes = False,
    actor: By = "operator",
    as_json: Json = False,
) -> None:
    """Exchange the first person's present or next shift with the second one's next.

    Shows both before it asks. They become two overrides, both or none."""
    from core.domain.oncall.commands import Swap
    from core.operations.oncall_swap import exchange

    file = read_file(None)
    for each in (one, other):
        known("person", each, file.people)
    if one == other:
        raise typer.BadParameter(f"{one} cannot exchange shifts with {other}: name two people")
    now, rota = read(None, schedule)
    asked = rota.schedule(schedule)
    planned = exchange(schedule, asked, one, other, rota.overrides(schedule), rota.calendars, now)
    if not yes:
        _confirm(planned.overrides, file)
    answer = send(
        command(Swap, actor, overrides=planned.overrides, **({"why": why} if why else {}))
    )
    _print_added(answer, file, as_json)


def _confirm(planned: tuple[PlannedOverride, ...], file: OnCallFile) -> None:
    if not sys.stdin.isatty():
        raise typer.BadParameter("nobody can be asked here: add --yes")
    for each in planned:
        err.print(escape(_sentence(each.model_dump(), file)), soft_wrap=True)
    err.print("Exchange these shifts? \\[y/N] ", end="")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        err.print("Nothing was changed.")
        raise typer.Exit(EXIT_FAILED)


def _print_added(answer: Mapping[str, Any], file: OnCallFile, as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    for each in answer["overrides"]:
        out.print(escape(f"{each['id']} {_sentence(each, file)}"), soft_wrap=True)


def _sentence(override: Mapping[str, Any], file: OnCallFile) -> str:
    """An override in a sentence, whether planned or added: who, for what, when."""
    from core.operations.oncall_calendar import names

    schedule = file.schedules.get(override["schedule"])
    zone = ZoneInfo(schedule.time_zone if schedule else "UTC")
    start, end = (_moment(override[name]) for name in ("start", "end"))
    who = names(override["people"], file.people)
    verb = "is" if len(override["people"]) == 1 else "are"
    span = f"from {shown(start, zone)} until {shown(end, zone)}"
    return f"{who} {verb} on call for {override['schedule']} {span}"


def _moment(value: str | datetime) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


@overrides_app.command("list")
def overrides_list(
    schedule: ScheduleNames = None, zone: ShownZone = None, as_json: Json = False
) -> None:
    """List the overrides that have not ended, in the order in which they were added."""
    from core.cli.oncall_view import override_lines
    from core.operations.oncall_rota import read_added

    file = read_file(None)
    wanted = [known("schedule", name, file.schedules) for name in schedule or ()]
    added = asyncio.run(read_added(Settings.from_env())).at(datetime.now(UTC)).overrides
    listed = [each for each in added if not wanted or each.schedule in wanted]
    if as_json:
        print_json([each.model_dump(mode="json") for each in listed])
    elif listed:
        print_lines(override_lines(listed, file, other=zone, width=terminal_width()))
    else:
        out.print("There are no overrides.")


@overrides_app.command("remove")
def overrides_remove(
    id: Annotated[
        str,
        typer.Argument(
            help="The override's ID, which `list` shows.",
            autocompletion=complete(added_overrides, str),
        ),
    ],
    actor: By = "operator",
    as_json: Json = False,
) -> None:
    """End an override, or remove one before it begins: the layers decide again."""
    from core.domain.oncall.commands import RemoveOverride

    answer = send(command(RemoveOverride, actor, id=id.lower()))
    if as_json:
        print_json(answer)
        return
    for each in answer["overrides"]:
        ended = "ended" if _moment(each["start"]) <= datetime.now(UTC) else "removed"
        out.print(f"{each['id']} {ended}: the layers of {each['schedule']} decide", soft_wrap=True)
