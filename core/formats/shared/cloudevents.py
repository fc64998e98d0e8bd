"""CloudEvents 1.0 as events: from JSON (structured mode) or from headers and body (binary mode).

Sources: CloudEvents 1.0.2, "JSON Event Format", "HTTP Protocol Binding", "Kafka Protocol Binding"
and "AMQP Protocol Binding".
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from core.domain.event import OWN_TYPE_PREFIX, OWN_TYPES, Event, attributes
from core.domain.identity import cloudevent_key
from core.errors import InvalidEvent, quoted
from core.formats.shared.delivery import CLOUDEVENT_PREFIXES, TRUSTED_HEADER, Delivery, scope_of
from core.formats.shared.json_body import load_json

_HTTP: Final = "ce-"
MAX_CHARS: Final = 2048
"""Longest attribute: receipts, answers and logs repeat them."""
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)


def event(wire: Mapping[str, Any], delivery: Delivery) -> Event:
    """The event, identified by source and id within the delivery's scope. Raises `InvalidEvent`,
    also for a type of Tidegate's own that the sender is not trusted with.

    Binary data (`data_base64`) becomes `{"base64": ...}`: event data is JSON.
    """
    context = attributes(wire)
    data = wire.get("data")
    if "data_base64" in wire:
        data = {"base64": _base64(wire)}
    return _event(context, data, delivery)


def binary_event(delivery: Delivery) -> Event | None:
    """The CloudEvent with its attributes in the headers and its data in the body; None if the
    headers have neither a specversion nor all the other attributes that are required. Raises
    `InvalidEvent`.

    A JSON body is read, UTF-8 text becomes a string, anything else `{"base64": ...}`.
    """
    headers = delivery.headers
    prefix = next((each for each in CLOUDEVENT_PREFIXES if _is_marked(headers, each)), None)
    if prefix is None:
        return None
    wire = {
        name.removeprefix(prefix): _unescaped(value) if prefix == _HTTP else value
        for name, value in headers.items()
        if name.startswith(prefix) and value
    }
    wire.pop("datacontenttype", None)  # the content type takes its place
    if content_type := headers.get("content-type"):
        wire["datacontenttype"] = content_type
    context = attributes(wire)
    return _event(context, _data(delivery.body, content_type), delivery)


def _is_marked(headers: Mapping[str, str], prefix: str) -> bool:
    named = (f"{prefix}{name}" in headers for name in ("id", "source", "type"))
    return f"{prefix}specversion" in headers or all(named)


def require_sound(context: Mapping[str, Any], delivery: Delivery) -> None:
    """Raises `InvalidEvent` for an attribute that is too long, and for a type of Tidegate's own
    that the sender is not trusted with. `context` is as `core.domain.event.attributes` returns it.
    """
    for name, value in {**context, **context["extensions"]}.items():
        if isinstance(value, str) and len(value) > MAX_CHARS:
            raise InvalidEvent(f"its {name} has {len(value):,} characters, over {MAX_CHARS:,}")
    type = context["type"]
    trusted = delivery.headers.get(TRUSTED_HEADER, "").split(",")
    if type.startswith(OWN_TYPE_PREFIX) and type not in trusted:
        if type not in OWN_TYPES:
            raise InvalidEvent(
                f"its type {quoted(type)} begins with {OWN_TYPE_PREFIX!r}, as Tidegate's own do, "
                "and is not one of them",
                fix=f"let the sender send one of {', '.join(OWN_TYPES)}, or a type that begins "
                "otherwise",
            )
        raise InvalidEvent(
            f"its type {quoted(type)} is one of Tidegate's own, and its sender is not trusted with "
            "it",
            fix="if the sender may say so, name the type in `trusted_types` of its webhook, or in "
            "TIDEGATE_TRUSTED_TYPES for queues, and let it be sent again",
        )


def _event(context: dict[str, Any], data: Any, delivery: Delivery) -> Event:
    require_sound(context, delivery)
    key = cloudevent_key(scope_of(delivery), context["source"], context["id"])
    return Event(**context, data=data, key=key)


def _unescaped(value: str) -> str:
    """A header's value without its quotes, if it has any, percent-decoded once."""
    if in_quotes := _QUOTED.fullmatch(value):
        value = re.sub(r"\\(.)", r"\1", in_quotes[1], flags=re.DOTALL)
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError as error:
        raise InvalidEvent(
            f"the header value {quoted(value)} is not percent-encoded UTF-8"
        ) from error


def _data(body: bytes, content_type: str | None) -> Any:
    if not body:
        return None
    type = (content_type or "").partition(";")[0].strip().lower()
    if type.endswith(("/json", "+json")):
        return load_json(body)
    if not type:
        try:
            return load_json(body)
        except InvalidEvent:
            pass
    if not type or type.startswith("text/") or type.endswith(("/xml", "+xml", "-urlencoded")):
        try:
            return body.decode()
        except UnicodeDecodeError:
            pass
    return {"base64": base64.b64encode(body).decode()}


def _base64(wire: Mapping[str, Any]) -> str:
    text = wire["data_base64"]
    if "data" in wire:
        raise InvalidEvent("the CloudEvent has both data and data_base64")
    try:
        base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise InvalidEvent(f"data_base64 is not base64: {error}") from error
    return str(text)
