"""CloudEvents 1.0 in JSON (structured mode). Source: CloudEvents 1.0.2, "JSON Event Format"."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from core.domain.event import Event, attributes
from core.domain.identity import cloudevent_key
from core.errors import InvalidEvent


def event(wire: Mapping[str, Any]) -> Event:
    """One CloudEvent as an event, identified by source and id. Raises `InvalidEvent`.

    Binary data (`data_base64`) is kept as `{"base64": ...}`: event data is JSON.
    """
    found = attributes(wire)
    data = wire.get("data")
    if "data_base64" in wire:
        data = {"base64": _base64(wire)}
    return Event(**found, data=data, key=cloudevent_key(found["source"], found["id"]))


def _base64(wire: Mapping[str, Any]) -> str:
    text = wire["data_base64"]
    if "data" in wire:
        raise InvalidEvent("the CloudEvent has both data and data_base64")
    try:
        base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise InvalidEvent(f"data_base64 is not base64: {error}") from error
    return str(text)
