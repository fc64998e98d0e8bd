"""`tidegate quarantine delete`: originals that nobody needs any more."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from core import bootstrap
from core.cli.console import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    Json,
    err,
    out,
    print_json,
    print_lines,
    terminal_width,
)
from core.cli.progress import progress
from core.cli.quarantine_view import record_lines
from core.cli.record_options import (
    Codes,
    DryRun,
    OlderThan,
    Records,
    Sources,
    YoungerThan,
    chosen,
    record_filter,
)
from core.config.settings import Settings
from core.domain.text import counted
from core.errors import DocumentChanged, TidegateError
from core.intake.quarantine import Quarantine
from core.intake.records import QuarantineRecord

if TYPE_CHECKING:
    from core.operations.quarantined import State

_LISTED: Final = 10
"""Most records that are listed before they are deleted."""
_DELETED_TOGETHER: Final = 8


def quarantine_delete(
    records: Records = None,
    code: Codes = None,
    source: Sources = None,
    older_than: OlderThan = None,
    younger_than: YoungerThan = None,
    every: Annotated[
        bool,
        typer.Option("--all", help="Delete every record that matches, replayed or not."),
    ] = False,
    settled: Annotated[
        bool, typer.Option("--settled", help="With --all, only what a replay has settled.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Delete records with their originals, which may be the only copies there are.

    A record that is refused again in the meantime is kept. A store that keeps old versions keeps
    these, too. Exits with 1 if any was kept."""
    state: State = "settled" if settled else "any"
    filter = record_filter(code, source, older_than, younger_than, state)
    choose = chosen(records, every, filter, filters_suffice=False)
    if settled and not every:
        raise typer.BadParameter("--settled is a filter: use it with --all")
    quarantine = bootstrap.quarantine(Settings.from_env())
    named = asyncio.run(choose(quarantine))
    if not named or dry_run:
        _print_named(named, as_json)
        return
    if not yes:
        _confirm(named)
    removal = _Removal(quarantine, named)
    try:
        asyncio.run(removal.run())
    except KeyboardInterrupt:
        removal.end(as_json)
        err.print(f"Stopped: {len(removal.deleted):,} of {counted(len(named), 'record')} deleted.")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except TidegateError:
        if removal.deleted or removal.kept:
            removal.end(as_json)
        raise
    removal.end(as_json)
    raise typer.Exit(EXIT_FAILED if removal.kept else 0)


def _print_named(named: Sequence[QuarantineRecord], as_json: bool) -> None:
    if as_json:
        print_json({"would_delete": [record.id for record in named]})
        return
    print_lines(record_lines(named, terminal_width(), datetime.now(UTC)))
    would = f"{counted(len(named), 'record')} would be deleted."
    out.print(would if named else "No record matches.")


def _confirm(named: Sequence[QuarantineRecord]) -> None:
    if not _asks():
        raise typer.BadParameter("nobody can be asked here: add --yes, or look with --dry-run")
    for each in record_lines(named[:_LISTED], err.width, datetime.now(UTC)):
        err.print(each, soft_wrap=True)
    if (more := len(named) - _LISTED) > 0:
        err.print(f"and {more:,} more")
    err.print(f"Delete {counted(len(named), 'record')} for good? \\[y/N] ", end="")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        err.print("Nothing was deleted.")
        raise typer.Exit(EXIT_FAILED)


def _asks() -> bool:
    return sys.stdin.isatty()


class _Removal:
    """Deletes records, a few at a time, and knows how far it has got."""

    def __init__(self, quarantine: Quarantine, named: Sequence[QuarantineRecord]) -> None:
        self._quarantine = quarantine
        self._named = named
        self.deleted: list[QuarantineRecord] = []
        self.kept: list[QuarantineRecord] = []

    async def run(self) -> None:
        """Delete them. An error lets those in flight finish, and is raised then."""
        rest = iter(self._named)
        failed: list[TidegateError] = []
        with progress("deleting") as at:

            async def delete_rest() -> None:
                while not failed and (record := next(rest, None)):
                    try:
                        await self._quarantine.delete(record)
                    except DocumentChanged:
                        self.kept.append(record)
                    except TidegateError as error:
                        failed.append(error)
                    else:
                        self.deleted.append(record)
                    at(len(self.deleted) + len(self.kept), len(self._named))

            await asyncio.gather(*(delete_rest() for _ in range(_DELETED_TOGETHER)))
        if failed:
            raise failed[0]

    def end(self, as_json: bool) -> None:
        """Print what was deleted."""
        if as_json:
            ids = {"deleted": self.deleted, "kept": self.kept}
            print_json({name: [each.id for each in records] for name, records in ids.items()})
        elif len(self._named) == 1 and self.deleted:
            out.print(f"{self.deleted[0].handle} deleted")
        else:
            out.print(f"{counted(len(self.deleted), 'record')} deleted")
        for record in self.kept:
            err.print(f"{record.handle} kept: it was refused again in the meantime")
