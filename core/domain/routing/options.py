"""What a workflow is started with besides its arguments: what its route says, for one event.

Loaded where a route says any of it. Search attributes are checked here as far as the event goes;
whether the namespace has them is for Temporal to say. Of text that Temporal's stores index, what
some of them cannot hold is left out: control characters, and halves of characters.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from typing import Any, Final

from core.domain.duration_text import duration_seconds
from core.domain.event import Event, encode, parse_time, readable_time
from core.domain.expressions.expression import Budget, Unevaluable
from core.domain.identity import bounded_id
from core.domain.routing.expressions import evaluated
from core.domain.routing.table import Route, StartOptions
from core.domain.text import clean, one_line, shortened, spelt
from core.errors import InvalidOption, quoted

SUMMARY_CHARS: Final = 200
"""Most characters of a summary."""
ATTRIBUTES_BYTES: Final = 32 * 1024
"""Most bytes that search attributes have as JSON, all together; Temporal takes a little more."""
MEMO_BYTES: Final = 32 * 1024
"""Most bytes that a memo has as JSON, all together."""

PRIORITIES: Final = range(1, 6)
LEAST_WEIGHT, MOST_WEIGHT = 0.001, 1000.0
"""What Temporal takes for the weight of a fairness key."""

_KEY_BYTES: Final = 64
_NO_SCALAR: Final = "and not text, a number or a boolean"
_ATTRIBUTE_BYTES: Final = 2_048
"""Most that Temporal takes for one search attribute, unless its operator has changed that."""
_INT: Final = range(-(2**63), 2**63)


def options(event: Event, route: Route) -> StartOptions:
    """What the route says of the event's workflow. A value that the event does not have is left
    out. Raises `InvalidOption` for one that is not what it must be, and `InvalidEvent` as
    `evaluated` does."""
    return _Evaluation(event, route).all()


class _Evaluation:
    """One budget for all that a route says of an event."""

    def __init__(self, event: Event, route: Route) -> None:
        self._event, self._route = event, route.name
        self._rules = route.options or {}
        self._values = {**event.to_wire(), "route": route.name}
        self._budget = Budget()

    def all(self) -> StartOptions:
        delay = self._start_delay()
        return StartOptions(
            search_attributes=self._search_attributes(),
            memo=self._memo(),
            static_summary=self._summary(),
            priority=self._priority(),
            fairness_key=self._fairness_key(),
            fairness_weight=self._fairness_weight(),
            retry=self._rules.get("retry"),
            start_delay=delay if isinstance(delay, float) else None,
            start_time=delay if isinstance(delay, str) else None,
        )

    def _search_attributes(self) -> dict[str, dict[str, Any]] | None:
        found: dict[str, dict[str, Any]] = {}
        for name, rule in self._rules.get("search_attributes", {}).items():
            [(kind, expression)] = rule.items()
            value = self._value(f"search attribute {name}", expression)
            if value in (None, "", []):
                continue
            try:
                found[name] = {kind: _attribute(kind, value)}
            except ValueError as error:
                raise self._invalid(f"search attribute {name}", expression, value, error) from None
        if (size := len(encode(found))) > ATTRIBUTES_BYTES:
            raise InvalidOption(
                f"event {self._event.key}: the search attributes of route {self._route} have "
                f"{size:,} bytes, over the limit of {ATTRIBUTES_BYTES:,}"
            )
        return found or None

    def _memo(self) -> dict[str, Any] | None:
        found = {
            name: value
            for name, expression in self._rules.get("memo", {}).items()
            if (value := self._value(f"memo {name}", expression)) is not None
        }
        if (size := len(encode(found))) > MEMO_BYTES:
            raise InvalidOption(
                f"event {self._event.key}: the memo of route {self._route} has {size:,} bytes, "
                f"over the limit of {MEMO_BYTES:,}"
            )
        return found or None

    def _summary(self) -> str | None:
        text = self._text("static_summary", self._rules.get("static_summary", ()))
        return shortened(one_line(text), SUMMARY_CHARS) or None

    def _priority(self) -> int | None:
        rule = self._rules.get("priority")
        value = self._value("priority", rule) if isinstance(rule, str) else rule
        if value is None or (value in PRIORITIES and not isinstance(value, bool)):
            return None if value is None else int(value)
        raise self._invalid("priority", rule, value, "and not a whole number from 1 to 5")

    def _fairness_key(self) -> str | None:
        """A key of at most 64 bytes, which is what Temporal takes: a longer one is its digest."""
        if (rule := self._rules.get("fairness_key")) is None:
            return None
        if (value := self._value("fairness key", rule)) in (None, ""):
            return None
        if not isinstance(value, str | int | float):
            raise self._invalid("fairness key", rule, value, _NO_SCALAR)
        text = str(clean(spelt(value)))
        data = text.encode()
        return text if len(data) <= _KEY_BYTES else hashlib.sha256(data).hexdigest()

    def _fairness_weight(self) -> float | None:
        rule = self._rules.get("fairness_weight")
        value = self._value("fairness weight", rule) if isinstance(rule, str) else rule
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is None or (number and LEAST_WEIGHT <= value <= MOST_WEIGHT):
            return None if value is None else float(value)
        raise self._invalid("fairness weight", rule, value, "and not a number from 0.001 to 1000")

    def _start_delay(self) -> float | str | None:
        """Seconds, or a moment."""
        rule = self._rules.get("start_delay")
        if rule is None or isinstance(rule, float):
            return rule
        if not (text := self._text("start_delay", rule).strip()):
            return None
        if (seconds := duration_seconds(text)) is not None:
            return seconds
        if readable_time(text) is not None:
            return text
        raise InvalidOption(
            f"event {self._event.key}: start_delay of route {self._route} yields {quoted(text)}, "
            "and neither a duration like 30s, 5m, 12h or 90d nor a time of RFC 3339 with its zone"
        )

    def _text(self, field: str, pieces: Sequence[Sequence[Any]]) -> str:
        """A template's text, with nothing where the event has no value."""
        text = ""
        for literal, expression in pieces:
            text += literal
            value = self._value(field, expression) if expression else None
            if isinstance(value, list | dict):
                text += encode(value).decode()
            elif value is not None:
                text += spelt(value)
        return text

    def _value(self, field: str, expression: str) -> Any:
        try:
            return evaluated(expression, self._values, self._budget)
        except Unevaluable as error:
            raise InvalidOption(
                f"event {self._event.key}: {field} of route {self._route}: {quoted(expression)} "
                f"cannot be evaluated: {error}"
            ) from None

    def _invalid(
        self, field: str, expression: object, value: object, error: object
    ) -> InvalidOption:
        return InvalidOption(
            f"event {self._event.key}: {field} of route {self._route}: {quoted(expression)} "
            f"yields {quoted(value)}, {error}"
        )


def _attribute(kind: str, value: object) -> Any:
    read = _READERS[kind](value)
    if (size := len(encode(read))) > _ATTRIBUTE_BYTES:
        raise ValueError(f"which has {size:,} bytes, over the limit of {_ATTRIBUTE_BYTES:,}")
    return read


def _keyword(value: object) -> str:
    """A keyword of at most 255 bytes, which is what every store of Temporal's can hold."""
    if not isinstance(value, str | int | float):
        raise ValueError(_NO_SCALAR)
    return bounded_id(clean(spelt(value)))


def _keywords(value: object) -> list[str]:
    if not isinstance(value, list):
        raise ValueError("and not a list")
    return [_keyword(each) for each in value]


def _free_text(value: object) -> str:
    if not isinstance(value, str | int | float):
        raise ValueError(_NO_SCALAR)
    return str(clean(spelt(value)))


def _int(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value not in _INT:
        raise ValueError("and not an integer of 64 bits")
    return value


def _double(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError("and not a number")
    try:
        if math.isfinite(number := float(value)):
            return number
    except OverflowError:
        pass
    raise ValueError("which no double holds")


def _bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("and not a boolean")
    return value


def _datetime(value: object) -> str:
    try:
        return parse_time(value if isinstance(value, str) else "").astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        raise ValueError("and not a time of RFC 3339 with its zone") from None


_READERS: Final[Mapping[str, Callable[[object], Any]]] = {
    "keyword": _keyword,
    "keyword_list": _keywords,
    "text": _free_text,
    "int": _int,
    "double": _double,
    "bool": _bool,
    "datetime": _datetime,
}
"""By the type of a search attribute, what reads a value as one. Raises `ValueError`."""
