"""Bodies of any sender as one value: JSON, or a form with its fields by name.

A form's field that occurs twice is a list of both texts. Files in a multipart form are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

from core.errors import InvalidEvent, quoted
from core.formats.shared.bounds import require_affordable
from core.formats.shared.delivery import Delivery
from core.formats.shared.http_body import FORM, MAX_FIELDS, form_fields, media_type
from core.formats.shared.json_body import load_json, require_shallow
from core.formats.shared.json_path import at

Kind = Literal["json", "form"]

FIX: Final = "correct the mapping, or the sender, then replay it with `tidegate quarantine replay`"
"""What to do about a body that the mapping does not fit."""

_MULTIPART: Final = "multipart/form-data"
_LIKE_A_FORM: Final = re.compile(
    rb"[\w.%+\[\]-]{1,100}=|--[^\r\n]{1,100}\r\nContent-Disposition:", re.I
)
_BOUNDARY: Final = re.compile(r'boundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))', re.I)
_NAME: Final = re.compile(r'[;\s]name="((?:[^"\\]|\\.){0,200})"', re.I)
_FILE: Final = re.compile(r"[;\s]filename\*?=", re.I)


def load(delivery: Delivery, kind: Kind | None, json_fields: Sequence[Sequence[str]]) -> Any:
    """The body as a value. Raises `InvalidEvent`.

    `kind` says how it is written; None leaves that to the content type. The text in each of
    `json_fields`, paths of names, is replaced with the JSON that it holds.
    """
    type = media_type(delivery)
    if kind == "form" or (kind is None and type in (FORM, _MULTIPART)):
        value = _form(_multipart(delivery) if type == _MULTIPART else form_fields(delivery.body))
    else:
        value = _json(delivery, type, kind)
    for path in json_fields:
        _decode(value, path)
    if json_fields:
        require_shallow(value)
    return value


def _json(delivery: Delivery, type: str, kind: Kind | None) -> Any:
    try:
        return load_json(delivery.body)
    except InvalidEvent as error:
        if kind is None and _LIKE_A_FORM.match(delivery.body):
            raise InvalidEvent(
                f"{error.message}; it looks like a form, and its content type is {quoted(type)}",
                fix="put `body: form` into the mapping, then replay it",
            ) from error
        raise


def _decode(value: Any, path: Sequence[str]) -> None:
    place, text = at(value, *path[:-1]), at(value, *path)
    if not isinstance(text, str) or not isinstance(place, dict):
        return  # the expressions that need it say so
    try:
        place[path[-1]] = load_json(text.encode())
    except InvalidEvent as error:
        message = error.message.replace("the body", "it", 1)
        raise InvalidEvent(f"the field {'.'.join(path)} should hold JSON: {message}") from error


def _form(fields: Iterable[tuple[str, str]]) -> dict[str, Any]:
    found: dict[str, list[str]] = {}
    for name, text in fields:
        found.setdefault(name, []).append(text)
    require_affordable("".join(text for texts in found.values() for text in texts))  # may be JSON
    return {name: texts if len(texts) > 1 else texts[0] for name, texts in found.items()}


def _multipart(delivery: Delivery) -> list[tuple[str, str]]:
    """The text fields of a multipart form. Source: RFC 7578."""
    match = _BOUNDARY.search(delivery.headers.get("content-type", ""))
    if match is None:
        raise InvalidEvent("the body is a multipart form, and its content type has no boundary")
    boundary = (match[1] or match[2]).encode(errors="surrogatepass")
    _, *parts = (b"\r\n" + delivery.body).split(b"\r\n--" + boundary, MAX_FIELDS + 2)
    if len(parts) > MAX_FIELDS + 1:
        raise InvalidEvent(f"the form has more than {MAX_FIELDS} fields")
    if not parts or not parts[-1].startswith(b"--"):
        raise InvalidEvent(f"the body is not a multipart form with the boundary {quoted(boundary)}")
    return [field for part in parts[:-1] if (field := _part(part)) is not None]


def _part(part: bytes) -> tuple[str, str] | None:
    head, _, content = part.partition(b"\r\n\r\n")
    try:
        headers = head.decode()
        disposition = next(
            (line for line in headers.split("\r\n") if line.lower().startswith("content-disposi")),
            "",
        )
        name = _NAME.search(disposition)
        if name is None or _FILE.search(disposition):
            return None
        return re.sub(r"\\(.)", r"\1", name[1]), content.decode()
    except UnicodeDecodeError as error:
        raise InvalidEvent(f"a field of the form is not UTF-8: {error}") from error
