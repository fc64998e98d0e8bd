"""The quarantine: what was refused, and why. An admin reads originals, replays and deletes.

Originals hold whatever their senders sent: a viewer sees which records there are and why, as the
receipts and the log say, and nothing of what is in them.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, Final, Self

from pydantic import AwareDatetime, BeforeValidator, Field
from starlette.responses import Response

from core.app.api.bodies import made, read_command
from core.app.api.models import Answer
from core.app.api.operations import NOT_READ, Call, Operation, answer
from core.app.api.problems import Refused
from core.app.api.requests import Age, Cursor, Limit, NoQuery, Query, Words, invalid
from core.app.identity.caller import Role
from core.config.settings import Settings
from core.domain.command import Command
from core.domain.printable import printable_line
from core.errors import ConfigurationError, DocumentNotFound
from core.intake.records import QuarantinedDelivery, QuarantineRecord
from core.intake.replay import items_of
from core.operations.outcome import Outcome, Result
from core.operations.quarantined import (
    Cause,
    RecordFilter,
    State,
    causes,
    find,
    item_json,
    read_named,
    select,
)
from core.operations.replays import Replayed, mapping_by, replay_one

READS: Final = 1000
"""Most records that are read for one answer."""
REPLAY_WITHIN: Final = 20.0
"""Seconds for what becomes of a replayed record."""

log = logging.getLogger("tidegate.app")


def _whole(value: object) -> object:
    """1.0 is an integer in JSON."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_Number = Annotated[int, Field(ge=1, le=1_000_000), BeforeValidator(_whole)]


class CausesQuery(Query):
    """Which records are counted."""

    code: Words = Field(default=(), description="Only with one of these error codes.")
    source: Words = Field(
        default=(),
        description="Only from one of these: a way like `webhook:prod`, its name, or a format.",
    )
    older_than: Age | None = Field(
        default=None, description="Only kept longer ago: `30m`, `12h`, `7d`."
    )
    younger_than: Age | None = Field(default=None, description="Only kept since then, likewise.")
    state: State = Field(
        default="unsettled", description="Whether a replay has settled them; `any` for both."
    )

    def filter(self) -> RecordFilter:
        return RecordFilter(
            codes=self.code,
            sources=self.source,
            older_than=self.older_than,
            younger_than=self.younger_than,
            state=self.state,
        )


class RecordsQuery(CausesQuery):
    """Which records are listed."""

    limit: Limit = Field(default=100, description="At most so many on a page.")
    cursor: Cursor | None = Field(
        default=None, description="Where the page begins: `next` of the page before."
    )


class ReplayRecord(Command):
    """Send an original through the intake again, and say what becomes of it."""

    name = "replay_record"

    item: _Number | None = Field(None, description="Only this item of the original, by its number.")


class DeleteRecord(Command):
    """Delete a record with its original, which may be the only copy there is."""

    name = "delete_record"


class ListedRecord(Answer):
    """A record without its original."""

    id: str
    handle: str = Field(description="The six characters by which people name it.")
    format: str
    source: str = Field(description="The way it came in, `KIND:NAME`, or empty.")
    code: str = Field(description="Why it was refused, in a word.")
    reason: str = Field(description="Why it was refused, in a sentence.")
    key: str | None = Field(description="The event's, where it is known.")
    kept_at: AwareDatetime = Field(description="When it was refused last.")
    sha256: str = Field(description="Of the original.")
    settled: bool = Field(description="Whether replays have started all of it.")
    replayed_at: AwareDatetime | None

    @classmethod
    def of(cls, record: QuarantineRecord) -> Self:
        return cls.model_validate({**record.to_json(), **_of_replays(record)})


class RecordPage(Answer):
    """Records, the newest first. A page may have fewer than `limit`, and yet not be the last."""

    records: tuple[ListedRecord, ...]
    next: str | None = Field(description="The `cursor` of the next page; null on the last.")


class ListedCause(Answer):
    """Records that were refused with one code, from one source or of one format."""

    code: str
    source: str
    format: str = Field(description="That of the newest.")
    count: int
    newest: ListedRecord
    oldest: ListedRecord

    @classmethod
    def of(cls, cause: Cause) -> Self:
        return cls(
            code=cause.code,
            source=cause.source,
            format=cause.format,
            count=cause.count,
            newest=ListedRecord.of(cause.newest),
            oldest=ListedRecord.of(cause.oldest),
        )


class CauseList(Answer):
    """Why records are there, the most frequent cause first."""

    causes: tuple[ListedCause, ...]
    more: bool = Field(description=f"Whether only the newest {READS:,} records were looked at.")


class OriginalItem(Answer):
    """One of the things that an original holds, as it is read now."""

    item: int
    event_id: str | None = None
    type: str | None = None
    key: str | None = None
    subject: str | None = None
    reason: str | None = Field(None, description="Why it is not an event.")


class Original(Answer):
    """An original as it was kept."""

    id: str
    handle: str
    headers: Mapping[str, str] = Field(description="Those that are known to be harmless.")
    items: tuple[OriginalItem, ...] | None = Field(
        description="What it holds; null where its sender's mapping cannot be read here."
    )
    body: str | None = Field(description="The original, where it is text.")
    body_base64: str | None = Field(description="The original, where it is no text.")


class ItemOutcome(Answer):
    """What became of one item."""

    item: int
    result: Result
    text: str = Field(description="What became of it, in a sentence.")
    code: str | None = None
    workflow_id: str | None = None
    incident_id: str | None = None

    @classmethod
    def of(cls, item: int, outcome: Outcome) -> Self:
        return cls(
            item=item,
            result=outcome.result,
            text=outcome.text,
            code=outcome.code,
            workflow_id=outcome.child_id or outcome.workflow_id,
            incident_id=outcome.incident.id if outcome.incident else None,
        )


class RecordReplayed(Answer):
    """What became of a record that was replayed, item by item."""

    command_id: str
    id: str
    handle: str
    items: tuple[ItemOutcome, ...]

    @classmethod
    def of(cls, command_id: str, replayed: Replayed) -> Self:
        return cls(
            command_id=command_id,
            id=replayed.record.id,
            handle=replayed.record.handle,
            items=tuple(ItemOutcome.of(n, each) for n, each in replayed.outcomes.items()),
        )


class RecordDeleted(Answer):
    """A record that is no longer there."""

    command_id: str
    id: str
    handle: str


async def listed(call: Call[RecordsQuery]) -> Response:
    query = call.query
    try:
        found = await select(
            call.services.quarantine,
            query.filter(),
            limit=query.limit,
            after=query.cursor,
            reads=READS,
        )
    except ValueError as error:
        raise invalid(f"cursor: {error}") from None
    return answer(RecordPage(records=tuple(map(ListedRecord.of, found.records)), next=found.next))


async def by_cause(call: Call[CausesQuery]) -> Response:
    found = await causes(call.services.quarantine, call.query.filter(), reads=READS)
    return answer(CauseList(causes=tuple(map(ListedCause.of, found.causes)), more=found.more))


async def shown(call: Call[NoQuery]) -> Response:
    return answer(ListedRecord.of(await _record(call)))


async def original(call: Call[NoQuery]) -> Response:
    quarantine = call.services.quarantine
    try:
        [listed] = await find(quarantine, [call.named("record")])
        kept = await quarantine.get(listed.id)
    except DocumentNotFound as error:
        raise _missing(error) from error
    _note(call, "read", kept)
    # In a thread: it may be large, and others are to be answered meanwhile.
    return await asyncio.to_thread(lambda: answer(_original(kept, call.services.settings)))


def _original(kept: QuarantinedDelivery, settings: Settings) -> Original:
    try:
        read = items_of(kept, mapping_of=mapping_by(settings))
        items = tuple(OriginalItem(**item_json(number, each)) for number, each in read.items())
    except ConfigurationError:
        items = None
    try:
        body, encoded = kept.body.decode(), None
    except UnicodeDecodeError:
        body, encoded = None, base64.b64encode(kept.body).decode()
    return Original(
        id=kept.id,
        handle=kept.handle,
        headers=kept.headers,
        items=items,
        body=body,
        body_base64=encoded,
    )


async def replayed(call: Call[NoQuery]) -> Response:
    command = await read_command(call, ReplayRecord)
    record, services = await _record(call), call.services
    _note(call, "replayed", record)
    try:
        done = await replay_one(
            services.quarantine,
            services.intake,
            record,
            settings=services.settings,
            client=await services.client(),
            item=command.item,
            timeout=REPLAY_WITHIN,
        )
    except DocumentNotFound as error:
        raise _missing(error) from error
    return answer(RecordReplayed.of(command.command_id, done))


async def deleted(call: Call[NoQuery]) -> Response:
    command = made(call, DeleteRecord, {})
    record = await _record(call)
    await call.services.quarantine.delete(record)
    _note(call, "deleted", record)
    return answer(RecordDeleted(command_id=command.command_id, id=record.id, handle=record.handle))


async def _record(call: Call[Any]) -> QuarantineRecord:
    """The record that the path names. Raises `Refused` or `AmbiguousId`."""
    try:
        [record] = await read_named(call.services.quarantine, [call.named("record")])
    except DocumentNotFound as error:
        raise _missing(error) from error
    return record


def _missing(error: DocumentNotFound) -> Refused:
    """What says where the quarantine is, is for the log alone."""
    return Refused(
        HTTPStatus.NOT_FOUND,
        error.code,
        "there is no such quarantine record or item",
        why=error.message,
    )


def _note(call: Call[Any], deed: str, record: QuarantineRecord) -> None:
    """Whoever sees an original, or takes it away, is in the log: nothing else knows of it."""
    log.warning("quarantine: %s %s by %s", record.id, deed, printable_line(call.caller.name))


def _of_replays(record: QuarantineRecord) -> dict[str, Any]:
    note = record.replayed
    return {
        "handle": record.handle,
        "settled": record.settled,
        "replayed_at": note["replayed_at"] if note else None,
    }


_ONE: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)

OPERATIONS: Final[tuple[Operation[Any], ...]] = (
    Operation(
        id="listQuarantine",
        method="GET",
        path="/quarantine",
        summary="List quarantined originals, the newest first.",
        role=Role.VIEWER,
        query=RecordsQuery,
        handle=listed,
        answers={HTTPStatus.OK: RecordPage},
    ),
    Operation(
        id="quarantineCauses",
        method="GET",
        path="/quarantine/causes",
        summary="Count quarantined originals by why they were refused.",
        role=Role.VIEWER,
        query=CausesQuery,
        handle=by_cause,
        answers={HTTPStatus.OK: CauseList},
    ),
    Operation(
        id="showQuarantined",
        method="GET",
        path="/quarantine/{record}",
        summary="Show a quarantine record, without its original.",
        role=Role.VIEWER,
        query=NoQuery,
        handle=shown,
        answers={HTTPStatus.OK: ListedRecord},
        refusals=_ONE,
    ),
    Operation(
        id="readOriginal",
        method="GET",
        path="/quarantine/{record}/original",
        summary="Read a quarantined original, and what it holds.",
        role=Role.ADMIN,
        query=NoQuery,
        handle=original,
        answers={HTTPStatus.OK: Original},
        refusals=_ONE,
    ),
    Operation(
        id="replayQuarantined",
        method="POST",
        path="/quarantine/{record}/replay",
        summary="Send an original through the intake again, and say what becomes of it.",
        role=Role.ADMIN,
        query=NoQuery,
        handle=replayed,
        command=ReplayRecord,
        answers={HTTPStatus.OK: RecordReplayed},
        refusals=(*NOT_READ, *_ONE),
    ),
    Operation(
        id="deleteQuarantined",
        method="DELETE",
        path="/quarantine/{record}",
        summary="Delete a record with its original, which may be the only copy there is.",
        role=Role.ADMIN,
        query=NoQuery,
        handle=deleted,
        command=DeleteRecord,
        answers={HTTPStatus.OK: RecordDeleted},
        refusals=_ONE,
    ),
)
