"""What quarantine records say to people, wherever they are shown."""

from __future__ import annotations

import json
from typing import Final

from core.domain.event import Event
from core.domain.text import shortened
from core.errors import InvalidEvent
from core.formats.shared.delivery import Arrival
from core.formats.shared.json_body import load_json
from core.intake.records import QuarantineRecord

_PRETTY_BYTES: Final = 256 * 1024
"""Larger originals are shown as they are: laying one out takes many times its size."""
_ITEM_CHARS: Final = 200


def replay_state(record: QuarantineRecord) -> str:
    """What replays have done since it was last refused: nothing, part of it, or all."""
    if record.settled:
        return "settled"
    note = record.replayed
    done = len(record.accepted(note["items"])) if note else 0
    return f"{done:,} of {note['items']:,} replayed" if note and done else ""


def item_text(arrival: Arrival) -> str:
    """What an item is, in one line."""
    match arrival.item:
        case Event() as event:
            subject = f" about {event.subject}" if event.subject else ""
            return shortened(f"{event.type}{subject}, key {event.key}", _ITEM_CHARS)
        case malformed:
            return shortened(f"not an event: {malformed.error.message}", _ITEM_CHARS)


def readable(body: bytes, most: int) -> str:
    """An original as text, at least its first `most` characters: JSON laid out, and bytes that are
    no text as escapes."""
    if len(body) <= _PRETTY_BYTES:
        try:
            return json.dumps(load_json(body), indent=2, ensure_ascii=False)
        except (InvalidEvent, RecursionError):
            pass
    return body[: 4 * most + 4].decode(errors="backslashreplace")
