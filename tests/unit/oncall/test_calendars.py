"""Calendars as layers: whom an event means, and layers that apply on some days only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from core.domain.oncall.calendars import CalendarEvent, Calendars
from core.domain.oncall.rota import shift_at, shifts
from core.domain.oncall.schedules import Schedule

URL = "https://calendars.example/cover.ics"
HOLIDAYS = "https://calendars.example/holidays.ics"
DAY = timedelta(days=1)
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
NAMES = {"ana": "ana", "ana lopez": "ana", "ben": "ben", "lopez, carla": "carla"}


class Events:
    """A calendar with these events: whole days from Monday on, with a summary."""

    def __init__(self, *days: tuple[float, float, str]) -> None:
        self.events = [CalendarEvent(MONDAY + a * DAY, MONDAY + b * DAY, who) for a, b, who in days]

    def between(self, start: datetime, end: datetime, zone: ZoneInfo) -> Sequence[CalendarEvent]:
        return [each for each in self.events if each.start < end and start < each.end]


def schedule(*layers: dict[str, Any]) -> Schedule:
    named = [{"name": f"layer-{number}", **layer} for number, layer in enumerate(layers)]
    return Schedule.model_validate({"time_zone": "UTC", "layers": named})


EVERYBODY: dict[str, Any] = {
    "rotation": {"people": ["dan"], "every": "week", "start": "2026-03-02"}
}


def week(schedule: Schedule, **events: Events) -> list[tuple[float, str]]:
    """From which day of the week on who is on call."""
    by_source = {{"cover": URL, "holidays": HOLIDAYS}[name]: each for name, each in events.items()}
    found = shifts(schedule, MONDAY, MONDAY + 7 * DAY, (), Calendars(by_source, NAMES))
    return [((each.start - MONDAY) / DAY, "+".join(each.people)) for each in found]


@pytest.mark.parametrize(
    ("summary", "people"),
    [
        ("ana", ("ana",)),
        ("  Ana   LOPEZ ", ("ana",)),
        ("Ana Lopez, Ben", ("ana", "ben")),
        ("Ana; ana lopez", ("ana",)),
        ("Lopez, Carla", ("carla",)),
        ("Ana, somebody else", ("ana",)),
        ("Team meeting", ()),
        ("", ()),
    ],
)
def test_a_summary_names_one_person_or_several(summary: str, people: tuple[str, ...]) -> None:
    assert Calendars(names=NAMES).people(summary) == people


def test_whoever_a_calendar_names_is_on_call_and_below_it_the_layer_before() -> None:
    both = schedule(EVERYBODY, {"ical": URL})
    cover = Events((1, 2, "Ana"), (3, 4, "Team meeting"))
    assert week(both, cover=cover) == [(0, "dan"), (1, "ana"), (2, "dan")]


def test_where_events_overlap_all_of_their_people_are_on_call() -> None:
    cover = Events((1, 3, "Ana"), (2, 4, "Ben"), (2.5, 2.75, "Ana"))
    assert week(schedule({"ical": URL}), cover=cover) == [
        (1, "ana"),
        (2, "ana+ben"),
        (2.5, "ana+ben"),
        (2.75, "ana+ben"),
        (3, "ben"),
    ]


def test_a_layer_may_apply_on_the_days_of_a_calendar_only() -> None:
    holidays = EVERYBODY | {"only_on": HOLIDAYS}
    days = Events((1, 2, "Carnival"), (2, 3, "Lent"), (5, 6, "Easter"))
    assert week(schedule(holidays), holidays=days) == [(1, "dan"), (5, "dan")]


def test_a_layer_may_apply_on_all_other_days() -> None:
    weekdays = EVERYBODY | {"not_on": HOLIDAYS}
    days = Events((1, 2, "Carnival"), (5, 6, "Easter"))
    assert week(schedule(weekdays), holidays=days) == [(0, "dan"), (2, "dan"), (6, "dan")]


def test_a_calendar_that_was_not_read_names_nobody_and_limits_nothing() -> None:
    assert week(schedule(EVERYBODY, {"ical": URL})) == [(0, "dan")]
    assert week(schedule(EVERYBODY | {"only_on": HOLIDAYS})) == []
    assert week(schedule(EVERYBODY | {"not_on": HOLIDAYS})) == [(0, "dan")]


def test_an_event_of_a_hundred_years_counts_at_any_of_its_moments() -> None:
    always = schedule({"ical": URL})
    calendars = Calendars({URL: Events((-20_000, 20_000, "Ana"))}, NAMES)
    for year in (1980, 2026, 2070):
        moment = datetime(year, 6, 1, tzinfo=UTC)
        shift = shift_at(always, moment, (), calendars)
        assert shift is not None
        assert shift.start <= moment < shift.end
        assert shift.end - shift.start <= 366 * DAY
