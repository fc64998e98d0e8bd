"""The smoke event: how `tidegate smoke` proves that a deployment works, without doing anything.

    {"specversion": "1.0", "type": "tidegate.smoke", "source": "/tidegate/smoke", "id": ID}
    a document named tidegate-smoke-ID, in whatever folder

ID has 32 hexadecimal digits. Anybody who may send by a way may send it there, whatever the format
and the trusted types of that way are. Its key says that it is one, and no sender can choose a key
otherwise; by its key the root orchestrator takes it whatever the routing table says, and ends with
what it knows of itself. Nothing of a sender's but the ID is acted on, so it can do no harm.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from core.domain.event import DOCUMENT_TYPES, KEY_ATTRIBUTE, Event

SMOKE: Final = "tidegate.smoke"
"""The type of the messages and requests. It is no type that a sender could be trusted with."""
MAX_BYTES: Final = 256
"""Size of the largest body that is looked at."""

_SOURCE: Final = "/tidegate/smoke"
_KEY: Final = "smoke:"
_ID: Final = re.compile(r"[0-9a-f]{32}")
_NAME: Final = re.compile(r"tidegate-smoke-([0-9a-f]{32})")


def smoke_key(id: str) -> str:
    """The key of the event with this ID: `smoke:ID`."""
    return f"{_KEY}{id}"


def is_smoke(key: object) -> bool:
    """Whether an event with this key is a smoke event."""
    return isinstance(key, str) and key.startswith(_KEY)


def document_name(id: str) -> str:
    """The name of the document, without a folder. It has no suffix by which it would be read."""
    return f"tidegate-smoke-{id}"


def body(id: str) -> bytes:
    """The message, or the body of the request: a CloudEvent in JSON."""
    return json.dumps(_message(id)).encode()


def event_in(body: bytes) -> Event | None:
    """The smoke event that a body is, to the letter; None for any other body."""
    if len(body) > MAX_BYTES or SMOKE.encode() not in body:
        return None
    try:
        value = json.loads(body)
    except ValueError:
        return None
    id = value.get("id") if isinstance(value, dict) else None
    if not isinstance(id, str) or not _ID.fullmatch(id) or value != _message(id):
        return None
    return Event(id=id, source=_SOURCE, type=SMOKE, key=smoke_key(id))


def key_of_document(event: Event) -> str | None:
    """The key of an event about a smoke document; None for any other event."""
    if event.type not in DOCUMENT_TYPES or not event.subject:
        return None
    named = _NAME.fullmatch(event.subject.rpartition("/")[2])
    return smoke_key(named[1]) if named else None


def is_smoke_wire(wire: object) -> bool:
    """Whether an event in its wire form is a smoke event; False for what is no event."""
    return isinstance(wire, dict) and is_smoke(wire.get(KEY_ATTRIBUTE))


def _message(id: str) -> dict[str, Any]:
    return {"specversion": "1.0", "type": SMOKE, "source": _SOURCE, "id": id}
