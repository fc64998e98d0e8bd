"""A mapping: which values of a sender's bodies make an alert, compiled from its description.

Every value is found by a JMESPath expression over the body, or over each item of a list in it. A
value that is missing is left out, as in every other format; without a key or a status there is no
alert. A list where one value is wanted is refused rather than guessed at.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from core.domain.event import Event, encode, parse_time
from core.domain.expressions.expression import (
    CHARS_PER_UNIT,
    Budget,
    Expression,
    OverBudget,
    Unevaluable,
    is_true,
)
from core.errors import InvalidEvent, quoted
from core.formats.mapping import body
from core.formats.mapping.body import FIX
from core.formats.mapping.values import LabelReader, TimeReader
from core.formats.shared.alert_event import alert
from core.formats.shared.bounds import MAX_EVENTS
from core.formats.shared.delivery import RECEIVED_HEADER, Delivery, Malformed
from core.formats.shared.other_event import joined

Verdict = Literal["firing", "resolved", "ignored", "acknowledged"]
"""What a status says. Only the first two make events."""

Value = str | int | float | bool

_KEY_BYTES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyReader:
    """What makes the key: the values of expressions together, or the alert's labels (those named;
    all if none is)."""

    parts: Sequence[Expression] = ()
    labels: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReader:
    """What the status's words (in lower case) say, and any other word, or none. Without an
    expression an alert fires until it ends."""

    expression: Expression | None
    words: Mapping[str, Verdict]
    otherwise: Verdict | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeverityReader:
    """The severities of the sender's words (in lower case); other words are left as they are."""

    expression: Expression
    words: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one expression found, and what was made of it. `position` is the item's in the list that
    the mapping goes through; None for the list itself."""

    position: int | None
    field: str
    expression: str
    found: object
    read_as: object = None
    problem: str | None = None

    def to_json(self) -> dict[str, object]:
        """The finding as a JSON object."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertMapping:
    """One sender's mapping. The fields are those of `core.formats.mapping.description`."""

    source: str
    key: KeyReader
    status: StatusReader
    body: body.Kind | None = None
    json_fields: Sequence[Sequence[str]] = ()
    each: Expression | None = None
    ignored_when: Expression | None = None
    severity: SeverityReader | None = None
    title: Expression | None = None
    summary: Expression | None = None
    service: Expression | None = None
    starts_at: tuple[Expression, TimeReader] | None = None
    ends_at: tuple[Expression, TimeReader] | None = None
    links: Mapping[str, Expression] = field(default_factory=dict)
    labels: Sequence[tuple[Expression, LabelReader]] = ()
    replicated: bool = False

    def read(
        self, delivery: Delivery, trace: list[Finding] | None = None
    ) -> list[Event | Malformed]:
        """One event for each alert of a delivery, `Malformed` for one that cannot be read; `trace`
        gets what each expression finds. Raises `InvalidEvent` if nothing can be read."""
        root = body.load(delivery, self.body, self.json_fields)
        budget = Budget()
        if self.each is None:
            event = self._alert(delivery, _Reading(root, root, budget, 0, trace))
            return [event] if event else []
        items = _items(self.each, _Reading(root, root, budget, None, trace))
        found: list[Event | Malformed] = []
        for position, item in enumerate(items):
            try:
                event = self._alert(delivery, _Reading(item, root, budget, position, trace))
            except InvalidEvent as error:
                message = f"{self.each}[{position}]: {error.message}"
                found.append(Malformed(InvalidEvent(message, fix=error.fix)))
            else:
                found += [event] if event else []
        return found

    def _alert(self, delivery: Delivery, reading: _Reading) -> Event | None:
        if self.ignored_when is not None:
            ignored = is_true(reading.find("ignored_when", self.ignored_when))
            reading.read_as("ignored" if ignored else "not ignored")
            if ignored:
                return None
        ends_at = self._time(reading, "ends_at", self.ends_at)
        status = self._status(reading, delivery, ends_at)
        if status not in ("firing", "resolved"):
            return None
        labels = self._labels(reading)
        key = self._key(reading, labels)
        starts_at = self._time(reading, "starts_at", self.starts_at)
        if self.status.expression is None and status == "firing":
            ends_at = None  # only until when it counts as firing
        item = reading.item
        return alert(
            delivery,
            reading.position or 0,
            kind=self.source,
            key=key,
            status=status,
            time=ends_at if status == "resolved" else starts_at,
            original=item if isinstance(item, dict) else {"value": item},
            title=reading.text("title", self.title),
            summary=reading.text("summary", self.summary),
            service=reading.text("service", self.service),
            severity=self._severity(reading),
            starts_at=starts_at,
            ends_at=ends_at,
            links={
                name: reading.text(f"links.{name}", expression)
                for name, expression in self.links.items()
            },
            labels=labels or None,
            replicated=True if self.replicated else None,
        )

    def _status(self, reading: _Reading, delivery: Delivery, ends_at: object) -> Verdict:
        if self.status.expression is None:
            by_end: Verdict = "resolved" if _is_past(ends_at, delivery) else "firing"
            reading.note("status", "by_end", ends_at, by_end)
            return by_end
        word = reading.text("status", self.status.expression)
        verdict = self.status.words.get((word or "").strip().lower(), self.status.otherwise)
        if verdict is None:
            raise InvalidEvent(
                f"the mapping's `status` ({self.status.expression}) finds "
                f"{f'nothing{reading.because}' if word is None else quoted(word)}, "
                f"and its words are {self._words()}",
                fix="add the word to the mapping, under firing, resolved, ignored or acknowledged",
            )
        reading.read_as(verdict)
        return verdict

    def _words(self) -> str:
        by_verdict: dict[str, list[str]] = {}
        for word, verdict in self.status.words.items():
            by_verdict.setdefault(verdict, []).append(word)
        return "; ".join(f"{verdict}: {', '.join(words)}" for verdict, words in by_verdict.items())

    def _severity(self, reading: _Reading) -> str | None:
        if self.severity is None:
            return None
        word = reading.text("severity", self.severity.expression)
        severity = self.severity.words.get((word or "").strip().lower(), word)
        reading.read_as(severity)
        return severity

    def _key(self, reading: _Reading, labels: Mapping[str, Any]) -> str:
        if not self.key.parts:
            return self._key_of_labels(reading, labels)
        values: list[str] = []
        for part in self.key.parts:
            value = reading.text("key", part)
            if value is None or not value.strip():
                raise InvalidEvent(
                    f"the mapping's `key` ({part}) finds nothing{reading.because}, so nobody can "
                    "say which alert it is",
                    fix="let it find what stays the same from firing to resolved",
                )
            values.append(value)
        return (values[0] if len(values) == 1 else joined(*values)) or ""

    def _key_of_labels(self, reading: _Reading, labels: Mapping[str, Any]) -> str:
        names = self.key.labels or labels
        chosen = {name: labels[name] for name in sorted(names) if name in labels}
        if not chosen:
            which = ", ".join(self.key.labels) or "all"
            raise InvalidEvent(
                f"the mapping's `key` is made of labels ({which}), and the alert has none of them, "
                "so nobody can say which alert it is"
            )
        key = hashlib.sha256(encode(chosen)).hexdigest()[: 2 * _KEY_BYTES]
        reading.note("key", "the labels", sorted(chosen), key)
        return key

    def _time(
        self, reading: _Reading, name: str, reader: tuple[Expression, TimeReader] | None
    ) -> object:
        if reader is None:
            return None
        found = reading.value(name, reader[0])
        if found is None or found == "":
            return None
        time = reader[1].read(found)
        reading.read_as(time)
        return time

    def _labels(self, reading: _Reading) -> dict[str, Any]:
        labels: dict[str, Any] = {}
        for number, (expression, reader) in enumerate(self.labels):
            name = "labels" if len(self.labels) == 1 else f"labels[{number}]"
            found = reading.find(name, expression)
            try:
                reading.budget.spend(reader.cost(found))
                some = reader.read(found)
            except OverBudget:
                raise _too_long(name, expression) from None
            except InvalidEvent as error:
                raise InvalidEvent(
                    f"the mapping's `{name}` ({expression}) {error.message}",
                    fix="describe their shape: object, pairs or tags",
                ) from error
            reading.read_as(some)
            labels |= some
        return labels


@dataclass(slots=True)
class _Reading:
    """One item being read, within the budget that all items of the delivery share."""

    item: Any
    root: Any
    budget: Budget
    position: int | None
    trace: list[Finding] | None
    problem: str = ""
    """Why the last expression could not be evaluated; empty if it could."""

    def find(self, name: str, expression: Expression) -> Any:
        """Whatever the expression finds; None where it cannot be evaluated over this item."""
        try:
            found = expression.search(self.item, self.root, self.budget)
            if isinstance(found, str):  # the same text may be copied for each of many items
                self.budget.spend(len(found) // CHARS_PER_UNIT)
        except OverBudget:
            raise _too_long(name, expression) from None
        except Unevaluable as error:
            self.problem = str(error)
            self.note(name, expression, None, None, self.problem)
            return None
        self.problem = ""
        self.note(name, expression, found, None)
        return found

    @property
    def because(self) -> str:
        """Why the last expression found nothing, for a message; empty where it simply did not."""
        return f" ({self.problem})" if self.problem else ""

    def value(self, name: str, expression: Expression) -> Value | None:
        """The one value that it finds. Raises `InvalidEvent` for a list or an object."""
        found = self.find(name, expression)
        if found is None or isinstance(found, str | int):  # a boolean is an int, too
            return found
        if isinstance(found, float) and math.isfinite(found):
            return found
        raise InvalidEvent(
            f"the mapping's `{name}` ({expression}) finds {_named(found)}, where one value is "
            "wanted",
            fix="choose one of its values, e.g. with [0], or put them together with join(', ', @)",
        )

    def text(self, name: str, expression: Expression | None) -> str | None:
        """The one value as text; None for nothing and for empty text."""
        found = None if expression is None else self.value(name, expression)
        if found is None or found == "":
            return None
        if isinstance(found, bool):
            return "true" if found else "false"
        try:
            return str(found)
        except ValueError as error:
            raise InvalidEvent(
                f"the mapping's `{name}` ({expression}) finds a number of more than 4,300 digits"
            ) from error

    def note(
        self, name: str, expression: object, found: object, read_as: object, problem: str = ""
    ) -> None:
        if self.trace is not None:
            self.trace.append(
                Finding(
                    position=self.position,
                    field=name,
                    expression=str(expression),
                    found=found,
                    read_as=read_as,
                    problem=problem or None,
                )
            )

    def read_as(self, value: object) -> None:
        """Note what was made of the last finding."""
        if self.trace:
            self.trace[-1] = replace(self.trace[-1], read_as=value)


def _too_long(name: str, expression: Expression) -> InvalidEvent:
    return InvalidEvent(
        f"the mapping's `{name}` ({expression}) takes too long over this body",
        fix="write a simpler expression, or let the sender send smaller batches",
    )


def _items(each: Expression, reading: _Reading) -> list[Any]:
    items = reading.find("each", each)
    if not isinstance(items, list):
        raise InvalidEvent(
            f"the mapping's `each` ({each}) finds {_named(items)}, not a list of alerts"
            f"{reading.because}",
            fix="let it find a list; values(...) is the list of an object's values, and "
            "items(...) that of its names and values"
            if isinstance(items, dict)
            else FIX,
        )
    if len(items) > MAX_EVENTS:
        raise InvalidEvent(
            f"the mapping's `each` ({each}) finds {len(items):,} alerts; one delivery may "
            f"hold {MAX_EVENTS:,}",
            fix="let the sender send smaller batches; a replay of this one fails again",
        )
    return items


def _is_past(ends_at: object, delivery: Delivery) -> bool:
    if not isinstance(ends_at, str) or ends_at.startswith("0001-01-01"):  # Go's unset time
        return False
    try:
        return parse_time(ends_at) <= parse_time(delivery.headers.get(RECEIVED_HEADER, ""))
    except ValueError:
        return False


def _named(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case list():
            return f"a list of {len(value):,}"
        case dict():
            return "an object"
        case str():
            return f"the text {quoted(value)}"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number that is infinite or none at all"
        case _:
            return "an expression"
