"""What a signal carries of an event: at most what a workflow reads, in at most 4,000 bytes.

The bound is what saves a workflow in a storm. With small signals Temporal refuses more than 10,000
waiting ones, senders retry, and the run hands over to the next. With large ones its history reaches
50 MB first, and Temporal terminates it with all that it knew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from core.domain.event import ALERT, Event, encode
from core.domain.identity import bounded_id, escaped
from core.errors import InvalidEvent, quoted

SIGNAL_BYTES: Final = 4000
"""Most bytes of JSON that one signal carries, whether one event or several."""

_TEXTS: Final = {"title": 200, "severity": 100, "service": 200, "status": 20, "summary": 1000}
_PLAIN: Final = ("version", "starts_at", "ends_at", "truncated", "replicated")
_PLAIN_CHARS: Final = 64
_SHORT_SUMMARY: Final = 200
_LABELS, _LABEL_CHARS, _VALUE_CHARS = 50, 63, 200
_LINKS, _LINK_CHARS = 8, 500
_CUT: Final = "cut"


def signalled(event: Event) -> dict[str, Any]:
    """The event's wire form as a signal carries it, at most `SIGNAL_BYTES` bytes of JSON.

    Of an alert, the original is left out and long values are shortened; `data.cut` names what was.
    Raises `InvalidEvent` for any other event that is larger.
    """
    wire = event.to_wire()
    if event.type == ALERT and isinstance(event.data, Mapping):
        return _alert(wire, event.data)
    size = len(encode(wire))
    if size > SIGNAL_BYTES:
        raise InvalidEvent(
            f"event {quoted(event.key)} has {size:,} bytes, and a signal carries {SIGNAL_BYTES:,}",
            fix="give its route `deliver: start` or `orchestrate`, then replay it",
        )
    return wire


def _alert(wire: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: data[name] for name in _PLAIN if _is_short(data.get(name))}
    cut: list[str] = []
    for name in ("key", "source"):
        value = data.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool):
            # Bounded by a digest: two keys that differ at their end are two alerts.
            kept[name] = bounded_id(escaped(str(value))) if len(str(value)) > 200 else value
    for name, limit in _TEXTS.items():
        if isinstance(value := data.get(name), str | int | float):
            kept[name] = _shortened(str(value), limit, name, cut)
    if isinstance(links := data.get("links"), Mapping):
        kept["links"] = _links(links, cut)
    if isinstance(labels := data.get("labels"), Mapping):
        kept["labels"] = _labels(labels, cut)
    event = {
        name: wire[name] if len(str(wire[name])) <= 200 else bounded_id(escaped(str(wire[name])))
        for name in (
            "specversion",
            "id",
            "source",
            "type",
            "time",
            "tidegatekey",
            "tidegateway",
            "tidegatescope",
            "tidegateunidentified",
        )
        if name in wire
    }
    return _fitted({**event, "data": kept}, cut)


def _fitted(wire: dict[str, Any], cut: list[str]) -> dict[str, Any]:
    """The wire form within the bound: less of the summary, then fewer links and labels."""
    data = wire["data"]

    def size() -> int:
        if cut:
            data[_CUT] = list(dict.fromkeys(cut))
        return len(encode(wire))

    if size() > SIGNAL_BYTES and len(data.get("summary", "")) > _SHORT_SUMMARY:
        data["summary"] = _shortened(data["summary"], _SHORT_SUMMARY, "summary", cut)
    for name in ("labels", "links"):
        while data.get(name) and size() > SIGNAL_BYTES:
            data[name].pop(max(data[name], key=lambda each: len(data[name][each])))
            cut.append(name)
    if size() > SIGNAL_BYTES:  # what is left is bounded in characters, which have up to 4 bytes
        for name in ("summary", "title", "service", "severity"):
            if name in data:
                data[name] = _shortened(str(data[name]), 50, name, cut)
        size()
    return wire


def _links(links: Mapping[str, Any], cut: list[str]) -> dict[str, str]:
    kept = {
        str(name)[:_LABEL_CHARS]: link
        for name, link in list(links.items())[:_LINKS]
        if isinstance(link, str) and len(link) <= _LINK_CHARS
    }
    if len(kept) < len(links):
        cut.append("links")  # half of an address leads nowhere
    return kept


def _labels(labels: Mapping[str, Any], cut: list[str]) -> dict[str, Any]:
    kept = {
        str(name)[:_LABEL_CHARS]: _shortened(str(value), _VALUE_CHARS, "labels", cut)
        for name, value in list(labels.items())[:_LABELS]
        if isinstance(value, str | int | float)
    }
    if len(kept) < len(labels):
        cut.append("labels")
    return kept


def _shortened(text: str, limit: int, name: str, cut: list[str]) -> str:
    if len(text) <= limit:
        return text
    cut.append(name)
    return text[: limit - 3].rstrip() + "..."


def _is_short(value: object) -> bool:
    return value is not None and len(str(value)) <= _PLAIN_CHARS
