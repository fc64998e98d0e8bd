"""Strict JSON: whatever is read can be written again."""

from __future__ import annotations

import json
import math
from typing import Any, Final, NoReturn

from core.domain.event import encode
from core.errors import InvalidEvent
from core.formats.shared.bounds import require_affordable

MAX_DEPTH: Final = 100
"""Deepest nesting that is accepted: whatever decodes it later must not exhaust its stack."""


def load_json(body: bytes) -> Any:
    """The body as JSON. Raises `InvalidEvent` unless it is UTF-8 (with or without a byte-order
    mark) and JSON by RFC 8259, without NaN, infinities and lone surrogates, at most `MAX_DEPTH`
    levels deep, and affordable (see `bounds`).
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidEvent(f"the body is not UTF-8: {error}") from error
    require_affordable(text)
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise InvalidEvent(f"the body is not JSON: {error}") from error
    if text.count("[") + text.count("{") > MAX_DEPTH and _deeper_than(value, MAX_DEPTH):
        raise _too_deep()
    if "\\u" in text:  # only an escape can yield a lone surrogate
        encode(value)
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise InvalidEvent(f"the event cannot be written as JSON: {text[:32]} is out of range")
    return value


_DECODER: Final = json.JSONDecoder(parse_float=_finite, parse_constant=_refuse_constant)


def require_shallow(value: object) -> None:
    """Raises `InvalidEvent` for a value that was put together and nests deeper than `MAX_DEPTH`."""
    if _deeper_than(value, MAX_DEPTH):
        raise _too_deep()


def _too_deep() -> InvalidEvent:
    return InvalidEvent(f"the body nests deeper than {MAX_DEPTH} levels")


def _deeper_than(value: Any, levels: int) -> bool:
    layer = [value]
    for _ in range(levels):
        layer = [
            child
            for item in layer
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not layer:
            return False
    return True
