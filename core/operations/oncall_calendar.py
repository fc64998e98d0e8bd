"""Shifts as an iCalendar file (RFC 5545), which calendar programs subscribe to or import.

A shift's UID follows from its schedule, its people and its beginning: when it is written again, a
calendar program changes the event that it has. Times are in UTC, so that the file needs no time
zones of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from core.domain.oncall.people import Person
from core.domain.oncall.rota import Shift
from core.domain.text import one_line

PRODUCT: Final = "-//Tidegate//On call//EN"


@dataclass(frozen=True, slots=True)
class Entry:
    """A shift of a schedule, for all of its people or for some of them."""

    schedule: str
    shift: Shift
    people: Sequence[str]

    @property
    def uid(self) -> str:
        start = self.shift.start.isoformat()
        text = "\n".join((self.schedule, ",".join(self.people), start))
        return f"{hashlib.sha256(text.encode()).hexdigest()[:32]}@tidegate"


def calendar(
    name: str, entries: Iterable[Entry], people: Mapping[str, Person], *, zone: str, now: datetime
) -> bytes:
    """The iCalendar file of shifts. `name` is its title, `zone` the time zone in which a calendar
    program may show it, `now` the moment at which it is made."""
    from icalendar import Calendar, Event

    whole = Calendar()
    whole.add("prodid", PRODUCT)
    whole.add("version", "2.0")
    whole.add("x-wr-calname", one_line(name))
    whole.add("x-wr-timezone", zone)
    for entry in entries:
        event = Event()
        event.add("uid", entry.uid)
        event.add("dtstamp", now.astimezone(UTC).replace(microsecond=0))
        event.add("dtstart", entry.shift.start)
        event.add("dtend", entry.shift.end)
        event.add("summary", one_line(f"{names(entry.people, people)} on call: {entry.schedule}"))
        event.add("description", one_line(reason(entry.shift)))
        event.add("transp", "TRANSPARENT")  # whoever is on call may have meetings
        whole.add_component(event)
    text: bytes = whole.to_ical()
    return text


def reason(shift: Shift) -> str:
    """What decides a shift, with what was said of it: `an override by ana: at the dentist`."""
    why = shift.override.why if shift.override else ""
    return f"{shift.reason}: {why}" if why else shift.reason


def names(ids: Iterable[str], people: Mapping[str, Person]) -> str:
    """What people call them, with commas between."""
    return ", ".join(people[id].name if id in people else id for id in ids)
