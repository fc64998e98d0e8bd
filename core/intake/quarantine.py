"""Quarantine: the original bytes of what could not be accepted, with the reason beside them.

Each record is a JSON object under an ID derived from the original, so that a redelivery of the same
original is kept once. Only an operator deletes one; a replay leaves a note beside its record. What
is refused again overwrites its record, which makes the note obsolete.

The original is a record's last field, written and checked slice by slice: whoever lists records
fetches what comes before it, so however large originals are, listing costs no more.
"""

from __future__ import annotations

import asyncio
import base64
import codecs
import hashlib
import json
import logging
import re
from collections import Counter, deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Iterable,
    Iterator,
    Mapping,
)
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

from core.domain.event import DocumentRef, Event
from core.domain.identity import replay_key
from core.domain.validation import is_within
from core.errors import DocumentExists, DocumentNotFound, InvalidEvent, PermanentError
from core.formats.registry import kept_body, kept_headers
from core.formats.shared.delivery import (
    CHANGING_HEADERS,
    REPLAY_KEY_HEADER,
    WAY_HEADER,
    Arrival,
)
from core.formats.shared.times import format_time
from core.intake.receipts import Receipt, shown
from core.intake.records import ListedRecord, QuarantinedDelivery, QuarantineRecord
from core.ports.documents import DocumentStore

log = logging.getLogger(__name__)

_RECORD, _NOTE = ".json", ".replayed.json"
_BODY: Final = b',\n "body'
"""How the field with the original begins. Within a string, JSON has no line break."""
_SLICE: Final = 48 * 1024
"""Bytes of the original that are written together; a multiple of three, for base64."""
_HEAD_BYTES: Final = (16 * 1024, 4 * 1024 * 1024)
"""How many bytes of a file are searched for the end of a record's head, and how many where it does
not end there."""
_READ_AHEAD: Final = 8
"""Records of a listing that are read concurrently."""
_NOTED_RECEIPTS: Final = 100
"""Most receipts in the note of a replay, beside their number by verdict."""
_FIELDS: Final = (
    *("id", "format", "source", "code", "reason", "key", "kept_at", "headers", "sha256", "unique"),
)
"""The fields of a record's head."""
_NAME: Final = re.compile(r"([a-z0-9_]+-[0-9a-f]{24})(?:\.replayed)?\.json")
"""Names of records and their notes; the group is the record's ID."""


class Quarantine:
    """Writes, lists and reads records under the URI prefix `root`."""

    def __init__(self, store: DocumentStore, root: str) -> None:
        self._store = store
        self._root = root if root.endswith("/") else f"{root}/"

    @property
    def root(self) -> str:
        """The URI prefix of all records."""
        return self._root

    async def keep(self, arrival: Arrival, error: PermanentError, *, alone: bool = True) -> str:
        """Keep the delivery that `arrival` came in; returns the URI of a record that can be read.
        `alone` says that nothing else of the delivery is kept with it. Raises `StoreUnavailable`,
        and then nothing is kept."""
        delivery, event = arrival.delivery, arrival.item
        known = event if isinstance(event, Event) else None
        return await self._write(
            delivery.format,
            kept_headers(delivery),
            kept_body(delivery),
            error,
            source=(known.way if known else "") or delivery.headers.get(WAY_HEADER, ""),
            key=known.key if known else None,
            unique=delivery.unique,
            announced=self._announced(known) if known and alone else None,
        )

    async def keep_event(self, wire: Any, error: PermanentError, *, started: bool = True) -> str:
        """Keep what a workflow received and cannot process: an event in its wire form, or any other
        JSON. Returns the record's URI.

        If the event's workflow has completed (`started`), a replay needs a key of its own. If it
        failed, the key can be used again, and a redelivery counts as the same event.
        """
        announced = None
        with suppress(InvalidEvent):
            announced = self._announced(Event.from_wire(wire))
        fields = wire if isinstance(wire, Mapping) else {}
        key, source = (str(fields.get(name) or "") for name in ("tidegatekey", "tidegateway"))
        body = json.dumps(wire, ensure_ascii=False).encode(errors="surrogatepass")
        digest = hashlib.sha256(body).hexdigest()[:24]
        headers = {REPLAY_KEY_HEADER: replay_key(key, digest)} if started and key else {}
        return await self._write(
            "stored_event",
            headers,
            body,
            error,
            source=source,
            key=key or None,
            announced=announced,
        )

    def _announced(self, event: Event) -> str | None:
        """The ID of the record that an event announces, if any. A record of such an event would be
        announced, too, in an endless loop."""
        try:
            document = event.document
        except InvalidEvent:
            return None
        if document is None or not is_within(document.uri, (self._root,)):
            return None
        name = _NAME.fullmatch(document.uri.removeprefix(self._root))
        return name[1] if name else None

    async def _write(
        self,
        format: str,
        headers: Mapping[str, str],
        body: bytes,
        error: PermanentError,
        *,
        source: str,
        key: str | None,
        unique: str | None = None,
        announced: str | None,
    ) -> str:
        """Write a record; returns its URI. An event that announces a record is kept in that one's
        place, unless it is there: then it says all that there is to say."""
        id = announced or _id(format, headers, body)
        uri = f"{self._root}{id}{_RECORD}"
        record = QuarantineRecord(
            id=id,
            uri=uri,
            format=format,
            source=shown(source),
            code=error.code,
            reason=str(error),
            key=key,
            kept_at=_now(),
            headers=headers,
            sha256=hashlib.sha256(body).hexdigest(),
            unique=unique,
        )
        with suppress(DocumentExists):
            await self._store.write(
                uri,
                _chunks(record, body),
                content_type="application/json",
                if_absent=announced is not None,
            )
        return uri

    async def get(self, id: str) -> QuarantinedDelivery:
        """The record. Raises `DocumentNotFound`."""
        try:
            raw = await self._get(f"{self._root}{id}{_RECORD}")
        except DocumentNotFound as error:
            raise DocumentNotFound(
                f"no quarantine record {id!r} under {self._root}", fix="`tidegate quarantine list`"
            ) from error
        fields = self._fields(id, raw)
        fields["replayed"] = await self._note(f"{self._root}{id}{_NOTE}")
        original = json.loads(raw)
        body = original.get("body_base64")
        return QuarantinedDelivery(
            **fields,
            body=original["body"].encode() if body is None else base64.b64decode(body),
        )

    def _fields(self, id: str, record: bytes) -> dict[str, Any]:
        """The fields of a record's head. Raises `DocumentNotFound` for any other file."""
        head, original, _ = record.partition(_BODY)
        try:
            fields = json.loads(head + b"}")
        except (ValueError, RecursionError):
            fields = None
        if not original or not isinstance(fields, dict) or not set(_FIELDS) <= set(fields):
            raise DocumentNotFound(
                f"{self._root}{id}{_RECORD} is not a quarantine record",
                fix="keep nothing else under the quarantine's prefix",
            )
        return {**{name: fields[name] for name in _FIELDS}, "uri": f"{self._root}{id}{_RECORD}"}

    async def listed(self, beginning: str = "") -> list[ListedRecord]:
        """All records whose ID begins so, settled ones too, newest first; none of them is read."""
        prefix = self._root + beginning
        documents = {document.uri: document async for document in self._store.list(prefix)}
        found = []
        for uri, document in documents.items():
            name = uri.removeprefix(self._root)
            if name.endswith(_RECORD) and not name.endswith(_NOTE) and "/" not in name:
                id = name.removesuffix(_RECORD)
                note = documents.get(f"{self._root}{id}{_NOTE}")
                found.append(ListedRecord(id=id, document=document, note=note))
        return sorted(found, key=lambda each: (each.document.modified, each.id), reverse=True)

    async def records(
        self, listed: Iterable[ListedRecord] | None = None
    ) -> AsyncGenerator[QuarantineRecord]:
        """The listed records in their order, without their originals; all of them by default. Other
        files in their place are logged, and so is what was deleted meanwhile."""
        rest = iter(await self.listed() if listed is None else listed)
        reading: deque[asyncio.Task[QuarantineRecord | None]] = deque()
        try:
            while True:
                for each in islice(rest, _READ_AHEAD - len(reading)):
                    reading.append(asyncio.create_task(self._read(each)))
                if not reading:
                    return
                if record := await reading.popleft():
                    yield record
        finally:
            for task in reading:
                task.cancel()
            await asyncio.gather(*reading, return_exceptions=True)

    async def _read(self, listed: ListedRecord) -> QuarantineRecord | None:
        try:
            fields = self._fields(listed.id, await self._head(listed.document.uri))
        except DocumentNotFound as error:
            log.warning("%s", error)
            return None
        if listed.note:
            fields["replayed"] = await self._note(listed.note.uri)
        return QuarantineRecord(**fields, etag=listed.document.etag)

    async def _note(self, uri: str) -> dict[str, Any] | None:
        """The note at a URI; None where there is none, or something else, which is logged."""
        try:
            note = json.loads(await self._get(uri))
        except DocumentNotFound:
            return None
        except (ValueError, RecursionError):
            note = None
        if not isinstance(note, dict) or not {"kept_at", "items", "accepted"} <= set(note):
            log.warning("%s is not the note of a replay: the record counts as not replayed", uri)
            return None
        return note

    async def note_replay(
        self, record: QuarantineRecord, receipts: Mapping[int, Receipt], *, items: int
    ) -> None:
        """Write the receipts, by the number of each item among the original's `items`, beside the
        record, which is as it was before the replay."""
        accepted = {number for number, receipt in receipts.items() if receipt.accepted}
        note = {
            "replayed_at": _now(),
            "kept_at": record.kept_at,
            "items": items,
            "accepted": _ranges(accepted | record.accepted(items)),
            "verdicts": Counter(receipt.verdict.value for receipt in receipts.values()),
            "receipts": [
                {"item": number, **receipt.to_json()}
                for number, receipt in islice(receipts.items(), _NOTED_RECEIPTS)
            ],
        }

        async def chunks() -> AsyncIterator[bytes]:
            yield _json(note).encode(errors="surrogatepass")

        uri = f"{self._root}{record.id}{_NOTE}"
        await self._store.write(uri, chunks(), content_type="application/json")

    async def delete(self, record: QuarantineRecord) -> None:
        """Delete the record and the note of its replay; what is deleted already is no error. Raises
        `DocumentChanged` for a record that was refused again since it was listed."""
        # The note first: without its record it would never be found again.
        await self._store.delete(DocumentRef(uri=f"{self._root}{record.id}{_NOTE}"))
        await self._store.delete(DocumentRef(uri=record.uri, etag=record.etag))

    async def _head(self, uri: str) -> bytes:
        """The beginning of a record, at least to where its original begins."""
        head = b""
        for most in _HEAD_BYTES:
            head = await self._get(uri, first=most)
            if _BODY in head or len(head) < most:
                break
        return head

    async def _get(self, uri: str, *, first: int | None = None) -> bytes:
        chunks = self._store.read(DocumentRef(uri=uri), first=first)
        return b"".join([chunk async for chunk in chunks])


def _ranges(numbers: Iterable[int]) -> list[list[int]]:
    """The fewest ranges, each a first and a last number, that have all of the numbers."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return found


def _id(format: str, headers: Mapping[str, str], body: bytes) -> str:
    """The ID of a record: of all that makes it what it is, and the same for a redelivery."""
    same = sorted((name, text) for name, text in headers.items() if name not in CHANGING_HEADERS)
    digest = hashlib.sha256(json.dumps([format, same]).encode())
    digest.update(body)
    return f"{format}-{digest.hexdigest()[:24]}"


async def _chunks(record: QuarantineRecord, body: bytes) -> AsyncIterator[bytes]:
    """The record as JSON, with the original as text if it is UTF-8, else as base64."""
    yield _json(record.to_json()).removesuffix("\n}").encode(errors="surrogatepass")
    if _is_text(body):
        yield _BODY + b'": "'
        for text in _decoded(body):
            yield json.dumps(text, ensure_ascii=False)[1:-1].encode()
    else:
        yield _BODY + b'_base64": "'
        for begin in range(0, len(body), _SLICE):
            yield base64.b64encode(body[begin : begin + _SLICE])
    yield b'"\n}'


def _is_text(body: bytes) -> bool:
    try:
        for _ in _decoded(body):
            pass
    except UnicodeDecodeError:
        return False
    return True


def _decoded(body: bytes) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    for begin in range(0, len(body), _SLICE):
        yield decoder.decode(body[begin : begin + _SLICE])
    decoder.decode(b"", final=True)


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)


def _now() -> str:
    return format_time(datetime.now(UTC))
