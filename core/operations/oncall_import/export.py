"""An export as its importer reads it: JSON within bounds, in which each value knows its place.

What is wrong with one part of an export must not cost the others: a value of the wrong kind raises
`ExportProblem`, which becomes a remark on that part.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from core.domain.text import shortened
from core.errors import ConfigurationError

MOST_BYTES: Final = 32 * 1024 * 1024
MOST_DEPTH: Final = 40
MOST: Final = 50_000_000
"""Largest number: of seconds, more than a year; of minutes, less than a century."""
YEARS: Final = (2000, 2099)
"""Times are after the first of these years and before the second, in any time zone."""
HOW_TO_EXPORT: Final = "export it with the commands of the guide to importing"
_MOST_CHARS: Final = 300
"""Longest text that is read of a value; names are shorter."""


class ExportProblem(Exception):
    """A part of the export that is not as its product documents it, or that has no counterpart."""

    def __init__(self, place: str, what: str, todo: str | None = None) -> None:
        super().__init__(f"{place}: {what}")
        self.place, self.what, self.todo = place, what, todo


@dataclass(frozen=True, slots=True)
class Node:
    """A value of the export; `place` is where it is, like `schedules[0].rotations[1]`."""

    place: str
    value: Any

    def get(self, name: str) -> Node | None:
        """The field of that name; None if it is missing or null."""
        if not isinstance(self.value, dict):
            raise ExportProblem(self.place, f"it is not an object, but {_kind(self.value)}")
        value = self.value.get(name)
        return None if value is None else Node(f"{self.place}.{name}".lstrip("."), value)

    def need(self, name: str) -> Node:
        """The field of that name, which must be there."""
        if node := self.get(name):
            return node
        raise ExportProblem(self.place, f"it has no `{name}`")

    def text(self, name: str) -> str:
        """The field as text without blanks around it; empty if it is missing."""
        node = self.get(name)
        if node is None:
            return ""
        if isinstance(node.value, str | int) and not isinstance(node.value, bool):
            return shortened(" ".join(str(node.value).split()), _MOST_CHARS)
        raise ExportProblem(node.place, f"it is not a text, but {_kind(node.value)}")

    def key(self, name: str) -> str:
        """The field, which identifies its object, as text."""
        if key := self.text(name):
            return key
        raise ExportProblem(self.place, f"it has no `{name}`")

    def number(self, name: str, default: int | None = None) -> int:
        """The field as a whole number that is not negative, and has a bound."""
        node = self.need(name) if default is None else self.get(name)
        if node is None:
            return default or 0
        if isinstance(node.value, int) and not isinstance(node.value, bool) and node.value >= 0:
            if node.value > MOST:
                raise ExportProblem(node.place, "the number is too large")
            return node.value
        raise ExportProblem(node.place, f"it is not a whole number, but {_kind(node.value)}")

    def flag(self, name: str, default: bool) -> bool:
        """The field as yes or no."""
        node = self.get(name)
        if node is None:
            return default
        if isinstance(node.value, bool):
            return node.value
        raise ExportProblem(node.place, f"it is not true or false, but {_kind(node.value)}")

    def moment(self, name: str) -> datetime | None:
        """The field as a moment in UTC; None if it is missing or empty."""
        time = self.local(name)
        if time is None:
            return None
        if time.tzinfo is None:
            raise ExportProblem(f"{self.place}.{name}", "its time has no offset from UTC")
        return time.astimezone(UTC)

    def local(self, name: str) -> datetime | None:
        """The field as a time, with or without an offset; None if it is missing or empty."""
        text = self.text(name)
        if not text:
            return None
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            raise ExportProblem(f"{self.place}.{name}", "it is not a date and time") from None
        if not YEARS[0] < time.year < YEARS[1]:
            raise ExportProblem(
                f"{self.place}.{name}", f"it is not between {YEARS[0]} and {YEARS[1]}"
            )
        return time

    def each(self, name: str) -> list[Node]:
        """The entries of a field that is a list; none if it is missing."""
        node = self.get(name)
        return [] if node is None else node.entries()

    def entries(self) -> list[Node]:
        """The entries of this list."""
        if not isinstance(self.value, list):
            raise ExportProblem(self.place, f"it is not a list, but {_kind(self.value)}")
        return [Node(f"{self.place}[{number}]", value) for number, value in enumerate(self.value)]

    def section(self, name: str, *wrappers: str) -> list[Node]:
        """The objects of a section, however they were put together: a list of them, an answer of
        the API that has them in one of the `wrappers`, or a list of such answers, as of pages."""
        node = self.get(name)
        return [] if node is None else list(_unwrapped(node, wrappers))


def _unwrapped(node: Node, wrappers: tuple[str, ...]) -> Iterator[Node]:
    if isinstance(node.value, list):
        for entry in node.entries():
            yield from _unwrapped(entry, wrappers)
        return
    for wrapper in wrappers:
        if (inner := node.get(wrapper)) and isinstance(inner.value, list | dict):
            yield from _unwrapped(inner, wrappers)
            return
    node.get("")  # which raises for what is no object
    yield node


def read_export(body: bytes, name: str) -> Node:
    """The export in a file of that name. Raises `ConfigurationError` for what is not JSON, is too
    large or too deeply nested, or is empty."""
    if len(body) > MOST_BYTES:
        raise ConfigurationError(
            f"{name} is larger than {MOST_BYTES // 1024 // 1024} MiB", fix="export fewer schedules"
        )
    if not body.strip():
        raise ConfigurationError(f"{name} is empty", fix=HOW_TO_EXPORT)
    try:
        value = json.loads(body)
    except json.JSONDecodeError as error:
        # The error's own text quotes nothing of the file.
        where = f"line {error.lineno}, column {error.colno}"
        raise ConfigurationError(
            f"{name} is not JSON: {error.msg} ({where})", fix=HOW_TO_EXPORT
        ) from None
    except (UnicodeDecodeError, ValueError) as error:
        raise ConfigurationError(
            f"{name} is not JSON: it is not UTF-8", fix=HOW_TO_EXPORT
        ) from error
    except RecursionError:
        raise ConfigurationError(f"{name} is nested too deeply", fix=HOW_TO_EXPORT) from None
    if _is_deeper(value, MOST_DEPTH):
        raise ConfigurationError(f"{name} is nested too deeply", fix=HOW_TO_EXPORT)
    if not isinstance(value, dict):
        raise ConfigurationError(f"{name} is not an export, but {_kind(value)}", fix=HOW_TO_EXPORT)
    return Node("", value)


def _is_deeper(value: object, depth: int) -> bool:
    if not isinstance(value, list | dict):
        return False
    children = value.values() if isinstance(value, dict) else value
    return depth == 0 or any(_is_deeper(child, depth - 1) for child in children)


def _kind(value: object) -> str:
    """What kind of JSON value it is, without the value, which may be an address."""
    match value:
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case None:
            return "null"
        case _:
            return "an object"
