"""The quarantine by cause: what was refused and why, its originals, replay and deletion.

Originals hold whatever their senders sent: only an admin sees them, as in the API. What would
replay or delete is asked for on a page of its own, which names what it is about.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from core.app.console.forms import done, fields, may, message, shown
from core.app.console.frame import Page, Visit
from core.app.identity.caller import Role
from core.app.pages import Refused
from core.domain.command import Word
from core.domain.durations import format_age
from core.domain.event import parse_time
from core.domain.printable import printable, printable_line
from core.domain.text import counted, shortened
from core.errors import ConfigurationError, DocumentChanged, DocumentNotFound
from core.intake.record_texts import item_text, readable, replay_state
from core.intake.records import QuarantinedDelivery, QuarantineRecord
from core.operations.quarantined import Cause, RecordFilter, causes, find, read_named, select

PATH: Final = "/quarantine"
RECORDS: Final = f"{PATH}/records"
RECORD: Final = f"{PATH}/record"
REPLAY: Final = f"{PATH}/replay"
DELETE: Final = f"{PATH}/delete"

READS: Final = 1_000
"""Most records that are read for one page."""
PER_PAGE: Final = 50
MOST_REPLAYED: Final = 50
"""Most records that one form replays."""
REPLAY_WITHIN: Final = 15.0
"""Seconds for the replays of one form: what there is no time for is not begun."""
_REASON_CHARS: Final = 300
_BODY_CHARS: Final = 20_000
_ITEMS: Final = 50
_IDS_CHARS: Final = 10_000

Id = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,200}$")]

log = logging.getLogger("tidegate.app")


class Wanted(BaseModel):
    """Which records: by code and by source, which may be a format."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    code: Word | None = None
    source: Word | None = None
    state: Literal["unsettled", "settled", "any"] = "unsettled"
    after: Annotated[str, Field(max_length=1_000)] | None = None

    @property
    def filter(self) -> RecordFilter:
        return RecordFilter(
            codes=(self.code,) if self.code else (),
            sources=(self.source,) if self.source else (),
            state=self.state,
        )

    @property
    def kept(self) -> dict[str, str | None]:
        """What the addresses of other pages of these records have."""
        return {"code": self.code, "source": self.source, "state": self.state}


class One(BaseModel):
    """Which record."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: Id


async def by_cause(visit: Visit) -> Response:
    """Why records are there, and how many for each reason."""
    wanted = visit.query(Wanted)
    found = await causes(visit.console.services.quarantine, wanted.filter, reads=READS)
    now = datetime.now(UTC)
    return visit.page(
        "quarantine.html",
        title="Quarantine",
        rows=[_cause(visit, cause, wanted, now) for cause in found.causes],
        state=wanted.state,
        summary=_summary(found.causes),
        reads=f"{READS:,}" if found.more else None,
        done=message(visit),
        problem=None,
        section=PATH,
    )


def _cause(visit: Visit, cause: Cause, wanted: Wanted, now: datetime) -> dict[str, Any]:
    place = cause.source or cause.format
    return {
        "code": cause.code,
        "source": place,
        "count": f"{cause.count:,}",
        "newest": _age(cause.newest, now),
        "oldest": _age(cause.oldest, now),
        "reason": shortened(printable_line(cause.newest.reason), _REASON_CHARS),
        "link": visit.url(RECORDS, code=cause.code, source=place, state=wanted.state),
    }


def _summary(found: Sequence[Cause]) -> str:
    records = sum(cause.count for cause in found)
    if not records:
        return "There are no such records."
    return f"{counted(records, 'record')} for {counted(len(found), 'cause')}."


def _age(record: QuarantineRecord, now: datetime) -> str:
    return f"{format_age(now - parse_time(record.kept_at))} ago"


async def records(visit: Visit) -> Response:
    """The records of one cause, the newest first."""
    wanted = visit.query(Wanted)
    try:
        found = await select(
            visit.console.services.quarantine,
            wanted.filter,
            limit=PER_PAGE,
            after=wanted.after,
            reads=READS,
        )
    except ValueError:
        raise Refused(
            410, "NoPage", "The list has gone on", "Begin it again: this page of it is over."
        ) from None
    now = datetime.now(UTC)
    what = " from ".join(each for each in (wanted.code, wanted.source) if each)
    return visit.page(
        "quarantine_records.html",
        title=f"Quarantine: {what}" if what else "Quarantine: all records",
        rows=[_row(visit, record, now) for record in found.records],
        beginning=visit.url(RECORDS, **wanted.kept) if wanted.after else None,
        following=visit.url(RECORDS, **wanted.kept, after=found.next) if found.next else None,
        replay=visit.url(REPLAY, **wanted.kept)
        if may(visit, Role.ADMIN) and wanted.state != "settled" and found.records
        else None,
        most=MOST_REPLAYED,
        section=PATH,
    )


def _row(visit: Visit, record: QuarantineRecord, now: datetime) -> dict[str, Any]:
    return {
        "handle": record.handle,
        "link": visit.url(RECORD, id=record.id),
        "code": record.code,
        "source": record.source or record.format,
        "age": _age(record, now),
        "reason": shortened(printable_line(record.reason), _REASON_CHARS),
        "state": replay_state(record),
    }


async def record(visit: Visit) -> Response:
    """One record, and for an admin its original."""
    id = visit.query(One).id
    if not may(visit, Role.ADMIN):
        return _shown(visit, await _named(visit, id))
    quarantine = visit.console.services.quarantine
    try:
        [listed] = await find(quarantine, [id])
        kept = await quarantine.get(listed.id)
    except DocumentNotFound as error:
        raise _missing(error) from error
    _note(visit, "read", kept)
    return _shown(visit, kept, original=await asyncio.to_thread(_original, visit, kept))


def _shown(
    visit: Visit, record: QuarantineRecord, *, original: Mapping[str, Any] | None = None
) -> Response:
    now, admin = datetime.now(UTC), may(visit, Role.ADMIN)
    kept = f"{shown(parse_time(record.kept_at), UTC)} UTC, {_age(record, now)}"
    facts = {
        "Reason": printable(record.reason),
        "Refused": kept,
        "Source": record.source,
        "Format": record.format,
        "Key": record.key or "",
        "ID": record.id,
        "Stored as": record.uri if admin else "",
        "SHA-256": record.sha256,
        "Replayed": _replayed(record),
    }
    return visit.page(
        "quarantine_record.html",
        title=f"{record.handle}: {record.code}",
        facts=[(name, text) for name, text in facts.items() if text],
        original=original,
        replay=visit.url(REPLAY, id=record.id) if admin else None,
        delete=visit.url(DELETE, id=record.id) if admin else None,
        section=PATH,
    )


def _replayed(record: QuarantineRecord) -> str:
    """What the last replay has done, as far as its note says."""
    note = record.replayed
    if note is None:
        return ""
    verdicts = ", ".join(f"{count:,} {verdict}" for verdict, count in note["verdicts"].items())
    when = shown(parse_time(note["replayed_at"]), UTC)
    if note["kept_at"] != record.kept_at:
        state = "refused again since"
    else:
        state = replay_state(record) or "not settled"
    return f"{when} UTC: {verdicts or 'it held no events'}; {state}"


def _original(visit: Visit, record: QuarantinedDelivery) -> dict[str, Any]:
    """What an original holds. Runs in a thread: it may be large."""
    from core.intake.replay import items_of
    from core.operations.replays import mapping_by

    problem = None
    try:
        found = items_of(record, mapping_of=mapping_by(visit.console.services.settings))
    except ConfigurationError as error:
        found, problem = {}, f"What it holds cannot be read here: {error.message}"
    items = [
        (number, printable_line(item_text(arrival)))
        for number, arrival in list(found.items())[:_ITEMS]
    ]
    text = printable(readable(record.body, _BODY_CHARS))
    return {
        "headers": [(name, printable_line(value)) for name, value in record.headers.items()],
        "items": items,
        "more_items": len(found) - len(items),
        "problem": problem,
        "bytes": f"{len(record.body):,}",
        "text": text[:_BODY_CHARS],
        "cut": len(text) > _BODY_CHARS,
        "handle": record.handle,
    }


async def _named(visit: Visit, id: str) -> QuarantineRecord:
    """A record without its original. Raises `Refused` or `AmbiguousId`."""
    try:
        [record] = await read_named(visit.console.services.quarantine, [id])
    except DocumentNotFound as error:
        raise _missing(error) from error
    return record


def _missing(error: DocumentNotFound) -> Refused:
    """What says where the quarantine is, is for the log alone."""
    text = "It was deleted, or its address is cut."
    return Refused(404, error.code, "There is no such record", text, why=error.message)


# ----------------------------------------------------------------------------------- replay


class WhatToReplay(Wanted):
    """One record, or the newest of a cause."""

    id: Id | None = None


async def ask_replay(visit: Visit) -> Response:
    """The page that asks whether to replay a record, or those of a cause."""
    wanted = visit.query(WhatToReplay)
    if wanted.id:
        taken: Sequence[QuarantineRecord] = [await _named(visit, wanted.id)]
        more = False
    else:
        found = await select(
            visit.console.services.quarantine, wanted.filter, limit=MOST_REPLAYED, reads=READS
        )
        taken, more = found.records, found.more or found.next is not None
    now = datetime.now(UTC)
    return visit.page(
        "quarantine_ask.html",
        title=f"Replay {counted(len(taken), 'record')}?",
        text="They are sent through the intake again, the oldest first. What was started already "
        "counts as a duplicate; what still cannot work is refused again, in the same place.",
        rows=[_row(visit, each, now) for each in taken],
        more=f"There are more: these are the newest {MOST_REPLAYED}." if more else None,
        action=visit.url(REPLAY),
        button="Replay",
        dangerous=False,
        hidden={"ids": " ".join(each.id for each in taken)},
        back=visit.url(RECORD, id=wanted.id) if wanted.id else visit.url(RECORDS, **wanted.kept),
        section=PATH,
    )


class Replaying(BaseModel):
    """The form that replays, with the IDs that the page before it named."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    ids: Annotated[str, Field(min_length=1, max_length=_IDS_CHARS)]

    @property
    def each(self) -> list[str]:
        return list(dict.fromkeys(self.ids.split()))


async def replay(visit: Visit) -> Response:
    """Replay records, and say what the intake made of each."""
    from core.operations.replays import Replayed, mapping_by, receipts_alone, replay_records

    ids = fields(visit, Replaying).each
    if len(ids) > MOST_REPLAYED:
        text = f"One form replays at most {MOST_REPLAYED} records. Nothing was done."
        raise Refused(400, "TooMany", "Those are too many", text)
    services = visit.console.services
    quarantine = services.quarantine
    try:
        named = await read_named(quarantine, ids)
    except DocumentNotFound as error:
        raise _missing(error) from error
    named.sort(key=lambda each: each.kept_at)
    outcomes: list[Replayed] = []
    for each in named:
        _note(visit, "replayed", each)
    try:
        async with asyncio.timeout(REPLAY_WITHIN):
            await replay_records(
                quarantine,
                services.intake,
                named,
                mapping_of=mapping_by(services.settings),
                follower=receipts_alone,
                timeout=0,
                report=outcomes.append,
            )
        unfinished = 0
    except TimeoutError:
        unfinished = len(named) - len(outcomes)
    return visit.page(
        "quarantine_replayed.html",
        title=f"{counted(len(outcomes), 'record')} replayed",
        rows=[_outcome(visit, each) for each in outcomes],
        unfinished=unfinished,
        section=PATH,
    )


def _outcome(visit: Visit, replayed: Any) -> dict[str, Any]:
    """What became of a record: a sentence for each of its first items."""
    texts = [
        (number, outcome.result.value, printable_line(outcome.text))
        for number, outcome in list(replayed.outcomes.items())[:_ITEMS]
    ]
    return {
        "handle": replayed.record.handle,
        "link": visit.url(RECORD, id=replayed.record.id),
        "texts": texts,
        "more": len(replayed.outcomes) - len(texts),
    }


# ----------------------------------------------------------------------------------- deletion


async def ask_delete(visit: Visit) -> Response:
    """The page that asks whether to delete a record."""
    record = await _named(visit, visit.query(One).id)
    return visit.page(
        "quarantine_ask.html",
        title=f"Delete {record.handle}?",
        text="The record and its original are deleted for good. It may be the only copy there is.",
        rows=[_row(visit, record, datetime.now(UTC))],
        more=None,
        action=visit.url(DELETE),
        button="Delete",
        dangerous=True,
        hidden={"id": record.id, "kept_at": record.kept_at},
        back=visit.url(RECORD, id=record.id),
        section=PATH,
    )


class Deleting(One):
    """The form that deletes a record, as it was when the page before it named it."""

    kept_at: Annotated[str, Field(max_length=64)]


async def delete(visit: Visit) -> Response:
    """Delete a record, unless it was refused again since somebody was asked."""
    wanted = fields(visit, Deleting)
    record = await _named(visit, wanted.id)
    try:
        if record.kept_at != wanted.kept_at:
            raise DocumentChanged(f"{record.id} was refused again")
        await visit.console.services.quarantine.delete(record)
    except DocumentChanged as error:
        raise Refused(
            409,
            error.code,
            "Nothing was deleted",
            "The record was refused again in the meantime: look at it before you delete it.",
            why=error.message,
        ) from None
    _note(visit, "deleted", record)
    return done(visit, f"{record.handle} is deleted.", PATH)


def _note(visit: Visit, deed: str, record: QuarantineRecord) -> None:
    """Whoever sees an original, or takes it away, is in the log: nothing else knows of it."""
    name = printable_line(visit.session.caller.name)
    log.warning("quarantine: %s %s by %s", record.id, deed, name)


PAGES: Final[Sequence[Page]] = (
    Page(path=PATH, handle=by_cause, name="Quarantine"),
    Page(path=RECORDS, handle=records),
    Page(path=RECORD, handle=record),
    Page(path=REPLAY, handle=ask_replay, role=Role.ADMIN),
    Page(path=REPLAY, handle=replay, role=Role.ADMIN, method="POST"),
    Page(path=DELETE, handle=ask_delete, role=Role.ADMIN),
    Page(path=DELETE, handle=delete, role=Role.ADMIN, method="POST"),
)
