"""`tidegate incident`: what people ask about incidents, and in `cli_incident_commands` of them."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import typer
from pydantic import TypeAdapter, ValidationError
from rich.markup import escape

from core import bootstrap
from core.cli.console import Json, err, out, print_json, run
from core.cli.incident_view import headline, listed, timeline_lines
from core.config.settings import Settings
from core.domain.durations import Delay
from core.domain.incident.model import Status
from core.domain.incident.severity import Severity
from core.errors import TemporalUnavailable

app = typer.Typer(help="Incidents: look at them, command them.", no_args_is_help=True)

Id = Annotated[
    str, typer.Argument(help="The incident's ID; its workflow ID means the one that runs.")
]

_DELAY: Final[TypeAdapter[timedelta]] = TypeAdapter(Delay)


def duration(text: str) -> timedelta:
    """Raises `typer.BadParameter`."""
    try:
        return _DELAY.validate_python(text)
    except ValidationError:
        raise typer.BadParameter(f"{text!r} is not a length like 30m, 12h or 7d") from None


def _age(text: str | None) -> timedelta | None:
    return None if text is None else duration(text)


@app.command("list")
def incident_list(
    status: Annotated[
        list[Status] | None, typer.Option(help="Only these (repeatable). Default: all that run.")
    ] = None,
    severity: Annotated[
        list[Severity] | None, typer.Option(help="Only these (repeatable).")
    ] = None,
    service: Annotated[list[str] | None, typer.Option(help="Only these (repeatable).")] = None,
    assignee: Annotated[list[str] | None, typer.Option(help="Only theirs (repeatable).")] = None,
    older_than: Annotated[
        str | None, typer.Option(help="Only what began longer ago, as 30m, 12h or 7d.")
    ] = None,
    younger_than: Annotated[
        str | None, typer.Option(help="Only what began since then, as 30m, 12h or 7d.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Closed ones, too.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 100,
    watch: Annotated[
        bool, typer.Option("--watch", help="Again whenever it has changed; Ctrl-C ends it.")
    ] = False,
    looks: Annotated[
        float, typer.Option("--every", min=0.2, help="Seconds between two looks, with --watch.")
    ] = 2.0,
    as_json: Json = False,
) -> None:
    """List incidents, newest first."""
    from core.adapters.temporal import incident_list as incidents

    filters = incidents.Filters(
        statuses=status or (),
        severities=severity or (),
        services=service or (),
        assignees=assignee or (),
        older_than=_age(older_than),
        younger_than=_age(younger_than),
        every=every,
    )

    def show(found: list[incidents.Listed], more: bool) -> None:
        if as_json:
            rows = [incident.to_json() for incident in found]
            print_json(rows, indent=None if watch else 2)
            return
        if watch:
            out.rule(f"{datetime.now().astimezone():%H:%M:%S}")
        out.print(listed(found) if found else "No such incident.")
        if more:
            err.print(f"There are more than {limit}: narrow it down, or raise --limit.")

    async def look() -> None:
        client = await bootstrap.connect(Settings.from_env())
        shown: list[incidents.Listed] | None = None
        while True:
            try:
                found, more = await incidents.listing(client, filters, limit=limit)
            except TemporalUnavailable as error:
                if shown is None:
                    raise
                _try_again(error)
            else:
                if found != shown:
                    show(found, more)
                shown = found
            if not watch:
                return
            await asyncio.sleep(looks)

    try:
        run(look())
    except KeyboardInterrupt:
        if not watch:
            raise


@app.command("show")
def incident_show(
    id: Id,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on until it is closed; Ctrl-C ends it.")
    ] = False,
    every: Annotated[
        float, typer.Option(min=0.2, help="Seconds between two looks, with --watch.")
    ] = 2.0,
    as_json: Json = False,
) -> None:
    """Show an incident and its timeline."""
    try:
        run(_show(id, every if watch else None, as_json))
    except KeyboardInterrupt:
        if not watch:
            raise


async def _show(id: str, every: float | None, as_json: bool) -> None:
    from core.adapters.temporal import incidents as incident_commands

    client = await bootstrap.connect(Settings.from_env())
    found = await incident_commands.show(client, id)
    id = found["incident"]["id"]  # from now on this one, whoever follows it
    shown: dict[str, Any] | None = None
    while True:
        if found != shown:
            _print(found, shown, as_json=as_json, compact=every is not None)
        shown = found
        if every is None or found["incident"]["status"] == Status.CLOSED:
            return
        await asyncio.sleep(every)
        try:
            found = await incident_commands.show(client, id)
        except TemporalUnavailable as error:
            _try_again(error)


def _try_again(error: TemporalUnavailable) -> None:
    err.print(f"[yellow]{escape(error.message)}[/yellow]; trying again", soft_wrap=True)


def _print(
    found: dict[str, Any], shown: dict[str, Any] | None, *, as_json: bool, compact: bool
) -> None:
    """All of it the first time, then what is new."""
    if as_json:
        print_json(found, indent=None if compact else 2)
        return
    for line in headline(found["incident"], shown and shown["incident"]):
        out.print(line, soft_wrap=True)
    for line in timeline_lines(found["timeline"], shown["timeline"] if shown else []):
        out.print(line, soft_wrap=True)


@app.command("report")
def incident_report(id: Id, as_json: Json = False) -> None:
    """Print the post-incident report from the document store: Markdown, or with --json the data."""
    from core.operations.read_report import read_report

    async def read() -> bytes:
        return await read_report(Settings.from_env(), id, suffix="json" if as_json else "md")

    text = run(read()).decode()
    typer.echo(text, nl=not text.endswith("\n"))
