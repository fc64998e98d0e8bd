"""An event in Tidegate's own wire form, from quarantine, to be replayed."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from core.domain.event import Event
from core.formats.shared.delivery import REPLAY_KEY_HEADER, Delivery, Malformed
from core.formats.shared.format import Format
from core.formats.shared.json_body import load_json


def parse(delivery: Delivery) -> list[Event | Malformed]:
    """One event. Raises `InvalidEvent`."""
    event = Event.from_wire(load_json(delivery.body))
    if key := delivery.headers.get(REPLAY_KEY_HEADER):
        event = replace(event, key=key)
    return [event]


FORMAT: Final = Format(parse=parse)
