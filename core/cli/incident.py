"""`tidegate incident list|show|report`: look at incidents. Their commands are in
`incident_commands`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError
from rich.markup import escape

from core import bootstrap
from core.cli.clock import shown_time
from core.cli.console import (
    Json,
    err,
    out,
    print_json,
    print_lines,
    print_text,
    terminal_width,
)
from core.cli.incident_options import AnyId
from core.cli.incident_view import change_lines, header_lines, list_lines, timeline_lines
from core.cli.quantities import duration, seconds
from core.cli.waiting import answered
from core.config.settings import Settings
from core.domain.incident.model import Incident
from core.domain.incident.status import Status
from core.domain.severity import Severity
from core.errors import ConfigurationError, TemporalUnavailable

if TYPE_CHECKING:
    from core.adapters.temporal.incident_list import IncidentSummary
    from core.adapters.temporal.incidents import IncidentView

app = typer.Typer(help="List, show and command incidents.", no_args_is_help=True)

Interval = Annotated[
    float,
    typer.Option(
        "--every", min=0.2, callback=seconds, help="Seconds between two queries, with --watch."
    ),
]


@app.command("list")
def incident_list(
    status: Annotated[
        list[Status] | None,
        typer.Option(help="Only with this status (repeatable). Default: all that are not closed."),
    ] = None,
    severity: Annotated[
        list[Severity] | None, typer.Option(help="Only with this severity (repeatable).")
    ] = None,
    service: Annotated[
        list[str] | None, typer.Option(help="Only of this service (repeatable).")
    ] = None,
    assignee: Annotated[
        list[str] | None, typer.Option(help="Only assigned to this person (repeatable).")
    ] = None,
    older_than: Annotated[
        timedelta | None,
        typer.Option(parser=duration, metavar="DURATION", help="Only begun longer ago: 30m, 12h."),
    ] = None,
    younger_than: Annotated[
        timedelta | None,
        typer.Option(parser=duration, metavar="DURATION", help="Only begun since then: 30m, 12h."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Include closed incidents.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="List at most this many.")] = 100,
    watch: Annotated[
        bool, typer.Option("--watch", help="Print the list again when it changes, until Ctrl-C.")
    ] = False,
    interval: Interval = 2.0,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print the handles only, a line each.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List incidents, newest first."""
    from core.adapters.temporal.incident_list import IncidentFilter, list_incidents

    filter = IncidentFilter(
        statuses=status or (),
        severities=severity or (),
        services=service or (),
        assignees=assignee or (),
        older_than=older_than,
        younger_than=younger_than,
        include_closed=every,
    )

    def show(listed: Sequence[IncidentSummary], more: bool) -> None:
        if as_json:
            rows = [incident.to_json() for incident in listed]
            print_json(rows, indent=None if watch else 2)
        elif quiet:
            for incident in listed:
                print_text(incident.handle)
        else:
            _print_list(listed, dated=watch)
            if more:
                err.print(f"There are more than {limit:,}: narrow the filters, or raise --limit.")

    async def look() -> None:
        client = await bootstrap.connect(Settings.from_env())
        shown: list[IncidentSummary] | None = None
        while True:
            try:
                listed, more = await list_incidents(client, filter, limit=limit)
            except TemporalUnavailable as error:
                if shown is None:
                    raise
                _retrying(error)
            else:
                if listed != shown:
                    show(listed, more)
                shown = listed
            if not watch:
                return
            await asyncio.sleep(interval)

    try:
        asyncio.run(look())
    except KeyboardInterrupt:
        if not watch:
            raise


def _print_list(listed: Sequence[IncidentSummary], *, dated: bool) -> None:
    now = datetime.now(UTC)
    if dated:
        out.rule(shown_time(now))
    if listed:
        print_lines(list_lines(listed, now=now, width=terminal_width()))
    else:
        out.print("No incident matches.")


@app.command("show")
def incident_show(
    id: AnyId,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Print what happens until the incident closes, or Ctrl-C."),
    ] = False,
    interval: Interval = 2.0,
    as_json: Json = False,
) -> None:
    """Show an incident and its timeline."""
    try:
        asyncio.run(_show(id, interval if watch else None, as_json))
    except KeyboardInterrupt:
        if not watch:
            raise


async def _show(id: str, interval: float | None, as_json: bool) -> None:
    from core.adapters.temporal import incidents

    client = await bootstrap.connect(Settings.from_env())
    now = await answered(incidents.show(client, id))
    id = now["incident"]["id"]  # a successor under the same workflow ID is not followed
    shown: IncidentView | None = None
    while True:
        if now != shown:
            _print(now, shown, as_json=as_json, compact=interval is not None)
        shown = now
        if interval is None or now["incident"]["status"] == Status.CLOSED:
            return
        await asyncio.sleep(interval)
        try:
            now = await incidents.show(client, id)
        except TemporalUnavailable as error:
            _retrying(error)


def _retrying(error: TemporalUnavailable) -> None:
    err.print(f"[yellow]{escape(error.message)}[/yellow]; retrying", soft_wrap=True)


def _print(now: IncidentView, shown: IncidentView | None, *, as_json: bool, compact: bool) -> None:
    """Print everything the first time, then what is new."""
    if as_json:
        print_json(now, indent=None if compact else 2)
        return
    incident, before = _read(now), _read(shown) if shown else None
    moment, width = datetime.now(UTC), terminal_width()
    if before is None:
        print_lines(header_lines(incident, now=moment, width=width))
    else:
        print_lines(change_lines(incident, before, now=moment, width=width))
    print_lines(timeline_lines(now["timeline"], shown["timeline"] if shown else (), width=width))


def _read(view: IncidentView) -> Incident:
    try:
        return Incident.model_validate(view["incident"])
    except ValidationError as error:
        raise ConfigurationError(
            f"the incident cannot be read: {error.errors()[0]['msg']}",
            fix="the command and the incident worker have different versions: use the worker's, "
            "or --json",
        ) from None


@app.command("report")
def incident_report(id: AnyId, as_json: Json = False) -> None:
    """Print the post-incident report from the document store: Markdown, or its data with --json."""
    from core.operations.read_report import Reports

    async def read() -> bytes:
        reports = Reports(Settings.from_env())
        return await answered(reports.read(id, suffix="json" if as_json else "md"))

    print_text(asyncio.run(read()).decode())
