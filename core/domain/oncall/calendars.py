"""Calendars as the rota sees them: events with a beginning, an end and a summary.

Reading a calendar is an adapter's work (`core.ports.calendars`); whom an event means is decided
here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple, Protocol
from zoneinfo import ZoneInfo


class CalendarEvent(NamedTuple):
    """An event, or one occurrence of an event that recurs; its moments are in UTC."""

    start: datetime
    end: datetime
    summary: str


class Events(Protocol):
    """The events of one calendar."""

    def between(self, start: datetime, end: datetime, zone: ZoneInfo) -> Sequence[CalendarEvent]:
        """The events that overlap a period, whole ones. Whole days, and times without a zone, are
        in `zone`."""
        ...


@dataclass(frozen=True, slots=True)
class Calendars:
    """The calendars that could be read or of which there is a copy, by their `source`, and the IDs
    of people by what calendars call them, in lower case. `remarks` say, by schedule, which layers'
    calendars could not be read; those of texts that are no calendars are in `refused`, too."""

    events: Mapping[str, Events] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    remarks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    refused: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def people(self, summary: str) -> tuple[str, ...]:
        """Whom a summary means: one person, or several with commas between them."""
        whole = " ".join(summary.split()).lower()
        parts = [whole] if whole in self.names else re.split(r"\s*[,;]\s*", whole)
        return tuple(dict.fromkeys(self.names[part] for part in parts if part in self.names))


NO_CALENDARS: Final = Calendars()
