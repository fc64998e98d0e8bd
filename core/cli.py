"""The `tidegate` command: words and tables around what other rooms do.

Exit codes: 0 it is well; 1 the answer is bad news (an event would be refused, a check failed);
2 the command, a setting or a file is wrong; 3 something does not answer, try again.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from core import bootstrap
from core.errors import ConfigurationError, TidegateError, TransientError
from core.quarantine import Record
from core.settings import Settings

Answer = TypeVar("Answer")

BAD_NEWS, WRONG, AWAY = 1, 2, 3

app = typer.Typer(
    name="tidegate",
    help="The serverless front door for Temporal.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 well, 1 bad news, 2 wrong usage or configuration, 3 no answer for now.",
)
routes_app = typer.Typer(help="The routing table.", no_args_is_help=True)
quarantine_app = typer.Typer(
    help="The originals of what could not be accepted.", no_args_is_help=True
)
incident_app = typer.Typer(help="One incident.", no_args_is_help=True)
app.add_typer(routes_app, name="routes")
app.add_typer(quarantine_app, name="quarantine")
app.add_typer(incident_app, name="incident")

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
out, err = Console(highlight=False), Console(stderr=True, highlight=False)


def main() -> None:
    """Run the command; our own errors become one plain line and an exit code."""
    try:
        app()
    except TidegateError as error:
        err.print(f"[red]{error.code}[/red]: {escape(error.message)}", soft_wrap=True)
        if error.fix:
            err.print(f"  next: {escape(error.fix)}", soft_wrap=True)
        sys.exit(exit_code(error))


def exit_code(error: TidegateError) -> int:
    """The exit code that says what kind of error ended the command."""
    if isinstance(error, ConfigurationError):
        return WRONG
    return AWAY if isinstance(error, TransientError) else BAD_NEWS


@app.command()
def demo() -> None:
    """Run the whole story on this machine: an upload becomes an incident, to its report."""
    from infra.local.demo import run_demo

    raise typer.Exit(run_demo())


@app.command()
def dev(
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep Temporal's state under .tidegate/ for next time.")
    ] = False,
) -> None:
    """Run a whole cloud on this machine until Ctrl-C, and say what to open and type."""
    from infra.local.dev import run_dev

    raise typer.Exit(run_dev(keep=keep))


@app.command()
def send(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="What to send.")],
    message: Annotated[
        bool, typer.Option("--message", help="Send it as a queue message, not as an upload.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Upload a file to the running `tidegate dev` as an incident report, or send it a message.

    Ends with 1 when it was quarantined instead of routed."""
    from infra.local.send import send_file, send_message

    sent = send_message(file) if message else send_file(file)
    if as_json:
        print_json(sent.to_json())
    else:
        rows = {
            "sent": sent.uri,
            "workflow": sent.workflow_id or (None if sent.refused else "none seen yet"),
            "child": sent.child_id,
            "refused": sent.refused,
            "open": sent.link,
        }
        for name, value in rows.items():
            if value:
                out.print(f"{name:9} {escape(value)}", soft_wrap=True)
    if sent.refused:
        raise typer.Exit(BAD_NEWS)


@app.command("explain")
def explain_command(
    file: Annotated[
        typer.FileBinaryRead, typer.Argument(help="A payload; - reads standard input.")
    ],
    format: Annotated[
        str | None, typer.Option(help="Read it as this format (s3, message, event); else guess.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what would become of a payload: events, keys, workflow IDs, route, child.

    Starts nothing. Takes a Lambda event or the message body alone. Ends with 1 when an event of it
    would be quarantined.
    """
    from core.explain import deliveries, explain
    from core.formats.delivery import FORMATS
    from functions_aws import sqs

    if format is not None and format not in FORMATS:
        raise typer.BadParameter(f"there is no format {format!r}; there are {', '.join(FORMATS)}")
    settings = Settings.from_env()
    router = bootstrap.router(settings)
    found = deliveries(file.read(), format, sqs.deliveries)
    explanations = [e for delivery in found for e in explain(delivery, settings, router)]
    if as_json:
        print_json([e.to_json() for e in explanations])
    elif not explanations:
        out.print(
            "No events in it (S3 sends such a test once): it is acknowledged, nothing starts."
        )
    else:
        for explanation in explanations:
            _print_explanation(explanation.to_json())
    raise typer.Exit(BAD_NEWS if any(e.error for e in explanations) else 0)


def _print_explanation(found: dict[str, Any]) -> None:
    event, child = found["event"] or {}, found["child"] or {}
    refused = found["code"] is not None
    rows = {
        "verdict": "[red]quarantined[/red]" if refused else "[green]started[/green]",
        "format": found["format"],
        "reason": escape(f"{found['code']}: {found['reason']}") if refused else None,
        "type": event.get("type"),
        "source": event.get("source"),
        "subject": event.get("subject"),
        "time": event.get("time"),
        "key": found["key"],
        "": "a redelivery of it could not be recognised" if found["fresh"] else None,
        "workflow ID": found["workflow_id"],
        "route": child.get("route"),
        "child": child and f"{child['workflow']} on {child['task_queue']}",
        "child ID": child.get("id"),
        "if it runs": child and f"{child['when_running']} {child['signal'] or ''}",
        "note": found["note"],
    }
    for name, value in rows.items():
        if value:
            marked = value if name in ("verdict", "reason") else escape(str(value))
            out.print(f"[bold]{name:12}[/bold] {marked}", soft_wrap=True)
    out.print()


@routes_app.command("check")
def routes_check(
    file: Annotated[
        Path | None, typer.Argument(help="A routing table. Default: TIDEGATE_ROUTES, or shipped.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a routing table; problems name file, line and field. Ends with 2 if there are any."""
    from core.routes_file import SHIPPED, load_routes

    path = file or Settings.from_env().routes or SHIPPED
    table = load_routes(path)
    if as_json:
        print_json(table.model_dump(mode="json", by_alias=True, exclude_none=True))
        return
    listing = _table("route", "workflow", "task queue", "child ID", "when running")
    for route in table.routes:
        listing.add_row(
            route.name,
            route.workflow,
            route.task_queue,
            escape(route.child_id),
            route.when_running.value,
        )
    out.print(listing)
    out.print(f"{path}: {len(table.routes)} routes, all well")


@routes_app.command("schema")
def routes_schema() -> None:
    """Print the routing table's JSON Schema, for editors."""
    from core.routes_file import schema

    print_json(schema())


@quarantine_app.command("list")
def quarantine_list(
    every: Annotated[
        bool, typer.Option("--all", help="Those that a replay has settled, too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List what is in quarantine, newest first."""

    async def collect() -> list[Record]:
        kept = bootstrap.quarantine(Settings.from_env())
        return [record async for record in kept.records() if every or not record.settled]

    records = sorted(run(collect()), key=lambda record: record.kept_at, reverse=True)
    if as_json:
        print_json([_without_body(record) for record in records])
        return
    if not records:
        out.print("Nothing is in quarantine.")
        return
    table = _table("id", "kept at", "code", "reason", *(["replayed"] if every else []))
    for record in records:
        row = [record.id, record.kept_at, record.code, escape(record.reason)]
        if every:
            row.append(str(record.replayed["replayed_at"]) if record.replayed else "")
        table.add_row(*row)
    out.print(table)


@quarantine_app.command("show")
def quarantine_show(id: str, as_json: Json = False) -> None:
    """Show one record: the original, its headers, the reason, and its last replay."""
    record = run(bootstrap.quarantine(Settings.from_env()).get(id))
    whole = {**record.to_json(), "uri": record.uri, "replayed": record.replayed}
    if as_json:
        print_json(whole)
        return
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in whole.items():
        text = value if isinstance(value, str) else json.dumps(value, indent=2)
        table.add_row(f"[bold]{name}[/bold]", escape(text))
    out.print(table)


@quarantine_app.command("replay")
def quarantine_replay(
    ids: Annotated[list[str] | None, typer.Argument(help="Records, by id.")] = None,
    every: Annotated[
        bool, typer.Option("--all", help="All that no replay has settled yet.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Send originals through the same code again. Ends with 1 when one is refused again, with 3
    when Temporal took none of it and it must be tried later."""
    from core.receipts import Receipt, Verdict
    from core.replay import replay

    if bool(ids) == every:
        raise typer.BadParameter("name the records to replay, or say --all")

    async def replay_each() -> dict[str, list[Receipt]]:
        settings = Settings.from_env()
        kept, intake = bootstrap.quarantine(settings), bootstrap.intake(settings)
        chosen = ids or [record.id async for record in kept.records() if not record.settled]
        return {id: await replay(kept, intake, id) for id in chosen}

    outcomes = run(replay_each())
    if as_json:
        print_json({id: [r.to_json() for r in receipts] for id, receipts in outcomes.items()})
    else:
        table = _table("id", "verdict", "workflow ID or reason")
        for id, receipts in outcomes.items():
            for receipt in receipts:
                what = receipt.workflow_id or receipt.reason or ""
                table.add_row(id, receipt.verdict.value, escape(what))
        out.print(table)
    verdicts = {receipt.verdict for receipts in outcomes.values() for receipt in receipts}
    if Verdict.QUARANTINED in verdicts:
        raise typer.Exit(BAD_NEWS)
    if Verdict.RETRY in verdicts:
        raise typer.Exit(AWAY)


@incident_app.command("show")
def incident_show(id: str, as_json: Json = False) -> None:
    """Show an incident (by workflow ID) and its timeline."""
    from core.adapters import incident_commands

    async def query() -> dict[str, Any]:
        return await incident_commands.show(await bootstrap.connect(Settings.from_env()), id)

    print_json(run(query()))


def _command(id: str, update: str, actor: str, note: str) -> None:
    from core.adapters import incident_commands

    async def send_command() -> dict[str, Any]:
        client = await bootstrap.connect(Settings.from_env())
        return await incident_commands.send(client, id, update, actor=actor, note=note)

    print_json(run(send_command()))


Actor = Annotated[str, typer.Option("--by", help="Who does it.", envvar="USER")]
Note = Annotated[str, typer.Option(help="A word for the timeline.")]


@incident_app.command("acknowledge")
def incident_acknowledge(id: str, actor: Actor = "operator", note: Note = "") -> None:
    """Acknowledge an incident: the paging stops."""
    from core.contracts import UPDATE_ACKNOWLEDGE

    _command(id, UPDATE_ACKNOWLEDGE, actor, note)


@incident_app.command("resolve")
def incident_resolve(id: str, actor: Actor = "operator", note: Note = "") -> None:
    """Resolve an incident: its report is written."""
    from core.contracts import UPDATE_RESOLVE

    _command(id, UPDATE_RESOLVE, actor, note)


@app.command()
def setup() -> None:
    """Register in the Temporal namespace what the workflows need (search attributes)."""
    from core.adapters.temporal_admin import register_search_attributes

    async def register() -> list[str]:
        return await register_search_attributes(await bootstrap.connect(Settings.from_env()))

    added = run(register())
    out.print(f"Registered: {', '.join(added)}" if added else "All search attributes are there.")


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check settings, routes, stores, Temporal and workers, and say how to mend what is wrong.

    Ends with 1 when a check failed."""
    from core.doctor import Check, examine, summary

    mark = {"ok": "[green]ok[/green]", "warning": "[yellow]warn[/yellow]"}

    async def look() -> list[Check]:
        checks = []
        async for check in examine():
            checks.append(check)
            if not as_json:
                out.print(
                    f"{mark.get(check.outcome, '[red]FAIL[/red]')}  {escape(check.name)}: "
                    f"{escape(check.found)}",
                    soft_wrap=True,
                )
                if check.fix:
                    out.print(f"      next: {escape(check.fix)}", soft_wrap=True)
        return checks

    found = summary(run(look()))
    if as_json:
        print_json(found)
    raise typer.Exit(0 if found["healthy"] else BAD_NEWS)


def _without_body(record: Record) -> dict[str, Any]:
    whole = {**record.to_json(), "uri": record.uri, "replayed": record.replayed}
    return {k: v for k, v in whole.items() if k not in ("body", "body_base64")}


def _table(*columns: str) -> Table:
    """A table that folds what is long: nobody can copy an ID that ends in dots."""
    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def run(work: Coroutine[Any, Any, Answer]) -> Answer:
    return asyncio.run(work)


def print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")
