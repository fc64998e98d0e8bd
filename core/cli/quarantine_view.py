"""Quarantine records as a terminal shows them: a list, a record with its original."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from rich.text import Text

from core.cli.clock import shown_time
from core.cli.layout import Item, fact_lines, item_lines, line
from core.domain.durations import format_age
from core.domain.event import parse_time
from core.formats.shared.delivery import Arrival
from core.intake.record_texts import item_text, readable, replay_state
from core.intake.records import QuarantinedDelivery, QuarantineRecord

_BODY_CHARS: Final = 4000
_ITEMS: Final = 20


def record_lines(
    records: Sequence[QuarantineRecord], width: int | None, now: datetime
) -> list[Text]:
    """One line for each record, or two."""
    return item_lines([_item(record, now) for record in records], width)


def _item(record: QuarantineRecord, now: datetime) -> Item:
    facts = [
        Text(record.code, "red"),
        Text(age(record, now)),
        line(record.source),
        line(record.format, "dim"),
        Text(replay_state(record), "green"),
    ]
    return Item(record.handle, record.reason, facts)


def age(record: QuarantineRecord, now: datetime) -> str:
    """How long ago it was last refused."""
    return format_age(now - parse_time(record.kept_at))


def shown_record(
    record: QuarantinedDelivery, items: Mapping[int, Arrival], width: int | None, now: datetime
) -> Iterator[Text]:
    """A record with what it holds and the beginning of its original, in lines."""
    yield Text.assemble((record.handle, "bold"), "  ", (record.code, "red"))
    kept = f"{shown_time(parse_time(record.kept_at), now=now)}, {age(record, now)} ago"
    facts: list[tuple[str, Text | None]] = [
        ("reason", line(record.reason)),
        ("kept", Text(kept)),
        ("source", line(record.source)),
        ("format", line(record.format)),
        ("key", line(record.key or "")),
        ("id", line(record.id)),
        ("stored as", line(record.uri)),
        ("sha256", line(record.sha256)),
        ("replayed", _replayed(record, now)),
    ]
    yield from fact_lines(facts, width)
    if record.headers:
        yield Text()
        yield from fact_lines([(n, line(text)) for n, text in record.headers.items()], width)
    if items:
        yield Text()
        yield from _item_lines(items, width)
    yield Text()
    yield from _body_lines(record)


def _replayed(record: QuarantineRecord, now: datetime) -> Text | None:
    note = record.replayed
    if note is None:
        return None
    verdicts = ", ".join(f"{count:,} {verdict}" for verdict, count in note["verdicts"].items())
    when = shown_time(parse_time(note["replayed_at"]), now=now)
    if note["kept_at"] != record.kept_at:
        state = "refused again since"
    else:
        state = replay_state(record) or "not settled"
    return line(f"{when}: {verdicts or 'it held no events'}; {state}")


def _item_lines(items: Mapping[int, Arrival], width: int | None) -> Iterator[Text]:
    facts = [(f"item {number}", line(item_text(each))) for number, each in items.items()]
    yield from fact_lines(facts[:_ITEMS], width)
    if (more := len(facts) - _ITEMS) > 0:
        yield line(f"  and {more:,} more items; --json has all of them", "dim")


def _body_lines(record: QuarantinedDelivery) -> Iterator[Text]:
    text = readable(record.body, _BODY_CHARS)
    head = f"original, {len(record.body):,} bytes"
    if len(text) > _BODY_CHARS:
        head += (
            f", of which this is the beginning; "
            f"`tidegate quarantine show {record.handle} --body` has all of it"
        )
    yield line(head, "dim")
    yield Text(text[:_BODY_CHARS])
