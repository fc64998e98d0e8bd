"""Quarantine: the original bytes of what could not be accepted, with the reason beside them.

Each record is a JSON object under an ID derived from the original, so that a redelivery of the same
original is kept once. Nothing is ever deleted; a replay leaves a note beside its record. What is
refused again overwrites its record, which makes the note obsolete.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from core.domain.event import DocumentRef, Event
from core.domain.identity import replay_key
from core.domain.validation import is_within
from core.errors import DocumentNotFound, InvalidEvent, PermanentError
from core.formats.shared.delivery import REPLAY_KEY_HEADER, WAY_HEADER, Arrival, Delivery
from core.intake.receipts import Receipt, Verdict
from core.ports.documents import DocumentStore

log = logging.getLogger(__name__)

_IDENTIFYING: Final = ("message-id", WAY_HEADER, "x-github-delivery", "request-id")
"""Headers that distinguish deliveries of the same bytes."""
_RECORD, _NOTE = ".json", ".replayed.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinedDelivery:
    """One record. `kept_at`, RFC 3339 in UTC, is when it was last refused; `key` is the event's, if
    known; `unique` is the delivery's; `replayed` is the note of the last replay: when, of which
    `kept_at`, and its receipts."""

    id: str
    uri: str
    format: str
    code: str
    reason: str
    key: str | None
    kept_at: str
    headers: Mapping[str, str]
    body: bytes
    unique: str | None = None
    replayed: Mapping[str, Any] | None = None

    @property
    def settled(self) -> bool:
        """Whether a replay started all of it, and none of it was refused since."""
        if self.replayed is None or self.replayed.get("kept_at") != self.kept_at:
            return False
        verdicts = {receipt["verdict"] for receipt in self.replayed["receipts"]}
        return verdicts <= {Verdict.STARTED, Verdict.DELIVERED, Verdict.DUPLICATE}

    def delivery(self) -> Delivery:
        """The original delivery. Its unidentified events are identified by the delivery, or else by
        the record, so that a replay starts nothing twice."""
        unique = self.unique or self.id
        return Delivery(format=self.format, body=self.body, headers=self.headers, unique=unique)

    def to_json(self) -> dict[str, Any]:
        """The record as a JSON object; the body as text if it is UTF-8, else as base64."""
        body: dict[str, str]
        try:
            body = {"body": self.body.decode()}
        except UnicodeDecodeError:
            body = {"body_base64": base64.b64encode(self.body).decode()}
        return {
            "id": self.id,
            "format": self.format,
            "code": self.code,
            "reason": self.reason,
            "key": self.key,
            "kept_at": self.kept_at,
            "sha256": hashlib.sha256(self.body).hexdigest(),
            "headers": dict(self.headers),
            "unique": self.unique,
            **body,
        }


class Quarantine:
    """Writes, lists and reads records under the URI prefix `root`."""

    def __init__(self, store: DocumentStore, root: str) -> None:
        self._store = store
        self._root = root if root.endswith("/") else f"{root}/"

    async def keep(self, arrival: Arrival, error: PermanentError) -> str:
        """Keep the delivery that `arrival` came in; returns the record's URI. Raises
        `StoreUnavailable`, and then nothing is kept."""
        delivery, event = arrival.delivery, arrival.item
        if isinstance(event, Event) and (uri := self._announced(event)):
            return uri
        return await self._write(
            delivery.format,
            delivery.headers,
            delivery.body,
            error,
            key=event.key if isinstance(event, Event) else None,
            unique=delivery.unique,
        )

    async def keep_event(self, wire: Any, error: PermanentError, *, started: bool = True) -> str:
        """Keep what a workflow received and cannot process: an event in its wire form, or any other
        JSON. Returns the record's URI.

        If the event's workflow has completed (`started`), a replay needs a key of its own. If it
        failed, the key can be used again, and a redelivery counts as the same event.
        """
        with suppress(InvalidEvent):
            if uri := self._announced(Event.from_wire(wire)):
                return uri
        key = str(wire.get("tidegatekey") or "") if isinstance(wire, Mapping) else ""
        body = json.dumps(wire, ensure_ascii=False).encode(errors="surrogatepass")
        digest = hashlib.sha256(body).hexdigest()[:24]
        headers = {REPLAY_KEY_HEADER: replay_key(key, digest)} if started and key else {}
        return await self._write("stored_event", headers, body, error, key=key or None)

    def _announced(self, event: Event) -> str | None:
        """The URI of the record that an event announces, if any. Keeping such an event would be
        announced too, in an endless loop."""
        try:
            document = event.document
        except InvalidEvent:
            return None
        return document.uri if document and is_within(document.uri, (self._root,)) else None

    async def _write(
        self,
        format: str,
        headers: Mapping[str, str],
        body: bytes,
        error: PermanentError,
        *,
        key: str | None,
        unique: str | None = None,
    ) -> str:
        identity = json.dumps([format, *(headers.get(name) for name in _IDENTIFYING)]).encode()
        digest = hashlib.sha256(identity + body).hexdigest()[:24]
        id = f"{format}-{digest}"
        record = QuarantinedDelivery(
            id=id,
            uri=f"{self._root}{id}{_RECORD}",
            format=format,
            code=error.code,
            reason=str(error),
            key=key,
            kept_at=_now(),
            headers=headers,
            body=body,
            unique=unique,
        )
        await self._put(record.uri, record.to_json())
        return record.uri

    async def get(self, id: str) -> QuarantinedDelivery:
        """The record. Raises `DocumentNotFound`."""
        try:
            raw = await self._get(f"{self._root}{id}{_RECORD}")
        except DocumentNotFound as error:
            raise DocumentNotFound(
                f"no quarantine record {id!r} under {self._root}", fix="`tidegate quarantine list`"
            ) from error
        try:
            note = await self._get(f"{self._root}{id}{_NOTE}")
        except DocumentNotFound:
            note = None
        return self._record(id, raw, note)

    def _record(self, id: str, record: bytes, note: bytes | None) -> QuarantinedDelivery:
        fields = ("id", "format", "code", "reason", "key", "kept_at", "headers")
        try:
            raw = json.loads(record)
        except ValueError:
            raw = None
        if not isinstance(raw, dict) or not set(fields) <= set(raw):
            raise DocumentNotFound(
                f"{self._root}{id}{_RECORD} is not a quarantine record",
                fix="keep nothing else under the quarantine's prefix",
            )
        body = (
            base64.b64decode(raw["body_base64"]) if "body_base64" in raw else raw["body"].encode()
        )
        return QuarantinedDelivery(
            **{name: raw[name] for name in fields},
            uri=f"{self._root}{id}{_RECORD}",
            body=body,
            unique=raw.get("unique"),
            replayed=json.loads(note) if note else None,
        )

    async def records(self) -> AsyncIterator[QuarantinedDelivery]:
        """All records, settled ones too; other files in their place are logged."""
        names = {document.uri async for document in self._store.list(self._root)}
        for uri in sorted(names):
            name = uri.removeprefix(self._root)
            if not name.endswith(_RECORD) or name.endswith(_NOTE) or "/" in name:
                continue
            id = name.removesuffix(_RECORD)
            note = f"{self._root}{id}{_NOTE}"
            try:
                body = await self._get(uri)
                record = self._record(id, body, await self._get(note) if note in names else None)
            except DocumentNotFound as error:
                log.warning("%s", error)
            else:
                yield record

    async def note_replay(self, record: QuarantinedDelivery, receipts: Sequence[Receipt]) -> None:
        """Write the receipts beside the record, which is as it was before the replay."""
        note = {
            "replayed_at": _now(),
            "kept_at": record.kept_at,
            "receipts": [receipt.to_json() for receipt in receipts],
        }
        await self._put(f"{self._root}{record.id}{_NOTE}", note)

    async def _put(self, uri: str, value: Mapping[str, Any]) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            yield json.dumps(value, ensure_ascii=False, indent=1).encode(errors="surrogatepass")

        await self._store.write(uri, chunks(), content_type="application/json")

    async def _get(self, uri: str) -> bytes:
        return b"".join([chunk async for chunk in self._store.read(DocumentRef(uri=uri))])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
