"""The event: what the bytes of every source become, and all that travels on.

An `Event` has the attributes of CloudEvents 1.0 and one key of our own, by which a redelivery is
recognised. Documents are referenced, never inlined. Standard library only: the listeners import
this at every cold start.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from core.errors import InvalidEvent, quoted

DOCUMENT_CREATED: Final = "tidegate.document.created"
DOCUMENT_REMOVED: Final = "tidegate.document.removed"
DOCUMENT_CHANGED: Final = "tidegate.document.changed"
MESSAGE: Final = "tidegate.message"
ALERT: Final = "tidegate.alert"
"""The type of events that carry an alert (see `core.domain.alert`)."""
HEARTBEAT: Final = "tidegate.heartbeat"
"""The type of events that are a heartbeat's own beats: its name is the subject."""
INCIDENT_REPORTED: Final = "tidegate.incident.reported"
INCIDENT_SUCCESSOR: Final = "tidegate.incident.successor"
"""The types of the events by which `tidegate incident open` opens incidents."""
INCIDENT_COMMAND: Final = "tidegate.incident.command"
"""The type of events by which a person commands an incident from where they were paged. Its subject
is the incident's workflow ID without `incident:`, and its data the command with its name."""
DOCUMENT_TYPES: Final = (DOCUMENT_CREATED, DOCUMENT_REMOVED, DOCUMENT_CHANGED)
"""Types of events about a document, from whichever store; they carry `data.document`."""
OWN_TYPES: Final = (
    *DOCUMENT_TYPES,
    MESSAGE,
    ALERT,
    HEARTBEAT,
    INCIDENT_REPORTED,
    INCIDENT_SUCCESSOR,
    INCIDENT_COMMAND,
)
"""Every type of Tidegate's own. A sender's CloudEvents may not have them unless it is trusted with
them: what they say is acted on."""
OWN_TYPE_PREFIX: Final = "tidegate."

KEY_ATTRIBUTE: Final = "tidegatekey"
WAY_ATTRIBUTE: Final = "tidegateway"
"""Which way the event came: `webhook:prod`, `queue:orders`, `bucket:docs`. Listeners set it, and no
sender can."""
SCOPE_ATTRIBUTE: Final = "tidegatescope"
"""Within which its keys are one sender's: the way, or the name that several ways share."""
UNIDENTIFIED_ATTRIBUTE: Final = "tidegateunidentified"
TABLE_ATTRIBUTE: Final = "tidegatetable"
"""The digest of the routing table by which a listener chose the workflow. Of the events that share
a signal the first has it."""
_OWN_ATTRIBUTES: Final = (
    KEY_ATTRIBUTE,
    TABLE_ATTRIBUTE,
    UNIDENTIFIED_ATTRIBUTE,
    WAY_ATTRIBUTE,
    SCOPE_ATTRIBUTE,
)

_TEXT_ATTRIBUTES: Final = (
    "id",
    "source",
    "type",
    "subject",
    "time",
    "datacontenttype",
    "dataschema",
)
_REQUIRED: Final = ("id", "source", "type")
RESERVED: Final = frozenset(
    (*_TEXT_ATTRIBUTES, "specversion", "data", "data_base64", *_OWN_ATTRIBUTES)
)
"""Names that no extension may have."""
_TIME_CHARS: Final = 64
_EXTENSION_NAME: Final = re.compile(r"[a-z0-9]{1,64}")

Scalar = str | int | bool

_to_json: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":")
).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRef:
    """A document by reference: `uri` (scheme, bucket or container, unencoded key), `size` in bytes,
    `etag` without quotes, `version` where the store keeps versions."""

    uri: str
    size: int | None = None
    etag: str | None = None
    version: str | None = None

    def to_wire(self) -> dict[str, Any]:
        """A JSON object without the fields that are None."""
        fields = {"uri": self.uri, "size": self.size, "etag": self.etag, "version": self.version}
        return {name: value for name, value in fields.items() if value is not None}

    @classmethod
    def from_wire(cls, wire: object) -> DocumentRef:
        """The inverse of `to_wire`; unknown fields are ignored. Raises `InvalidEvent`."""
        if not isinstance(wire, Mapping):
            raise InvalidEvent("data.document is not a JSON object")
        uri, size = wire.get("uri"), wire.get("size")
        if not isinstance(uri, str) or "://" not in uri:
            raise InvalidEvent("data.document.uri is missing or is not a URI with a scheme")
        if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 0):
            raise InvalidEvent("data.document.size is not a number of bytes")
        for name in ("etag", "version"):
            if not isinstance(wire.get(name), str | None):
                raise InvalidEvent(f"data.document.{name} is not a string")
        return cls(uri=uri, size=size, etag=wire.get("etag"), version=wire.get("version"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened, as CloudEvents 1.0 names it.

    `key` is its identity over every path and redelivery (see `identity`). `unidentified` means that
    its source gave it none, so a redelivery cannot be recognised. `time` is RFC 3339 text.
    """

    id: str
    source: str
    type: str
    key: str
    unidentified: bool = False
    way: str = ""
    scope: str = ""
    subject: str | None = None
    time: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    data: Any = None
    extensions: Mapping[str, Scalar] = field(default_factory=dict)

    @property
    def document(self) -> DocumentRef | None:
        """The document the event is about, or None. Raises `InvalidEvent` for an invalid one."""
        if self.type not in DOCUMENT_TYPES:
            return None
        return DocumentRef.from_wire(self.data.get("document") if _is_object(self.data) else None)

    def to_wire(self) -> dict[str, Any]:
        """The event as one CloudEvents JSON object: the form that workflows and quarantine take."""
        wire: dict[str, Any] = {"specversion": "1.0"}
        wire |= {n: v for n in _TEXT_ATTRIBUTES if (v := getattr(self, n)) is not None}
        wire |= self.extensions
        wire[KEY_ATTRIBUTE] = self.key
        if self.way:
            wire[WAY_ATTRIBUTE] = self.way
        if self.scope:
            wire[SCOPE_ATTRIBUTE] = self.scope
        if self.unidentified:
            wire[UNIDENTIFIED_ATTRIBUTE] = True
        if self.data is not None:
            wire["data"] = self.data
        return wire

    @classmethod
    def from_wire(cls, wire: object) -> Event:
        """The inverse of `to_wire`. Raises `InvalidEvent` naming every attribute at fault."""
        if not isinstance(wire, Mapping):
            raise InvalidEvent("the event is not a JSON object")
        key = wire.get(KEY_ATTRIBUTE)
        if not isinstance(key, str) or not key:
            raise InvalidEvent(f"the event has no {KEY_ATTRIBUTE}, so it has no identity")
        unidentified = wire.get(UNIDENTIFIED_ATTRIBUTE) is True
        return cls(
            key=key,
            unidentified=unidentified,
            way=str(wire.get(WAY_ATTRIBUTE) or ""),
            scope=str(wire.get(SCOPE_ATTRIBUTE) or ""),
            **attributes(wire),
            data=wire.get("data"),
        )

    @property
    def timestamp(self) -> datetime | None:
        """`time` with its time zone, or None where the source gave none."""
        return parse_time(self.time) if self.time else None

    @property
    def size(self) -> int:
        """Bytes of the wire form as JSON in UTF-8. Raises `InvalidEvent` if it has no JSON form."""
        return len(encode(self.to_wire()))


def attributes(wire: Mapping[str, Any]) -> dict[str, Any]:
    """CloudEvents attributes and extensions out of a structured CloudEvent, as `Event` takes them.

    Our own attributes are left out: a sender cannot choose an event's identity.
    Raises `InvalidEvent` with all that is wrong.
    Source: CloudEvents 1.0.2, "Context Attributes" and "JSON Event Format".
    """
    problems: list[str] = []
    if wire.get("specversion") != "1.0":
        problems.append(f"specversion is {quoted(wire.get('specversion'))}, not '1.0'")
    texts: dict[str, Any] = {}
    for name in _TEXT_ATTRIBUTES:
        value = wire.get(name)
        if value is None and name not in _REQUIRED:
            continue
        if not isinstance(value, str) or not value:
            problems.append(f"{name} is {'missing' if value is None else 'not a non-empty string'}")
        else:
            texts[name] = value
    if "time" in texts:
        try:
            parse_time(texts["time"])
        except ValueError as error:
            problems.append(f"time: {error}")
    extensions: dict[str, Scalar] = {}
    for name, value in wire.items():
        if name in RESERVED or value is None:
            continue
        if not _EXTENSION_NAME.fullmatch(name):
            problems.append(f"extension name {quoted(name)} is not lower-case letters and digits")
        elif not isinstance(value, str | int):
            problems.append(f"extension {name} is not a string, an integer or a boolean")
        else:
            extensions[name] = value
    if problems:
        raise InvalidEvent("not a CloudEvents 1.0 event: " + "; ".join(problems))
    return {**texts, "extensions": extensions}


def parse_time(text: str) -> datetime:
    """RFC 3339 text as an aware datetime; raises ValueError for anything else, also for a fraction
    of a second that is longer than a sender has a use for."""
    if len(text) > _TIME_CHARS:
        raise ValueError(f"{quoted(text)} has more than {_TIME_CHARS} characters")
    in_utc = text.endswith("z")  # which RFC 3339 allows, as it does `t`, and Python does not
    moment = datetime.fromisoformat(f"{text[:-1]}Z" if in_utc else text)
    if moment.tzinfo is None:
        raise ValueError(f"{quoted(text)} has no time zone")
    return moment


def readable_time(value: object) -> str | None:
    """The value if it is RFC 3339 text, else None: for times that are optional."""
    if not isinstance(value, str):
        return None
    try:
        parse_time(value)
    except ValueError:
        return None
    return value


def encode(wire: object) -> bytes:
    """Compact JSON in UTF-8, as Temporal gets it. Raises `InvalidEvent` for NaN, infinities and
    lone surrogates."""
    try:
        return _to_json(wire).encode()
    except (ValueError, RecursionError) as error:
        raise InvalidEvent(f"the event cannot be written as JSON: {error}") from error


def _is_object(data: object) -> bool:
    return isinstance(data, Mapping)
