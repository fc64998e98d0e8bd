"""The team of docs/oncall.md: its files, its week with a swap and a holiday, and its calendar."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from core.config.files import load_oncall, load_policies
from core.domain.oncall.calendars import CalendarEvent, Calendars
from core.domain.oncall.overrides import Override
from core.domain.oncall.rota import Shift, shifts

FOLDER: Final = Path(__file__).parents[2] / "docs" / "oncall"
FILE: Final = load_oncall(FOLDER / "oncall.yaml")
POLICIES: Final = load_policies(FOLDER / "policies.yaml", FILE)
SCHEDULE: Final = FILE.schedules["checkout"]
BERLIN: Final = ZoneInfo(SCHEDULE.time_zone)
NEW_YORK: Final = ZoneInfo("America/New_York")


class WholeDays(NamedTuple):
    """A calendar of events that last a day each, as docs/oncall.md has one."""

    days: tuple[tuple[date, str], ...]

    def between(self, start: datetime, end: datetime, zone: ZoneInfo) -> Sequence[CalendarEvent]:
        found = []
        for day, summary in self.days:
            since, until = (
                datetime.combine(each, time(0), zone).astimezone(UTC)
                for each in (day, day + timedelta(days=1))
            )
            if since < end and start < until:
                found.append(CalendarEvent(since, until, summary))
        return found


CALENDARS: Final = Calendars(
    {"$CHECKOUT_COVER_CALENDAR": WholeDays(((date(2026, 4, 3), "Eve Chen"),))}, FILE.names
)
SWAP: Final = (
    Override(
        id="s1",
        schedule="checkout",
        people=("ana",),
        start=datetime(2026, 4, 2, 8, tzinfo=BERLIN),
        end=datetime(2026, 4, 2, 20, tzinfo=BERLIN),
        by="ben",
        why="swapped with 16 April",
    ),
    Override(
        id="s2",
        schedule="checkout",
        people=("ben",),
        start=datetime(2026, 4, 16, 8, tzinfo=BERLIN),
        end=datetime(2026, 4, 16, 20, tzinfo=BERLIN),
        by="ben",
        why="swapped with 2 April",
    ),
)


def at(day: date, hour: int = 0) -> datetime:
    """A moment on Berlin's clocks."""
    return datetime.combine(day, time(hour), BERLIN)


FROM: Final = at(date(2026, 3, 28))
UNTIL: Final = at(date(2026, 4, 6))


def week() -> list[Shift]:
    """The shifts that the guide shows, from the weekend of the clocks' change on."""
    return shifts(SCHEDULE, FROM, UNTIL, SWAP, CALENDARS)
