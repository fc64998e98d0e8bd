"""`tidegate quarantine replay`: originals go through the intake again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.text import Text

from core import bootstrap
from core.cli.console import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_UNAVAILABLE,
    EXIT_USAGE,
    Json,
    err,
    out,
    print_json,
    print_lines,
    print_next,
    terminal_width,
)
from core.cli.layout import hanging, line
from core.cli.progress import progress
from core.cli.quantities import rate, seconds
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
from core.errors import SettingsError, TidegateError
from core.intake.records import QuarantineRecord

if TYPE_CHECKING:
    from core.operations.explain import Explanation
    from core.operations.replays import Replayed

_NAMED_ITEMS: Final = 5
"""Most items of a record that are named, of those that were not accepted."""
_FINE: Final = ("accepted", "duplicate", "dropped")
"""Results of which nothing more is said where a record has several items."""


def quarantine_replay(
    records: Records = None,
    code: Codes = None,
    source: Sources = None,
    older_than: OlderThan = None,
    younger_than: YoungerThan = None,
    every: Annotated[
        bool, typer.Option("--all", help="Replay every record that no replay has settled yet.")
    ] = False,
    item: Annotated[
        int | None,
        typer.Option(min=1, help="Only this item of the one record, by its number in `show`."),
    ] = None,
    per_second: Annotated[
        float | None,
        typer.Option(
            "--rate", parser=rate, metavar="RATE", help="At most so many events: 20/s, 100/m."
        ),
    ] = None,
    wait: Annotated[
        bool, typer.Option(help="Wait for what the workflows make of the events.")
    ] = True,
    timeout: Annotated[
        float,
        typer.Option(
            min=0, callback=seconds, help="Seconds to wait for what becomes of each record."
        ),
    ] = 30.0,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Send originals through the intake again, the oldest first, and say what becomes of them.

    Filters alone mean all that match. Exits with 1 if anything is refused again, by a workflow,
    too; with 2 if a setting is wrong; with 3 if Temporal was unavailable, or if it was not known in
    time what became of an event."""
    from core.operations.replays import (
        explain_record,
        mapping_by,
        receipts_alone,
        replay_records,
        waiting,
    )

    filter = record_filter(code, source, older_than, younger_than)
    choose = chosen(records, every, filter, filters_suffice=True)
    if item is not None and len(records or ()) != 1:
        raise typer.BadParameter("--item is of one record: name that one")
    settings = Settings.from_env()
    mapping_of = mapping_by(settings)
    report = _Report(as_json)

    async def replay_each() -> None:
        quarantine, intake = bootstrap.quarantine(settings), bootstrap.intake(settings)
        named = await choose(quarantine)
        report.total = len(named)
        in_order = named if records else named[::-1]
        with progress("replaying", from_total=2) as report.at:
            if dry_run:
                for record in in_order:
                    explained = await explain_record(
                        quarantine, record, settings, mapping_of=mapping_of, item=item
                    )
                    report.expected(record, explained)
                return
            await replay_records(
                quarantine,
                intake,
                in_order,
                mapping_of=mapping_of,
                follower=waiting(settings) if wait else receipts_alone,
                timeout=timeout,
                item=item,
                rate=per_second,
                sent=report.sent,
                report=report.replayed,
            )

    try:
        asyncio.run(replay_each())
    except KeyboardInterrupt:
        if report.begun:
            report.end()
        report.stopped()
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except TidegateError:
        if report.begun:
            report.end()
        raise
    report.end()
    raise typer.Exit(report.exit_code)


class _Report:
    """Prints what becomes of records as it is known, and counts it."""

    def __init__(self, as_json: bool) -> None:
        self.total = 0
        self.at: Callable[[int, int], None] = lambda done, total: None
        self._as_json = as_json
        self._json: dict[str, object] = {}
        self._sent = 0
        self._reported = 0
        self._results: Counter[str] = Counter()
        self._misconfigured = False
        self._next: str | None = None

    def sent(self, record: QuarantineRecord) -> None:
        self._sent += 1

    def replayed(self, replayed: Replayed) -> None:
        from core.operations.outcome import next_step

        outcomes = replayed.outcomes
        self._json[replayed.record.id] = [
            {"item": number, **receipt.to_json(), "outcome": outcomes[number].to_json()}
            for number, receipt in replayed.receipts.items()
        ] or [{"outcome": outcome.to_json()} for outcome in outcomes.values()]
        self._next = next_step(outcomes.values())
        codes = {outcome.code for outcome in outcomes.values()}
        self._misconfigured |= SettingsError.__name__ in codes
        texts = {n: (each.result.value, each.text) for n, each in outcomes.items()}
        self._print(replayed.record, texts)

    def expected(self, record: QuarantineRecord, explained: Mapping[int, Explanation]) -> None:
        """What a dry run says of a record."""
        self._sent += 1
        self._json[record.id] = [{"item": n, **each.to_json()} for n, each in explained.items()]
        self._print(record, {n: _expected(each) for n, each in explained.items()})

    def _print(self, record: QuarantineRecord, texts: Mapping[int, tuple[str, str]]) -> None:
        self._reported += 1
        self._results.update(result for result, _ in texts.values())
        if not self._as_json:
            print_lines(result_lines(record.handle, texts, terminal_width()))
        self.at(self._reported, self.total)

    @property
    def exit_code(self) -> int:
        if self._results["refused"] or self._results["would be refused"]:
            return EXIT_FAILED
        if self._misconfigured:
            return EXIT_USAGE
        return EXIT_UNAVAILABLE if self._results["unavailable"] + self._results["unknown"] else 0

    @property
    def begun(self) -> bool:
        """Whether anything has been done."""
        return self._sent + self._reported > 0

    def end(self) -> None:
        """Print what it came to."""
        if self._as_json:
            print_json(self._json)
        elif self.total == 0:
            out.print("Nothing to replay.")
        elif self.total == 1 and self._next:
            print_next(self._next)
        elif self.total > 1:
            events = sum(self._results.values())
            of = f"{counted(self._reported, 'record')}, {counted(events, 'event')}"
            out.print(f"{of}: {_counted(self._results)}", soft_wrap=True)

    def stopped(self) -> None:
        """Say how far it got."""
        unknown = self._sent - self._reported
        open_ends = f"; what became of {unknown:,} of them is not known" if unknown > 0 else ""
        err.print(f"Stopped: {self._sent:,} of {self.total:,} records replayed{open_ends}.")


def _expected(explained: Explanation) -> tuple[str, str]:
    error, target = explained.error, explained.target
    if error:
        return "would be refused", f"would be refused: {error.code}: {error.message}"
    if target is None:
        return "would be accepted", "would be accepted by the root orchestrator"
    return "would be accepted", (
        f"would be accepted: route {target.route}, {target.deliver.value} {target.workflow} "
        f"{explained.workflow_id}"
    )


def _counted(results: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {result}" for result, count in results.items()) or "no events"


def result_lines(
    handle: str, texts: Mapping[int, tuple[str, str]], width: int | None
) -> list[Text]:
    """What became of a record's items, each a result and a sentence: one in a line, of several how
    many have which result and the sentences of those that need somebody."""
    label = Text.assemble((handle, "bold"), "  ")
    if not texts:
        return [label + Text("it holds no events")]
    if list(texts) == [1]:
        return hanging(label, line(texts[1][1]), width)
    if len(texts) == 1:
        [(number, (_, text))] = texts.items()
        return hanging(label, line(f"item {number}: {text}"), width)
    counts = _counted(Counter(result for result, _ in texts.values()))
    lines = hanging(label, line(f"{len(texts):,} items: {counts}"), width)
    bad = {n: text for n, (result, text) in texts.items() if result not in _FINE}
    for number in list(bad)[:_NAMED_ITEMS]:
        lines += hanging(Text("  "), line(f"item {number}: {bad[number]}"), width)
    if (more := len(bad) - _NAMED_ITEMS) > 0:
        lines.append(Text(f"  and {more:,} more; --json has all of them"))
    return lines
