"""Records of the quarantine, as far as each has been read: its name, its head, all of it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.domain.handles import handle_of
from core.formats.shared.delivery import Delivery
from core.ports.documents import ListedDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRecord:
    """A record as a listing of the store has it, of which nothing has been read."""

    id: str
    document: ListedDocument
    note: ListedDocument | None

    @property
    def handle(self) -> str:
        """What people type for the ID."""
        return handle_of(self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineRecord:
    """One record without its original. `kept_at`, RFC 3339 in UTC, is when it was last refused;
    `source` is the way it came in, `KIND:NAME`, or empty; `key` is the event's, if known; `unique`
    is the delivery's; `sha256` is of the original.

    `replayed` is the note of the last replay: when, of which `kept_at`, the number of `items` in
    the original, ranges of those that were `accepted` by this or an earlier replay, the receipts
    (the first hundred) and how many have which verdict. `etag` is that of the record as listed.
    """

    id: str
    uri: str
    format: str
    source: str
    code: str
    reason: str
    key: str | None
    kept_at: str
    headers: Mapping[str, str]
    sha256: str
    unique: str | None = None
    replayed: Mapping[str, Any] | None = None
    etag: str | None = None

    @property
    def handle(self) -> str:
        """What people type for the ID."""
        return handle_of(self.id)

    @property
    def settled(self) -> bool:
        """Whether replays started all of it, and none of it was refused since."""
        note = self._note
        return note is not None and len(self.accepted(note["items"])) == note["items"]

    def accepted(self, items: int) -> set[int]:
        """The numbers of those of its `items` that replays started since it was last refused; none
        where it had another number of items then."""
        note = self._note
        if note is None or note["items"] != items:
            return set()
        return {n for first, last in note["accepted"] for n in range(first, last + 1)}

    @property
    def _note(self) -> Mapping[str, Any] | None:
        """The note of the last replay, unless the record was refused again since."""
        note = self.replayed
        return note if note and note["kept_at"] == self.kept_at else None

    def to_json(self) -> dict[str, Any]:
        """The record as a JSON object."""
        return {
            "id": self.id,
            "format": self.format,
            "source": self.source,
            "code": self.code,
            "reason": self.reason,
            "key": self.key,
            "kept_at": self.kept_at,
            "sha256": self.sha256,
            "headers": dict(self.headers),
            "unique": self.unique,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinedDelivery(QuarantineRecord):
    """A record with its original."""

    body: bytes

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
        return {**QuarantineRecord.to_json(self), **body}
