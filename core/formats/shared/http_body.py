"""JSON from an HTTP body, as senders really send it.

Some can wrap it in a form (`payload={...}`). JSON is UTF-8 by its own standard, so a `charset` is
ignored. JSON within a JSON string was encoded twice by mistake, and is refused rather than guessed
at.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import unquote_to_bytes

from core.errors import InvalidEvent
from core.formats.shared.delivery import Delivery
from core.formats.shared.json_body import load_json

FORM: Final = "application/x-www-form-urlencoded"
MAX_FIELDS: Final = 200
"""Most fields of a form."""
_SLICE: Final = 64 * 1024


def media_type(delivery: Delivery) -> str:
    """The content type in lower case, without parameters; empty if none was sent."""
    return delivery.headers.get("content-type", "").partition(";")[0].strip().lower()


def load(delivery: Delivery, *, form_field: str | None = None) -> Any:
    """The body as JSON; with `form_field`, that field of a form as JSON. Raises `InvalidEvent`."""
    body = delivery.body
    if media_type(delivery) == FORM:
        if form_field is None:
            raise InvalidEvent("the body is a form, and this sender's events are not sent as forms")
        body = _field(body, form_field)
    value = load_json(body)
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        raise InvalidEvent("the body is JSON within a JSON string: it was encoded twice")
    return value


def load_object(delivery: Delivery, *, form_field: str | None = None) -> dict[str, Any]:
    """As `load`, for senders whose body is always an object. Raises `InvalidEvent`."""
    value = load(delivery, form_field=form_field)
    if not isinstance(value, dict):
        raise InvalidEvent(f"the body is {_name(value)}, not a JSON object")
    return value


def form_fields(body: bytes) -> list[tuple[str, str]]:
    """Names and values of a form, in order. Raises `InvalidEvent`."""
    if body.count(b"&") >= MAX_FIELDS:
        raise InvalidEvent(f"the body is not a form: it has more than {MAX_FIELDS} fields")
    try:
        pairs = [pair.partition(b"=") for pair in body.split(b"&") if pair]
        return [(_unquoted(name), _unquoted(value)) for name, _, value in pairs]
    except UnicodeDecodeError as error:
        raise InvalidEvent(f"the body is not a form: {error}") from error


def _unquoted(text: bytes) -> str:
    """Percent-decoded slice by slice: decoding builds an object for every escape."""
    text, decoded, begin = text.replace(b"+", b" "), bytearray(), 0
    while begin < len(text):
        end = begin + _SLICE
        escape = text.rfind(b"%", end - 2, end)
        end = escape if begin < escape and end < len(text) else end  # not within an escape
        decoded += unquote_to_bytes(text[begin:end])
        begin = end
    return decoded.decode()


def _field(body: bytes, name: str) -> bytes:
    values = [value for field, value in form_fields(body) if field == name]
    if len(values) != 1:
        raise InvalidEvent(f"the form has {len(values)} fields named {name!r}, not one")
    return values[0].encode()


def _name(value: object) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
