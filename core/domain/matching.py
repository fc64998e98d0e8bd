"""Matchers: which incidents a rule of the policies file is for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Final, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from core.domain.names import NAME_PATTERN
from core.domain.severity import Severity


class Strict(BaseModel):
    """Part of a file that people write: an unknown field is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


Location = tuple[int | str, ...]
Problem = tuple[Location, str]
"""What is wrong, and where in the file."""


class Misfit(NamedTuple):
    """A field of an incident, or a label by its name, that none of a rule's patterns matches."""

    name: str
    value: str | None
    patterns: tuple[str, ...]


Name = Annotated[str, Field(pattern=NAME_PATTERN)]


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


_Pattern = Annotated[str, Field(min_length=1)]
_PatternList = Annotated[list[_Pattern], Field(min_length=1)]
_SeverityList = Annotated[list[Severity], Field(min_length=1)]
Patterns = Annotated[
    _PatternList, BeforeValidator(_as_list, json_schema_input_type=_Pattern | _PatternList)
]
Severities = Annotated[
    _SeverityList, BeforeValidator(_as_list, json_schema_input_type=Severity | _SeverityList)
]


class Match(Strict):
    """Which incidents are meant: those that match every field. In a pattern `*` stands for
    anything; of several patterns one has to match."""

    source: Patterns | None = Field(None, description="The monitoring system that opened it.")
    service: Patterns | None = Field(None, description="The incident's service.")
    severity: Severities | None = Field(None, description="One of these severities.")
    labels: dict[str, Patterns] | None = Field(None, min_length=1, description="Labels by name.")

    @model_validator(mode="after")
    def _matches_something(self) -> Self:
        fields = (self.source, self.service, self.severity, self.labels)
        if all(each is None for each in fields):
            raise ValueError("it names neither source, service, severity nor labels")
        return self

    def __str__(self) -> str:
        """It in words: `service checkout or cart; labels team=shop`."""
        fields = self.model_dump(mode="json", exclude_none=True)
        return "; ".join(f"{name} {_words(patterns)}" for name, patterns in fields.items())

    def fits(self, source: str | None, service: str | None, labels: Mapping[str, str]) -> bool:
        """Whether source, service and labels match; a missing one matches nothing."""
        return not any(self.misfits(source, service, labels))

    def misfits(
        self, source: str | None, service: str | None, labels: Mapping[str, str]
    ) -> Iterator[Misfit]:
        """Which of source, service and labels do not match."""
        named = {name: (labels.get(name), some) for name, some in (self.labels or {}).items()}
        fields = {"source": (source, self.source), "service": (service, self.service)}
        for name, (value, patterns) in {**fields, **named}.items():
            if patterns is not None and not _fits(value, patterns):
                yield Misfit(name, value, tuple(patterns))


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={_words(patterns)}" for name, patterns in value.items())
    return " or ".join(map(str, value)) if isinstance(value, list) else str(value)


_FIELDS: Final = ("source", "service", "severity")
"""What a match has besides labels."""


def match_of(pairs: Iterable[str]) -> Match:
    """The match of texts like `service=checkout`: of one name any pattern has to match, of several
    names all. What is none of the fields is a label's name, and so is what follows `labels.`.
    Raises `ValueError`, or `ValidationError` for what no match has."""
    fields: dict[str, list[str]] = {}
    labels: dict[str, list[str]] = {}
    for text in pairs:
        name, _, pattern = text.partition("=")
        if not name or not pattern:
            raise ValueError(f"{text!r} is not NAME=PATTERN")
        if name in _FIELDS:
            fields.setdefault(name, []).append(pattern)
        else:
            labels.setdefault(name.removeprefix("labels."), []).append(pattern)
    return Match.model_validate({**fields, **({"labels": labels} if labels else {})})


def _fits(value: str | None, patterns: Iterable[str]) -> bool:
    return value is not None and any(_is_like(value, pattern) for pattern in patterns)


def _is_like(value: str, pattern: str) -> bool:
    """Whether the pattern fits the whole value. No regular expression: its time would grow with
    the power of the number of stars, and senders write values."""
    first, *middle = pattern.split("*")
    if not middle:
        return value == pattern
    last = middle.pop()
    end = len(value) - len(last)
    if end < len(first) or not (value.startswith(first) and value.endswith(last)):
        return False
    position = len(first)
    for part in middle:
        found = value.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return True


def repeated(names: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Names that stand in the list before, with their positions."""
    seen: Counter[str] = Counter()
    for number, name in enumerate(names):
        if seen[name]:
            yield number, name
        seen[name] += 1
