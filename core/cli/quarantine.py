"""`tidegate quarantine`: list, show and replay the originals of what could not be accepted."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from core import bootstrap
from core.cli.console import (
    EXIT_FAILED,
    EXIT_UNAVAILABLE,
    Json,
    out,
    print_json,
    table,
)
from core.config.settings import Settings
from core.intake.quarantine import QuarantineRecord

app = typer.Typer(help="List, show and replay what could not be accepted.", no_args_is_help=True)


@app.command("list")
def quarantine_list(
    every: Annotated[
        bool, typer.Option("--all", help="Include records that a replay has settled.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List quarantined originals, newest first."""

    async def collect() -> list[QuarantineRecord]:
        quarantine = bootstrap.quarantine(Settings.from_env())
        return [record async for record in quarantine.records() if every or not record.settled]

    records = sorted(asyncio.run(collect()), key=lambda record: record.kept_at, reverse=True)
    if as_json:
        print_json([_json(record) for record in records])
        return
    if not records:
        out.print("The quarantine is empty.")
        return
    columns = ("id", "kept at", "code", "reason", *(("replayed",) if every else ()))
    rows = [
        (r.id, r.kept_at, r.code, escape(r.reason), *((_replayed_at(r),) if every else ()))
        for r in records
    ]
    out.print(table(columns, rows))


@app.command("show")
def quarantine_show(
    id: Annotated[str, typer.Argument(help="The record's ID, as `list` shows it.")],
    as_json: Json = False,
) -> None:
    """Show a record: the original with its headers, the reason, and its last replay."""
    record = _json(asyncio.run(bootstrap.quarantine(Settings.from_env()).get(id)))
    if as_json:
        print_json(record)
        return
    fields = Table(show_header=False, box=None, pad_edge=False)
    for name, value in record.items():
        text = value if isinstance(value, str) else json.dumps(value, indent=2)
        fields.add_row(f"[bold]{name}[/bold]", escape(text))
    out.print(fields)


@app.command("replay")
def quarantine_replay(
    ids: Annotated[list[str] | None, typer.Argument(help="The records' IDs.")] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Replay every record that no replay has settled yet.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Send originals through the intake again.

    Exits with 1 if one is refused again, with 3 if Temporal was unavailable: try again later."""
    from core.intake.receipts import Receipt, Verdict
    from core.intake.replay import replay

    if bool(ids) == every:
        raise typer.BadParameter("name the records to replay, or use --all")

    async def replay_each() -> dict[str, list[Receipt]]:
        settings = Settings.from_env()
        quarantine, intake = bootstrap.quarantine(settings), bootstrap.intake(settings)
        chosen = ids or [record.id async for record in quarantine.records() if not record.settled]
        mapping_of = partial(bootstrap.mapping_of, settings=settings)
        return {id: await replay(quarantine, intake, id, mapping_of=mapping_of) for id in chosen}

    replayed = asyncio.run(replay_each())
    if as_json:
        print_json({id: [r.to_json() for r in receipts] for id, receipts in replayed.items()})
    else:
        rows = [
            (id, receipt.verdict.value, escape(receipt.workflow_id or receipt.reason or ""))
            for id, receipts in replayed.items()
            for receipt in receipts
        ]
        out.print(table(("id", "verdict", "workflow ID or reason"), rows))
    verdicts = {receipt.verdict for receipts in replayed.values() for receipt in receipts}
    if Verdict.QUARANTINED in verdicts:
        raise typer.Exit(EXIT_FAILED)
    if Verdict.RETRY in verdicts:
        raise typer.Exit(EXIT_UNAVAILABLE)


def _json(record: QuarantineRecord) -> dict[str, object]:
    return {**record.to_json(), "uri": record.uri, "replayed": record.replayed}


def _replayed_at(record: QuarantineRecord) -> str:
    return str(record.replayed["replayed_at"]) if record.replayed else ""
