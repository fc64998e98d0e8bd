"""Values that a sender writes in one of several shapes: times and labels."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from core.domain.text import spelt
from core.errors import InvalidEvent
from core.formats.shared.bounds import estimated_memory
from core.formats.shared.json_body import load_json
from core.formats.shared.tags import labels_of
from core.formats.shared.times import format_time, from_epoch, utc

TimeUnit = Literal["auto", "rfc3339", "epoch", "epoch-s", "epoch-ms", "epoch-us", "epoch-ns"]
LabelShape = Literal["object", "pairs", "tags"]

_PER_SECOND: Final = {"epoch-s": 1, "epoch-ms": 1_000, "epoch-us": 10**6, "epoch-ns": 10**9}
_TIME_CHARS: Final = 100
"""Longest text that is read as a time."""
_UNITS_PER_LABEL: Final = 6
_BYTES_PER_UNIT: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeReader:
    """How a sender writes a time: in a unit, or by a `strptime` pattern, in a zone unless the
    pattern has one itself."""

    unit: TimeUnit = "auto"
    pattern: str | None = None
    zone: str | None = None

    def read(self, value: object) -> object:
        """The time in RFC 3339. What cannot be read is returned as it is, for the domain to remark
        on."""
        if isinstance(value, str):
            value = value.strip()
            if len(value) > _TIME_CHARS:
                return f"{value[:_TIME_CHARS]}..."
        if self.pattern is not None:
            return self._by_pattern(value, self.pattern)
        match self.unit:
            case "rfc3339":
                return utc(value) or value
            case "auto":
                return utc(_zoned(value)) or from_epoch(value)
            case "epoch":
                return from_epoch(value)
            case "epoch-s" | "epoch-ms" | "epoch-us" | "epoch-ns" as unit:
                return from_epoch(value, per_second=_PER_SECOND[unit])

    def _by_pattern(self, value: object, pattern: str) -> object:
        try:
            moment = datetime.strptime(str(value), pattern)  # noqa: DTZ007  the zone is next
            if moment.tzinfo is None and self.zone is not None:
                moment = moment.replace(tzinfo=ZoneInfo(self.zone))
            return format_time(moment)
        except (ValueError, OverflowError):
            return value


def _zoned(value: object) -> object:
    """The value; text that ends in the name of UTC, as Ruby writes it, ends in its sign."""
    if isinstance(value, str) and value.endswith((" UTC", " GMT")):
        return f"{value[:-4]}Z"
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelReader:
    """How a sender writes labels.

    object   {"host": "a"}
    pairs    [{"name": "host", "value": "a"}], by the names of the two fields
    tags     ["host:a", "canary"], or one text, by what is between the tags
    """

    shape: LabelShape = "object"
    name: str = "name"
    value: str = "value"
    separator: str = ":"
    between: str = ","

    def cost(self, found: object) -> int:
        """What reading them costs, in units of a `Budget`: of objects nothing but what finding them
        has cost, of all else for each label that may be built, however often it is built."""
        if isinstance(found, list):
            return _UNITS_PER_LABEL * len(found)
        if not isinstance(found, str):
            return 0
        if found.lstrip()[:1] in ("{", "["):
            return estimated_memory(found) // _BYTES_PER_UNIT
        return _UNITS_PER_LABEL * (found.count(self.between) + 1)

    def read(self, found: object) -> dict[str, Any]:
        """The labels; none for null and empty text. Text that holds JSON is read as it. Raises
        `InvalidEvent` for another shape."""
        if isinstance(found, str) and found.lstrip()[:1] in ("{", "["):
            try:
                found = load_json(found.encode())
            except InvalidEvent as error:
                if self.shape != "tags":
                    raise InvalidEvent("are not JSON") from error
        if found in (None, "", [], {}):
            return {}
        match self.shape:
            case "object":
                if isinstance(found, dict):
                    return {name: value for name, value in found.items() if value is not None}
                raise InvalidEvent("are not an object")
            case "pairs":
                return self._pairs(found)
            case "tags":
                if isinstance(found, str | list):
                    return dict(labels_of(found, separator=self.separator, between=self.between))
                raise InvalidEvent("are not a list or a text of tags")

    def _pairs(self, found: object) -> dict[str, Any]:
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise InvalidEvent("are not a list of objects")
        labels: dict[str, list[Any]] = {}
        for item in found:
            name, value = item.get(self.name), item.get(self.value)
            if not isinstance(name, str):
                raise InvalidEvent(f"are pairs, of which one has no name in `{self.name}`")
            labels.setdefault(name, []).extend([] if value is None else [value])
        return {
            name: values[0] if len(values) == 1 else ",".join(map(spelt, values))
            for name, values in labels.items()
            if values
        }
