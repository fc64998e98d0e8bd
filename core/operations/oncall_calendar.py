"""Shifts as an iCalendar file (RFC 5545), which calendar programs subscribe to or import.

A shift's UID follows from its schedule, its people and its beginning: when it is written again, a
calendar program changes the event that it has. Times are in UTC, so that the file needs no time
zones of its own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from core.domain.oncall.people import Person
from core.domain.oncall.rota import Shift
from core.domain.text import one_line

if TYPE_CHECKING:
    from core.operations.oncall_rota import Rota

PRODUCT: Final = "-//Tidegate//On call//EN"

_MOMENT_MADE: Final = re.compile(rb"^DTSTAMP:.*\r\n", re.MULTILINE)


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


class TooManyShifts(ValueError):
    """A calendar would have more shifts than it may."""


def written(
    rota: Rota, *, schedule: str | None, person: str | None, days: int, most: int, now: datetime
) -> tuple[bytes, int]:
    """The iCalendar file of a schedule or of a person, from today on, and how many shifts it has.
    Raises `TooManyShifts` for more than `most`, and `OverflowError` at the calendar's end."""
    people = rota.file.people
    entries: list[Entry] = []
    for name in [schedule] if schedule else rota.file.schedules:
        own = ZoneInfo(rota.schedule(name).time_zone)
        today = datetime.combine(now.astimezone(own).date(), time(0), own)
        end = (today + timedelta(days=days)).astimezone(UTC)
        entries += (
            Entry(name, shift, [person] if person else shift.people)
            for shift in rota.shifts(name, today.astimezone(UTC), end)
            if person is None or person in shift.people
        )
        if len(entries) > most:
            raise TooManyShifts(f"these are more than {most:,} shifts")
    if person:
        zone, title = people[person].time_zone, names([person], people)
    else:
        zone, title = rota.schedule(schedule or "").time_zone, schedule or ""
    entries.sort(key=lambda each: (each.shift.start, each.schedule))
    return calendar(f"On call: {title}", entries, people, zone=zone, now=now), len(entries)


def digest(text: bytes) -> str:
    """What differs between two iCalendar files of different shifts, whenever they are made."""
    return hashlib.sha256(_MOMENT_MADE.sub(b"", text)).hexdigest()[:32]


def reason(shift: Shift) -> str:
    """What decides a shift, with what was said of it: `an override by ana: at the dentist`."""
    why = shift.override.why if shift.override else ""
    return f"{shift.reason}: {why}" if why else shift.reason


def names(ids: Iterable[str], people: Mapping[str, Person]) -> str:
    """What people call them, with commas between."""
    return ", ".join(people[id].name if id in people else id for id in ids)
