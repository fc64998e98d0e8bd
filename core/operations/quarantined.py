"""Which quarantine records an operator means: by name, or by what a filter leaves.

No more is read than that takes: names and ages are decided by a listing, and heads are fetched only
until there are enough.
"""

from __future__ import annotations

import base64
import json
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from core.domain.event import Event
from core.domain.handles import Named, as_handle, meant
from core.errors import DocumentNotFound, quoted
from core.formats.shared.delivery import Arrival
from core.intake.quarantine import Quarantine
from core.intake.records import ListedRecord, QuarantineRecord

_ID: Final = re.compile(r"[a-z0-9_-]{1,200}")
"""IDs of records, their beginnings and their handles."""

State = Literal["unsettled", "settled", "any"]
"""Whether a replay has settled a record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFilter:
    """Which records to take: those with one of the `codes` and one of the `sources`, where any are
    named, of this age and state. A source is a way (`webhook:prod`), its name (`prod`), or a
    format. Ages are counted from when the store last wrote the record."""

    codes: Sequence[str] = ()
    sources: Sequence[str] = ()
    older_than: timedelta | None = None
    younger_than: timedelta | None = None
    state: State = "unsettled"

    @property
    def narrows(self) -> bool:
        """Whether it leaves out anything but by state."""
        return bool(self.codes or self.sources or self.older_than or self.younger_than)

    def may_take(self, listed: ListedRecord, now: datetime) -> bool:
        """Whether it may take a record of which nothing has been read yet."""
        age = now - listed.document.modified
        if self.older_than is not None and age <= self.older_than:
            return False
        if self.younger_than is not None and age >= self.younger_than:
            return False
        return self.state != "settled" or listed.note is not None

    def takes(self, record: QuarantineRecord) -> bool:
        """Whether it takes a record that it may take."""
        names = {record.source, record.source.partition(":")[2], record.format}
        return (
            (not self.codes or record.code in self.codes)
            and (not self.sources or not names.isdisjoint(self.sources))
            and (self.state == "any" or record.settled == (self.state == "settled"))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The records that a filter takes, newest first; whether there are `more` than the limit, and
    how many the quarantine holds `in_all`. `next` is where to go on, None at the end."""

    records: Sequence[QuarantineRecord]
    more: bool
    in_all: int
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """The records from one `source`, or of one format where that is empty, that were refused with
    one code: how many, and the `newest` and the oldest of them."""

    code: str
    source: str
    format: str
    count: int
    newest: QuarantineRecord
    oldest: QuarantineRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Causes:
    """Why records are there, the most frequent cause first. Where there are `more` records than
    were looked at, the newest were."""

    causes: Sequence[Cause]
    more: bool


async def select(
    quarantine: Quarantine,
    filter: RecordFilter,
    *,
    limit: int | None = None,
    after: str | None = None,
    reads: int | None = None,
    looked: Callable[[int, int], None] | None = None,
) -> Selection:
    """The newest records that the filter takes, from where `next` of another selection says, after
    at most so many `reads`. `looked` is called with how many have been read, of how many at most.
    Raises `ValueError` for what no `next` was."""
    now = datetime.now(UTC)
    before = _Place.read(after) if after is not None else None
    everything = await quarantine.listed()
    rest = [
        listed
        for listed in everything
        if filter.may_take(listed, now) and (before is None or _Place.of(listed) < before)
    ]
    candidates = rest[:reads]
    taken: list[QuarantineRecord] = []
    more = False
    async with aclosing(quarantine.records(candidates)) as records:
        count = 0
        async for record in records:
            count += 1
            if looked:
                looked(count, len(candidates))
            if not filter.takes(record):
                continue
            if limit is not None and len(taken) == limit:
                more = True
                break
            taken.append(record)
    last = None
    if more:
        last = next(each for each in candidates if each.id == taken[-1].id)
    elif len(candidates) < len(rest):
        last = candidates[-1]
    return Selection(
        records=taken,
        more=more,
        in_all=len(everything),
        next=_Place.of(last).text() if last else None,
    )


async def causes(quarantine: Quarantine, filter: RecordFilter, *, reads: int) -> Causes:
    """Why the newest records that the filter takes are there, after so many `reads` at most."""
    found = await select(quarantine, filter, reads=reads)
    groups: dict[tuple[str, str, str], list[QuarantineRecord]] = defaultdict(list)
    for record in found.records:
        place = "" if record.source else record.format
        groups[record.code, record.source, place].append(record)
    listed = [
        Cause(
            code=code,
            source=source,
            format=records[0].format,
            count=len(records),
            newest=records[0],
            oldest=records[-1],
        )
        for (code, source, _), records in groups.items()
    ]
    listed.sort(key=lambda each: each.count, reverse=True)
    return Causes(causes=listed, more=found.next is not None)


class _Place(NamedTuple):
    """Where a record stands in the list."""

    modified: datetime
    id: str

    @classmethod
    def of(cls, listed: ListedRecord) -> _Place:
        return cls(listed.document.modified, listed.id)

    def text(self) -> str:
        fields = json.dumps([self.modified.isoformat(), self.id])
        return base64.urlsafe_b64encode(fields.encode()).decode().rstrip("=")

    @classmethod
    def read(cls, text: str) -> _Place:
        """Raises `ValueError`."""
        try:
            padded = text + "=" * (-len(text) % 4)
            modified, id = json.loads(base64.b64decode(padded, altchars="-_", validate=True))
            place = cls(datetime.fromisoformat(modified), id)
        except (ValueError, TypeError, RecursionError):
            raise ValueError("is not the next of a page") from None
        if not isinstance(id, str) or place.modified.tzinfo is None:
            raise ValueError("is not the next of a page")
        return place


async def find(quarantine: Quarantine, texts: Sequence[str]) -> list[ListedRecord]:
    """The records that are named, each once: by handle, by the beginning of an ID, or by an ID.
    Only names are read. Raises `DocumentNotFound`, or `AmbiguousId` for what fits several."""
    found: dict[str, ListedRecord] = {}
    everything: list[ListedRecord] | None = None
    for text in texts:
        if as_handle(text):
            everything = await quarantine.listed() if everything is None else everything
            candidates = everything
        else:
            candidates = await quarantine.listed(text) if _ID.fullmatch(text) else []
        by_id = {listed.id: listed for listed in candidates}
        name = meant(text, [named(listed) for listed in candidates])
        if name is None:
            raise DocumentNotFound(
                f"no quarantine record {quoted(text)} under {quarantine.root}",
                fix="`tidegate quarantine list --all` has their handles",
            )
        found[name.id] = by_id[name.id]
    return list(found.values())


def named(listed: ListedRecord) -> Named:
    """A record as people tell it from others, by what a listing says of it."""
    format = listed.id.rpartition("-")[0]
    return Named(listed.id, f"{format}, kept {listed.document.modified:%Y-%m-%d %H:%M} UTC")


async def read_named(quarantine: Quarantine, texts: Sequence[str]) -> list[QuarantineRecord]:
    """The records that are named, in that order. Raises what `find` raises."""
    listed = await find(quarantine, texts)
    records = [record async for record in quarantine.records(listed)]
    if missing := {each.id for each in listed} - {record.id for record in records}:
        raise DocumentNotFound(
            f"{quarantine.root}{min(missing)}.json is deleted by now, or no quarantine record",
            fix="`tidegate quarantine list --all` has their handles",
        )
    return records


def item_json(number: int, arrival: Arrival) -> dict[str, Any]:
    """What an item is, as a JSON object."""
    match arrival.item:
        case Event() as event:
            known = {"event_id": event.id, "type": event.type, "key": event.key}
            return {"item": number, **known, "subject": event.subject}
        case malformed:
            return {"item": number, "reason": malformed.error.message}
