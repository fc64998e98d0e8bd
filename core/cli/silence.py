"""`tidegate silence add|list|end`: page nobody for some time, for what matches."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from core import bootstrap
from core.cli.clock import shown_deadline, shown_time
from core.cli.completion import added_silences, complete
from core.cli.console import Json, out, print_json, print_lines, terminal_width
from core.cli.layout import Item, item_lines, line
from core.cli.oncall_commands import command, send
from core.cli.oncall_options import By, For, From, Until, Why, period
from core.config.settings import Settings

if TYPE_CHECKING:
    from rich.text import Text

    from core.domain.matching import Match
    from core.domain.oncall.silencing import AddedSilence

app = typer.Typer(
    help="Silence what matches, without a release of the policies.", no_args_is_help=True
)


@app.command("add")
def silence_add(
    match: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PATTERN",
            help="What is silenced: source, service, severity, or a label by its name; `*` stands "
            "for anything. Repeatable: of one name any pattern, of several names all. A label that "
            "is called like one of the three is labels.NAME.",
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--everything", help="Silence every incident.")
    ] = False,
    start: From = None,
    until: Until = None,
    for_: For = None,
    why: Why = None,
    maintenance: Annotated[
        bool, typer.Option("--maintenance", help="Call it a maintenance window.")
    ] = False,
    actor: By = "operator",
    as_json: Json = False,
) -> None:
    """Page nobody for some time for what matches, and say why.

    Times are in this shell's time zone, unless they have an offset of their own."""
    from core.domain.oncall.silencing import SilenceKind

    if bool(match) == everything:
        raise typer.BadParameter(
            "say what is silenced with --match service=checkout, or that it is --everything"
        )
    kind = SilenceKind.MAINTENANCE if maintenance else SilenceKind.SILENCE
    fields: dict[str, Any] = {"everything": True} if everything else {"match": _match(match or ())}
    add(actor, start, until, for_, why, as_json, kind=kind, **fields)


def add(
    actor: str,
    start: str | None,
    until: str | None,
    length: timedelta | None,
    why: str | None,
    as_json: bool,
    *,
    incident: str | None = None,
    **fields: Any,
) -> None:
    """Add a silence with these fields of its own, or for an incident by whatever names it, and
    print what was added. Raises `typer.BadParameter` or `CommandRefused`."""
    from core.domain.oncall.commands import AddSilence

    if why is None:
        raise typer.BadParameter('say why, as in --why "known, being fixed"')
    begins, ends = period(start, until, length, None, datetime.now(UTC))
    if incident is not None:
        fields["incident"] = asyncio.run(_workflow_id(incident))
    answer = send(command(AddSilence, actor, start=begins, end=ends, why=why, **fields))
    if as_json:
        print_json(answer)
        return
    for each in answer["silences"]:
        out.print(escape(_added(each, planned=begins is not None)), soft_wrap=True)


async def _workflow_id(incident: str) -> str:
    from core.adapters.temporal import incidents

    return await incidents.workflow_id(await bootstrap.connect(Settings.from_env()), incident)


def _match(pairs: Sequence[str]) -> Match:
    """What `--match` options say. Raises `typer.BadParameter`."""
    from pydantic import ValidationError

    from core.domain.matching import match_of
    from core.domain.problems import problems_of

    try:
        return match_of(pairs)
    except ValidationError as error:
        raise typer.BadParameter(f"--match: {'; '.join(problems_of(error))}") from None
    except ValueError as error:
        raise typer.BadParameter(f"--match {error}") from None


def _added(silence: Mapping[str, Any], *, planned: bool) -> str:
    from core.domain.oncall.silencing import AddedSilence

    added = AddedSilence.model_validate(silence)
    begins = f"from {shown_time(added.start)} " if planned else ""
    until = shown_deadline(added.end)
    return f"{added.id} {begins}nobody is paged for {_matches(added)} until {until}"


def _matches(silence: AddedSilence) -> str:
    if silence.incident:
        return f"incident {silence.incident}"
    return str(silence.match) if silence.match else "anything"


@app.command("list")
def silence_list(as_json: Json = False) -> None:
    """List the silences and maintenance windows that were added and have not ended."""
    from core.operations.oncall_rota import read_added

    listed = asyncio.run(read_added(Settings.from_env())).at(datetime.now(UTC)).silences
    if as_json:
        print_json([each.model_dump(mode="json", exclude_none=True) for each in listed])
    elif listed:
        print_lines(silence_lines(listed, datetime.now(UTC), terminal_width()))
    else:
        out.print("There are no silences.")


def silence_lines(silences: Sequence[AddedSilence], now: datetime, width: int | None) -> list[Text]:
    """One or two lines for each silence."""
    return item_lines(
        [
            Item(
                each.id,
                each.why,
                (
                    line(each.kind.value, "dim"),
                    line(_matches(each)),
                    line(f"from {shown_time(each.start, now=now)}" if each.start > now else ""),
                    line(f"until {shown_deadline(each.end, now=now)}"),
                    line(f"by {each.by}", "dim"),
                ),
            )
            for each in silences
        ],
        width,
    )


@app.command("end")
def silence_end(
    id: Annotated[
        str,
        typer.Argument(
            help="The silence's ID, which `list` shows.",
            autocompletion=complete(added_silences, str),
        ),
    ],
    actor: By = "operator",
    as_json: Json = False,
) -> None:
    """End a silence or a maintenance window, or remove one before it begins."""
    from core.domain.oncall.commands import EndSilence
    from core.domain.oncall.silencing import AddedSilence

    answer = send(command(EndSilence, actor, id=id.lower()))
    if as_json:
        print_json(answer)
        return
    for each in map(AddedSilence.model_validate, answer["silences"]):
        out.print(
            escape(f"{each.id} ended: {_matches(each)} is no longer silenced"), soft_wrap=True
        )
