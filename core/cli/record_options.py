"""Options by which commands name quarantine records, and what they name."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli.completion import complete, newest_records
from core.cli.progress import progress
from core.cli.quantities import duration
from core.intake.quarantine import Quarantine
from core.intake.records import QuarantineRecord

if TYPE_CHECKING:
    from core.operations.quarantined import RecordFilter, State


def record_json(record: QuarantineRecord) -> dict[str, object]:
    """A record as `--json` prints it."""
    extra = {"handle": record.handle, "uri": record.uri, "settled": record.settled}
    return {**record.to_json(), **extra, "replayed": record.replayed}


def record_filter(
    codes: Sequence[str] | None,
    sources: Sequence[str] | None,
    older_than: timedelta | None,
    younger_than: timedelta | None,
    state: State = "unsettled",
) -> RecordFilter:
    """The filter that options make."""
    from core.operations.quarantined import RecordFilter

    return RecordFilter(
        codes=codes or (),
        sources=sources or (),
        older_than=older_than,
        younger_than=younger_than,
        state=state,
    )


def chosen(
    names: Sequence[str] | None, every: bool, filter: RecordFilter, *, filters_suffice: bool
) -> Callable[[Quarantine], Coroutine[Any, Any, Sequence[QuarantineRecord]]]:
    """What reads the records that are named, or all that the filter takes, newest first. Raises
    `typer.BadParameter` unless it is one of the two."""
    filtered = filter.narrows
    if names and (every or filtered):
        raise typer.BadParameter("name the records, or use --all with filters: not both")
    if not names and not every and not (filtered and filters_suffice):
        more = " for all that match the filters" if filtered else " for all of them"
        raise typer.BadParameter(f"name the records, or use --all{more}")

    async def read(quarantine: Quarantine) -> Sequence[QuarantineRecord]:
        from core.operations.quarantined import read_named, select

        if names:
            return await read_named(quarantine, names)
        with progress("reading records") as looked:
            return (await select(quarantine, filter, looked=looked)).records

    return read


Record = Annotated[
    str,
    typer.Argument(
        help="The record's handle, its ID, or the beginning of its ID.",
        autocompletion=complete(newest_records),
    ),
]
Records = Annotated[
    list[str] | None,
    typer.Argument(
        help="The records' handles, IDs, or beginnings of IDs.",
        autocompletion=complete(newest_records),
    ),
]
Codes = Annotated[
    list[str] | None,
    typer.Option("--code", help="Only with this error code, e.g. NoRoute (repeatable)."),
]
Sources = Annotated[
    list[str] | None,
    typer.Option(
        "--source",
        help="Only from there: a way like webhook:prod, its name alone, or a format (repeatable).",
    ),
]
OlderThan = Annotated[
    timedelta | None,
    typer.Option(parser=duration, metavar="DURATION", help="Only kept longer ago: 30m, 12h, 7d."),
]
YoungerThan = Annotated[
    timedelta | None,
    typer.Option(parser=duration, metavar="DURATION", help="Only kept since then: 30m, 12h, 7d."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
