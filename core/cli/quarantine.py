"""`tidegate quarantine`: the originals of what could not be accepted."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from core import bootstrap
from core.cli.console import AWAY, BAD_NEWS, Json, out, print_json, run, table
from core.config.settings import Settings
from core.intake.quarantine import QuarantinedDelivery

app = typer.Typer(help="The originals of what could not be accepted.", no_args_is_help=True)


@app.command("list")
def quarantine_list(
    every: Annotated[
        bool, typer.Option("--all", help="Those that a replay has settled, too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List what is in quarantine, newest first."""

    async def collect() -> list[QuarantinedDelivery]:
        kept = bootstrap.quarantine(Settings.from_env())
        return [record async for record in kept.records() if every or not record.settled]

    records = sorted(run(collect()), key=lambda record: record.kept_at, reverse=True)
    if as_json:
        print_json([_without_body(record) for record in records])
        return
    if not records:
        out.print("Nothing is in quarantine.")
        return
    listing = table("id", "kept at", "code", "reason", *(["replayed"] if every else []))
    for record in records:
        row = [record.id, record.kept_at, record.code, escape(record.reason)]
        if every:
            row.append(str(record.replayed["replayed_at"]) if record.replayed else "")
        listing.add_row(*row)
    out.print(listing)


@app.command("show")
def quarantine_show(id: str, as_json: Json = False) -> None:
    """Show one record: the original, its headers, the reason, and its last replay."""
    record = run(bootstrap.quarantine(Settings.from_env()).get(id))
    whole = {**record.to_json(), "uri": record.uri, "replayed": record.replayed}
    if as_json:
        print_json(whole)
        return
    listing = Table(show_header=False, box=None, pad_edge=False)
    for name, value in whole.items():
        text = value if isinstance(value, str) else json.dumps(value, indent=2)
        listing.add_row(f"[bold]{name}[/bold]", escape(text))
    out.print(listing)


@app.command("replay")
def quarantine_replay(
    ids: Annotated[list[str] | None, typer.Argument(help="Records, by id.")] = None,
    every: Annotated[
        bool, typer.Option("--all", help="All that no replay has settled yet.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Send originals through the same code again. Ends with 1 when one is refused again, with 3
    when Temporal took none of it and it must be tried later."""
    from core.intake.receipts import Receipt, Verdict
    from core.intake.replay import replay

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
        listing = table("id", "verdict", "workflow ID or reason")
        for id, receipts in outcomes.items():
            for receipt in receipts:
                what = receipt.workflow_id or receipt.reason or ""
                listing.add_row(id, receipt.verdict.value, escape(what))
        out.print(listing)
    verdicts = {receipt.verdict for receipts in outcomes.values() for receipt in receipts}
    if Verdict.QUARANTINED in verdicts:
        raise typer.Exit(BAD_NEWS)
    if Verdict.RETRY in verdicts:
        raise typer.Exit(AWAY)


def _without_body(record: QuarantinedDelivery) -> dict[str, Any]:
    whole = {**record.to_json(), "uri": record.uri, "replayed": record.replayed}
    return {k: v for k, v in whole.items() if k not in ("body", "body_base64")}
