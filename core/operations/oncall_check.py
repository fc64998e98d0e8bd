"""What is wrong with an on-call file that is valid: gaps, people without contact, hand-overs that a
change of the clocks breaks, addresses that lead to no calendar.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from core import bootstrap
from core.config.settings import Settings
from core.domain.oncall import gaps
from core.domain.oncall.calendars import Calendars
from core.domain.oncall.file import OnCallFile
from core.domain.oncall.gaps import Finding
from core.domain.text import shortened
from core.operations.oncall_rota import read_calendars

_AHEAD: Final = timedelta(days=366)
_SHOWN: Final = 5
"""How many titles of a calendar are shown."""
_TITLE_CHARS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found. `unset` are the variables that contact methods lack here; `remarks` say which
    calendars could not be read, and which of their events name nobody."""

    findings: tuple[Finding, ...]
    remarks: tuple[str, ...]
    unset: Mapping[str, tuple[str, ...]]


async def check(settings: Settings, file: OnCallFile, now: datetime) -> Checked:
    """What is wrong with a file, as far as its calendars can be read here."""
    calendars = await read_calendars(settings, file)
    return Checked(
        findings=(*gaps.findings(file, now, calendars), *_refused(calendars)),
        remarks=(
            *_not_read(calendars),
            *_events_of_nobody(file, calendars, now),
        ),
        unset=gaps.unset(file, bootstrap.target_variables(settings)),
    )


def _refused(calendars: Calendars) -> Iterator[Finding]:
    """Whose calendars are texts that are no calendars."""
    for name, remarks in calendars.refused.items():
        for remark in sorted(remarks):
            yield Finding("schedule", name, remark)


def _not_read(calendars: Calendars) -> Iterator[str]:
    """Which calendars cannot be read here, and may be elsewhere."""
    for name, remarks in calendars.remarks.items():
        refused = calendars.refused.get(name, ())
        yield from (remark for remark in remarks if remark not in refused)


def _events_of_nobody(file: OnCallFile, calendars: Calendars, now: datetime) -> Iterator[str]:
    """Which layers' calendars have events in the coming year that name nobody of the file."""
    for name, schedule in file.schedules.items():
        zone = ZoneInfo(schedule.time_zone)
        for layer in schedule.layers:
            events = calendars.events.get(layer.ical.source) if layer.ical else None
            coming = events.between(now, now + _AHEAD, zone) if events is not None else ()
            titles = {each.summary for each in coming if not calendars.people(each.summary)}
            if titles:
                shown = ", ".join(
                    repr(shortened(each, _TITLE_CHARS)) for each in sorted(titles)[:_SHOWN]
                )
                more = f" and {len(titles) - _SHOWN} more" if len(titles) > _SHOWN else ""
                yield (
                    f"the calendar of layer {layer.name} of schedule {name} has events that name "
                    f"nobody: {shown}{more}; add what it calls people to their `known_as`"
                )
