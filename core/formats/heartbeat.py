"""Beats of heartbeats: `curl -d backup`, or JSON with how a command ended.

    backup
    {"heartbeat": "backup", "status": "failed", "exit_code": 3, "duration": 12.5, "output": "..."}

- Of the JSON only `heartbeat` is required. `status` is `ok` or `failed`, `duration` is in seconds,
  of `output` the end is kept. An `id` makes a redelivery known where the carrier gives none.
- Where the webhook's endpoint names the heartbeat, whatever it receives is a beat: a body that is
  no JSON of this kind says no more than that. Only one with the status `resolved` is no beat: that
  is how Alertmanager and others say that what they sent has stopped.
- A beat was heard when it was received, or sent to the queue, and not when a worker reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from core.domain.event import HEARTBEAT, Event, encode, readable_time
from core.domain.heartbeat.names import (
    OK,
    OUTPUT_CHARS,
    STATUSES,
    duration,
    exit_code,
)
from core.domain.identity import message_key, unidentified_key
from core.domain.names import is_name
from core.errors import InvalidEvent, quoted
from core.formats.shared.delivery import (
    HEARTBEAT_HEADER,
    RECEIVED_HEADER,
    Delivery,
    Malformed,
    source_of,
)
from core.formats.shared.format import Format
from core.formats.shared.json_body import load_json

_OUTPUT_BYTES: Final = 2_000
"""Longest output in bytes of JSON: a signal carries all of a beat in 4,000."""
_ID_CHARS: Final = 200
_STOPPED: Final = "resolved"


def parse(delivery: Delivery) -> list[Event | Malformed]:
    """One event; none for what has stopped. Raises `InvalidEvent`."""
    named = delivery.headers.get(HEARTBEAT_HEADER)
    body = _object(delivery.body)
    if body is None:
        return [_beat(delivery, named or _bare_name(delivery.body), {})]
    if named is None:
        return [_beat(delivery, _name(body), body)]
    if body.get("status") == _STOPPED:
        return []
    return [_beat(delivery, named, body if body.get("status") in STATUSES else {})]


def reply(delivery: Delivery) -> dict[str, Any]:
    """Why a delivery is no beat, if it is not."""
    body = _object(delivery.body)
    stopped = HEARTBEAT_HEADER in delivery.headers and (body or {}).get("status") == _STOPPED
    return {"ignored": f"its status is {_STOPPED}: what was heard has stopped"} if stopped else {}


def _object(body: bytes) -> dict[str, Any] | None:
    """The body if it is a JSON object."""
    if not body.lstrip().startswith(b"{"):
        return None
    try:
        value = load_json(body)
    except InvalidEvent:
        return None
    return value if isinstance(value, dict) else None


def _bare_name(body: bytes) -> str:
    text = body.decode(errors="replace").strip()
    if not is_name(text):
        raise InvalidEvent(
            f"the body is neither the name of a heartbeat nor a JSON object: {quoted(text)}",
            fix="send the name alone, e.g. `curl -d backup`",
        )
    return text


def _name(body: Mapping[str, Any]) -> str:
    name = body.get("heartbeat")
    if not isinstance(name, str) or not is_name(name):
        raise InvalidEvent(
            f"its `heartbeat` is {quoted(name)}, not the name of one",
            fix="names have lower-case letters, digits, - and _, as in the on-call file",
        )
    return name


def _beat(delivery: Delivery, name: str, body: Mapping[str, Any]) -> Event:
    status = body.get("status", OK)
    if status not in STATUSES:
        raise InvalidEvent(f"its `status` is {quoted(status)}, not {' or '.join(STATUSES)}")
    source, headers = source_of(delivery), delivery.headers
    own = body.get("id")
    known = headers.get("message-id") or (
        own if isinstance(own, str) and 0 < len(own) <= _ID_CHARS else None
    )
    id = f"{name}.{known or delivery.unique}"
    sender = f"heartbeat:{source}"
    return Event(
        id=id,
        source=source,
        type=HEARTBEAT,
        subject=name,
        time=readable_time(
            delivery.headers.get(RECEIVED_HEADER) or delivery.headers.get("sent-at")
        ),
        datacontenttype="application/json",
        data={"status": status, **_details(body)},
        key=message_key(sender, id) if known else unidentified_key(sender, id),
        unidentified=not known,
    )


def _details(body: Mapping[str, Any]) -> dict[str, Any]:
    """What it says of its command, as far as that can be read: a detail does not cost a beat."""
    details: dict[str, Any] = {
        "exit_code": exit_code(body.get("exit_code")),
        "duration": duration(body.get("duration")),
    }
    output = body.get("output")
    if isinstance(output, str) and (end := _end(output)):
        details["output"] = end
    return {name: value for name, value in details.items() if value is not None}


def _end(output: str) -> str:
    """The end of an output, as much of it as a signal carries."""
    end = output[-OUTPUT_CHARS:]
    while len(encode(end)) > _OUTPUT_BYTES:
        end = end[len(end) // 8 + 1 :]
    return end


FORMAT: Final = Format(parse=parse, timed=True, media_types=("*/*",), reply=reply)
