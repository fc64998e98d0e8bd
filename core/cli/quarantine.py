"""`tidegate quarantine list|show`: look at the originals of what was not accepted. `replay` and
`delete` have files of their own.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from core import bootstrap
from core.cli.console import Json, err, out, print_json, print_lines, terminal_width
from core.cli.payload_file import strerror
from core.cli.progress import progress
from core.cli.quarantine_delete import quarantine_delete
from core.cli.quarantine_replay import quarantine_replay
from core.cli.quarantine_view import record_lines, shown_record
from core.cli.record_options import (
    Codes,
    OlderThan,
    Record,
    Sources,
    YoungerThan,
    record_filter,
    record_json,
)
from core.config.settings import Settings
from core.domain.printable import printable
from core.errors import ConfigurationError
from core.formats.shared.delivery import Arrival
from core.intake.records import QuarantinedDelivery

if TYPE_CHECKING:
    from core.operations.quarantined import State

app = typer.Typer(
    help="List, show, replay and delete what could not be accepted.", no_args_is_help=True
)
app.command("replay")(quarantine_replay)
app.command("delete")(quarantine_delete)


@app.command("list")
def quarantine_list(
    code: Codes = None,
    source: Sources = None,
    older_than: OlderThan = None,
    younger_than: YoungerThan = None,
    every: Annotated[
        bool, typer.Option("--all", help="Include records that a replay has settled.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="List at most this many.")] = 100,
    as_json: Json = False,
) -> None:
    """List quarantined originals, newest first."""
    from core.operations.quarantined import Selection, select

    state: State = "any" if every else "unsettled"
    filter = record_filter(code, source, older_than, younger_than, state)

    async def collect() -> Selection:
        with progress("reading records") as looked:
            quarantine = bootstrap.quarantine(Settings.from_env())
            return await select(quarantine, filter, limit=limit, looked=looked)

    found = asyncio.run(collect())
    if as_json:
        print_json([record_json(record) for record in found.records])
    elif found.records:
        print_lines(record_lines(found.records, terminal_width(), datetime.now(UTC)))
    elif not found.in_all:
        out.print("The quarantine is empty.")
    elif not every and not filter.narrows:
        out.print(f"All {found.in_all:,} records are settled; --all lists them.")
    else:
        out.print("No record matches.")
    if found.more:
        err.print(f"There are more than {limit:,}: narrow the filters, or raise --limit.")


@app.command("show")
def quarantine_show(
    record: Record,
    body: Annotated[
        bool, typer.Option("--body", help="Write the original alone, byte for byte.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(help="Write the original into this file.", dir_okay=False, writable=True),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show a record: why it is there, what it holds, and the beginning of its original."""
    from core.operations.quarantined import find

    if as_json and (body or output):
        raise typer.BadParameter("--json shows the whole record: leave out --body and --output")
    settings = Settings.from_env()

    async def read() -> QuarantinedDelivery:
        quarantine = bootstrap.quarantine(settings)
        [listed] = await find(quarantine, [record])
        return await quarantine.get(listed.id)

    kept = asyncio.run(read())
    if output:
        _write_file(output, kept.body)
        err.print(f"{kept.handle}: {len(kept.body):,} bytes written to {escape(str(output))}")
    elif body:
        _write(kept)
    else:
        items, problem = _items(kept, settings)
        if as_json:
            from core.operations.quarantined import item_json

            listed = [item_json(number, arrival) for number, arrival in items.items()]
            print_json({**record_json(kept), "items": listed})
            return
        print_lines(shown_record(kept, items, terminal_width(), datetime.now(UTC)))
        if problem:
            err.print(f"What it holds cannot be read here: {escape(str(problem))}", soft_wrap=True)


def _items(
    record: QuarantinedDelivery, settings: Settings
) -> tuple[Mapping[int, Arrival], ConfigurationError | None]:
    """What the original holds, as it is read now; nothing where that takes a setting that is not
    here."""
    from core.intake.replay import items_of
    from core.operations.replays import mapping_by

    try:
        return items_of(record, mapping_of=mapping_by(settings)), None
    except ConfigurationError as error:
        return {}, error


def _write_file(path: Path, body: bytes) -> None:
    """Raises `ConfigurationError` for a file that cannot be written."""
    try:
        path.write_bytes(body)
    except OSError as error:
        raise ConfigurationError(
            f"cannot write {path}: {strerror(error)}", fix="name a file that you may write"
        ) from error


def _write(record: QuarantinedDelivery) -> None:
    """The original to standard output; a terminal gets no control character of a sender's."""
    text = record.body.decode(errors="surrogateescape")
    if sys.stdout.isatty() and printable(text) != text:
        raise typer.BadParameter(
            "it has characters that a terminal would obey: write it with --output FILE, or pipe it"
        )
    sys.stdout.flush()
    sys.stdout.buffer.write(record.body)
    sys.stdout.buffer.flush()
