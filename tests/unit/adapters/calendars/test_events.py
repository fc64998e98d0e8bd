"""Events of calendars as people's programs write them, and what is refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier, Event
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import recurring_ical_events  # type: ignore[import-untyped]

from core.adapters.calendars import events as module
from core.adapters.calendars.events import events_of
from core.adapters.calendars.fetch import Unreadable
from core.domain.oncall.calendars import CalendarEvent
from tests.unit.adapters.calendars.icalendars import ANA, calendar

NOW = datetime(2026, 3, 2, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")

ZONE = """BEGIN:VTIMEZONE
TZID:Office
BEGIN:STANDARD
DTSTART:19700101T000000
TZOFFSETFROM:+0300
TZOFFSETTO:+0300
END:STANDARD
END:VTIMEZONE
"""


def spans(body: bytes, *, days: int = 14, zone: ZoneInfo = BERLIN) -> list[str]:
    """The events of a fortnight, in the zone."""
    found = events_of(body, NOW).between(NOW, NOW + timedelta(days=days), zone)
    local = [(e.summary, e.start.astimezone(zone), e.end.astimezone(zone)) for e in found]
    return [f"{summary} {start:%d %H:%M}-{end:%d %H:%M}" for summary, start, end in local]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (ANA, ["Ana 02 09:00-02 21:00"]),
        (
            "SUMMARY:Ana\nDTSTART;VALUE=DATE:20260303\nDTEND;VALUE=DATE:20260305",
            ["Ana 03 00:00-05 00:00"],
        ),
        ("SUMMARY:Ana\nDTSTART;VALUE=DATE:20260303", ["Ana 03 00:00-04 00:00"]),
        ("SUMMARY:Ana\nDTSTART:20260303T080000\nDURATION:PT2H", ["Ana 03 08:00-03 10:00"]),
        (
            "SUMMARY:Ana\nDTSTART;TZID=America/New_York:20260303T080000\n"
            "DTEND;TZID=America/New_York:20260303T090000",
            ["Ana 03 14:00-03 15:00"],
        ),
        (
            "SUMMARY:Ana\nDTSTART:20260303T080000Z\nDTEND:20260303T090000Z\n"
            "RRULE:FREQ=DAILY;INTERVAL=2;COUNT=4\nEXDATE:20260305T080000Z",
            ["Ana 03 09:00-03 10:00", "Ana 07 09:00-07 10:00", "Ana 09 09:00-09 10:00"],
        ),
        ("SUMMARY:Ana\nDTSTART:20260303T080000Z\nDTEND:20260303T080000Z", []),
        (f"{ANA}\nSTATUS:CANCELLED", []),
        ("DTSTART:20260303T080000Z\nDTEND:20260303T090000Z", [" 03 09:00-03 10:00"]),
    ],
)
def test_events_are_moments_whatever_way_they_are_written(event: str, expected: list[str]) -> None:
    assert spans(calendar(event)) == expected


def test_a_zone_that_the_calendar_itself_defines_counts() -> None:
    event = "SUMMARY:Ana\nDTSTART;TZID=Office:20260303T080000\nDTEND;TZID=Office:20260303T090000"
    body = calendar(event).replace(b"BEGIN:VEVENT", f"{ZONE}BEGIN:VEVENT".encode(), 1)
    assert spans(body) == ["Ana 03 06:00-03 07:00"]


def test_an_event_that_lasts_for_years_is_found_within_it() -> None:
    body = calendar("SUMMARY:Ana\nDTSTART;VALUE=DATE:20200101\nDTEND;VALUE=DATE:20300101")
    (event,) = events_of(body, NOW).between(NOW, NOW + timedelta(days=200), BERLIN)
    assert event.end - event.start > timedelta(days=3_652)


def test_a_recurring_event_keeps_its_time_of_day_when_the_clocks_change() -> None:
    body = calendar(
        "SUMMARY:Ana\nDTSTART;TZID=Europe/Berlin:20260302T080000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY"
    )
    found = events_of(body, NOW).between(NOW, NOW + timedelta(days=60), BERLIN)
    assert {each.start.astimezone(BERLIN).hour for each in found} == {8}
    assert {each.start.hour for each in found} == {7, 6}


LOGIN = b"<!DOCTYPE html><html><body>Log in</body></html>"
OFTEN = "SUMMARY:Ana\nDTSTART:20260303T080000Z\nDURATION:PT1S\nRRULE:FREQ="


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (LOGIN, "it is a web page, not a calendar: the address may need a login"),
        (b"\xef\xbb\xbf  " + LOGIN, "it is a web page, not a calendar"),
        (b"", "it is not a calendar in the iCalendar format"),
        (b'{"error": "not found"}', "it is not a calendar in the iCalendar format"),
        (b"\xff\xfe\x00garbage", "it is not a calendar in the iCalendar format"),
        (b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n", "it is not a valid calendar"),
        (
            calendar("SUMMARY:Ana\nDTSTART:20260303T080000Z\nDURATION:PT1H\nRRULE:FREQ=NEVER"),
            "it is not a valid calendar",
        ),
        (calendar(*[ANA] * 5_001), "it has more than 5,000 events"),
        (calendar(f"{OFTEN}SECONDLY"), "its events recur more than 200 times a day"),
        (calendar(f"{OFTEN}MINUTELY"), "its events recur more than 200 times a day"),
        (
            calendar(
                f"{OFTEN}DAILY;BYHOUR={','.join(map(str, range(24)))};BYMINUTE="
                f"{','.join(map(str, range(60)))}"
            ),
            "its events recur more than 200 times a day",
        ),
        (calendar(*[f"{OFTEN}HOURLY"] * 9), "its events recur more than 200 times a day"),
        (calendar(ANA, f"{OFTEN}DAILY;INTERVAL=0"), "an event recurs at an interval of less than"),
        (calendar(f"{OFTEN}DAILY\nRRULE:FREQ=DAILY;INTERVAL=0"), "an event recurs at an interval"),
        (calendar(ANA, f"{OFTEN}DAILY;BYSETPOS=0"), "it is not a valid calendar"),
    ],
)
def test_what_is_no_calendar_is_refused_with_the_reason(body: bytes, reason: str) -> None:
    with pytest.raises(Unreadable) as refused:
        events_of(body, NOW)
    assert str(refused.value).startswith(reason)


def test_what_takes_too_long_to_expand_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([10.0, 13.1])
    monkeypatch.setattr(module, "thread_time", lambda: next(moments))
    with pytest.raises(Unreadable, match="its events take more than 3 s of computing to expand"):
        events_of(calendar(ANA), NOW)


def test_a_calendar_is_prepared_once_whatever_is_asked_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where nobody is on call, whoever is next is looked for over years of it."""
    events = events_of(calendar(ANA), NOW)
    prepared: list[object] = []
    monkeypatch.setattr(recurring_ical_events, "of", lambda *args, **_: prepared.append(args))
    assert len(events.between(NOW, NOW + timedelta(days=800), BERLIN)) == 1
    assert prepared == []


def test_threads_that_ask_for_the_same_events_wait_for_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    events, threads = events_of(calendar(ANA), NOW), 4
    expanded: list[datetime] = []
    together, expand = Barrier(threads), module._occurrences

    others_came = Event()

    def counted(series: Any, start: datetime, end: datetime, zone: ZoneInfo) -> list[CalendarEvent]:
        expanded.append(start)
        if len(expanded) == 1:
            others_came.wait(0.2)  # they would, if nothing held them up
        elif start == expanded[0]:
            others_came.set()
        return list(expand(series, start, end, zone))

    def ask(_: int) -> int:
        together.wait(10)
        return len(events.between(NOW, NOW + timedelta(days=800), BERLIN))

    monkeypatch.setattr(module, "_occurrences", counted)
    with ThreadPoolExecutor(threads) as pool:
        assert list(pool.map(ask, range(threads))) == [1] * threads
    assert len(expanded) == len(set(expanded))
