"""What a signal carries of an event: at most what a workflow reads, in at most 4,000 bytes.

The bound is what saves a workflow in a storm. With small signals Temporal refuses more than 10,000
waiting ones, senders retry, and the run hands over to the next. With large ones its history reaches
50 MB first, and Temporal terminates it with all that it knew.

Of an alert, the original and whatever no workflow reads are left out. What remains is cut only if
it does not fit, in this order: each value to a bound of its own, the summary, the labels (longest
first), the links (longest first), the other texts. Labels outlive the summary, because policies
match them. `data.cut` names what was cut.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from core.domain.alert_key import is_readable_key, keyless
from core.domain.event import (
    ALERT,
    KEY_ATTRIBUTE,
    SCOPE_ATTRIBUTE,
    TABLE_ATTRIBUTE,
    UNIDENTIFIED_ATTRIBUTE,
    WAY_ATTRIBUTE,
    Event,
    encode,
)
from core.errors import InvalidEvent, InvalidInput, quoted

SIGNAL_BYTES: Final = 4000
"""Most bytes that the argument of one signal has as JSON: a list of one event or several."""
EVENTS_BYTES: Final = SIGNAL_BYTES - len(f',"{TABLE_ATTRIBUTE}":"0123456789ab"')
"""Most that the events have; the rest is for the digest of the listener's routing table."""
_EVENT_BYTES: Final = EVENTS_BYTES - len("[]")

_ATTRIBUTES: Final = ("specversion", "id", "source", "type", "time", UNIDENTIFIED_ATTRIBUTE)
_IDENTITIES: Final = (KEY_ATTRIBUTE, WAY_ATTRIBUTE, SCOPE_ATTRIBUTE)
_TEXTS: Final = ("title", "source", "severity", "service", "status", "summary")
_SCALARS: Final = ("version", "starts_at", "ends_at", "truncated", "replicated")
_PARTS: Final = ("labels", "links")
_CUTS: Final = frozenset((*_TEXTS, *_SCALARS, *_PARTS, "key", "id"))
"""What `data.cut` may name."""

_TEXT_BYTES, _SUMMARY_BYTES, _SCALAR_BYTES = 200, 1000, 64
_LABELS, _LINKS, _NAME_BYTES, _LABEL_BYTES, _LINK_BYTES = 50, 8, 63, 200, 500
_SHORT_TEXT_BYTES: Final = 50
_IDENTITY_BYTES, _DIGEST_HEX = 255, 40

_MOST_BYTES: Final = 6
"""Most bytes of one character: a control character is written as `\\u0001`."""


def signalled(event: Event) -> dict[str, Any]:
    """The event's wire form as a signal carries it: a list of it alone has at most `EVENTS_BYTES`
    bytes as JSON.

    An alert is cut to fit. Raises `InvalidEvent` for any other event that is larger, and for an
    alert without a readable key: the workflow could not tell which alert it is, and by then the
    original is gone.
    """
    wire = event.to_wire()
    if event.type == ALERT:
        return _alert(wire, event.data if isinstance(event.data, Mapping) else {})
    return _bounded(wire)


def check_arguments(arguments: list[Any], key: str) -> None:
    """Raises `InvalidInput` for the arguments of a signal that are larger together than a signal
    may be."""
    if (size := len(encode(arguments))) > SIGNAL_BYTES:
        raise InvalidInput(
            f"event {quoted(key)}: its arguments have {size:,} bytes, and a signal carries "
            f"{SIGNAL_BYTES:,}"
        )


def _bounded(wire: dict[str, Any]) -> dict[str, Any]:
    size = len(encode(wire))
    if size > _EVENT_BYTES:
        raise InvalidEvent(
            f"event {quoted(wire[KEY_ATTRIBUTE])} has {size:,} bytes, and a signal carries "
            f"{_EVENT_BYTES:,}",
            fix="give its route `deliver: start` or `orchestrate`, then replay it",
        )
    return wire


def _alert(wire: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    if not is_readable_key(data.get("key")):
        raise keyless(wire[KEY_ATTRIBUTE])
    read = _what_is_read(data)
    event = {
        **{name: wire[name] for name in _ATTRIBUTES if name in wire},
        **{name: _identity(wire[name]) for name in _IDENTITIES if name in wire},
        "data": read,
    }
    cutting = _Cutting(event, read)
    cutting.unreadable(data)
    cutting.key()
    if not cutting.excess():
        return event
    cutting.values()
    cutting.until_it_fits()
    return _bounded(event)


def _what_is_read(data: Mapping[str, Any]) -> dict[str, Any]:
    """What a workflow reads of an alert (see `core.domain.alert`), of the types that it reads."""
    read = {name: data[name] for name in _SCALARS if _is_scalar(data.get(name))}
    read |= {name: str(data[name]) for name in _TEXTS if _is_scalar(data.get(name))}
    read["key"] = str(data["key"])
    for name in _PARTS:
        if isinstance(values := data.get(name), Mapping):
            read[name] = {n: str(value) for n, value in values.items() if _is_scalar(value)}
    cut = data.get("cut")
    if isinstance(cut, list) and (names := sorted(_CUTS & {c for c in cut if isinstance(c, str)})):
        read["cut"] = names
    return read


class _Cutting:
    """Cuts an alert's event, in place, and names in `data.cut` what was cut."""

    def __init__(self, event: dict[str, Any], data: dict[str, Any]) -> None:
        self._event = event
        self._data = data

    def excess(self) -> int:
        """By how many bytes it is too large for a signal; 0 if it fits."""
        return max(len(encode(self._event)) - _EVENT_BYTES, 0)

    def unreadable(self, data: Mapping[str, Any]) -> None:
        """Name what was left out because it is of another type."""
        for name in (*_SCALARS, *_TEXTS, *_PARTS):
            if data.get(name) is not None and name not in self._data:
                self._name(name)
        for part in _PARTS:
            if part in self._data and len(self._data[part]) < len(data[part]):
                self._name(part)

    def key(self) -> None:
        """Bound the key, however large the rest is: an alert has one key. One that was bounded
        before stays as it is."""
        key = self._data["key"]
        if "key" not in self._data.get("cut", ()) or not _is_digested(key):
            self._replace(self._data, "key", _identity(key))

    def values(self) -> None:
        """Cut each value to a bound of its own."""
        for name in ("id", "source"):
            self._replace(self._event, name, _short(self._event[name], _TEXT_BYTES))
        for name in _SCALARS:
            if name in self._data and len(encode(self._data[name])) > _SCALAR_BYTES:
                del self._data[name]
                self._name(name)
        self._texts(_TEXT_BYTES, summary=_SUMMARY_BYTES)
        labels = self._first("labels", _LABELS)
        for name in labels:
            self._replace(labels, name, _short(labels[name], _LABEL_BYTES), "labels")
        links = self._first("links", _LINKS)
        for name in [name for name in links if _size(links[name]) > _LINK_BYTES]:
            self._drop("links", name)  # half of an address leads nowhere

    def until_it_fits(self) -> None:
        """Cut more and more."""
        if self.excess():
            self._texts(_TEXT_BYTES, summary=_TEXT_BYTES)
        for part in _PARTS:
            while (values := self._data.get(part)) and (excess := self.excess()):
                for name in sorted(values, key=lambda each: _size(values[each]), reverse=True):
                    if excess > 0:
                        excess -= _size(name) + _size(values[name])
                        self._drop(part, name)
        if self.excess():
            self._texts(_SHORT_TEXT_BYTES, summary=_SHORT_TEXT_BYTES)

    def _texts(self, limit: int, *, summary: int) -> None:
        for name in _TEXTS:
            if name in self._data:
                most = summary if name == "summary" else limit
                self._replace(self._data, name, _short(self._data[name], most))

    def _first(self, part: str, count: int) -> dict[str, str]:
        """The first labels or links, whose names are short."""
        values: dict[str, str] = self._data.get(part, {})
        for place, name in enumerate(list(values)):
            if place >= count or _size(name) > _NAME_BYTES:
                self._drop(part, name)
        return values

    def _replace(self, values: dict[str, Any], name: str, short: str, part: str = "") -> None:
        if values[name] != short:
            values[name] = short
            self._name(part or name)

    def _drop(self, part: str, name: str) -> None:
        del self._data[part][name]
        self._name(part)

    def _name(self, cut: str) -> None:
        self._data["cut"] = sorted({*self._data.get("cut", ()), cut})


def _identity(text: str) -> str:
    """A text by which things are told apart, in at most `_IDENTITY_BYTES` bytes of JSON. What is
    longer ends in a digest of the whole, and so does what looks as if it did: two texts never
    become one."""
    if len(text) <= _DIGEST_HEX or (_size(text) <= _IDENTITY_BYTES and not _is_digested(text)):
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_HEX]
    return f"{_head(text, _IDENTITY_BYTES - _DIGEST_HEX - 1)}~{digest}"


def _is_digested(text: str) -> bool:
    """Whether it is bounded and looks as if it ended in a digest."""
    return _size(text) <= _IDENTITY_BYTES and text[-_DIGEST_HEX - 1 : -_DIGEST_HEX] == "~"


def _short(text: str, limit: int) -> str:
    return text if _size(text) <= limit else _head(text, limit - 3).rstrip() + "..."


def _head(text: str, limit: int) -> str:
    """As much of its beginning as has at most `limit` bytes of JSON."""
    head = text[:limit]
    while (over := _size(head) - limit) > 0:
        head = head[: -max(over // _MOST_BYTES, 1)]
    return head


def _size(text: str) -> int:
    """Bytes of a text within JSON, without its quotes."""
    return len(encode(text)) - len('""')


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | int | float)
