"""The events of a calendar in the iCalendar format (RFC 5545), with those that recur."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from threading import Lock
from time import thread_time
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from core.adapters.calendars.fetch import Unreadable
from core.domain.oncall.calendars import CalendarEvent

if TYPE_CHECKING:
    from icalendar import Calendar
    from recurring_ical_events import CalendarQuery  # type: ignore[import-untyped]

_MAX_EVENTS: Final = 5_000
_MAX_A_DAY: Final = 200
"""Most occurrences of recurring events a day."""
_MAX_SECONDS: Final = 3.0
"""Most computing time to read a calendar and expand a month of it. It bounds what no count does:
rules that never match, or that began a century ago. 5,000 events take about 1.5 s."""
_CHUNK: Final = timedelta(days=32)
_MAX_CHUNKS: Final = 500
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MARGIN: Final = timedelta(days=2)
"""More than what a day without a zone can be off."""


def events_of(body: bytes, now: datetime) -> CalendarEvents:
    """The events of a calendar's text. Raises `Unreadable` for anything else, and after too much
    computing: it is to be called in a thread of its own."""
    began = thread_time()
    text = body.lstrip(b"\xef\xbb\xbf \r\n\t")
    if text[:1] == b"<":
        raise Unreadable("it is a web page, not a calendar: the address may need a login")
    if not text.upper().startswith(b"BEGIN:VCALENDAR"):
        raise Unreadable("it is not a calendar in the iCalendar format")
    if text.upper().count(b"BEGIN:VEVENT") > _MAX_EVENTS:
        raise Unreadable(f"it has more than {_MAX_EVENTS:,} events")
    from icalendar import Calendar

    try:
        calendar = Calendar.from_ical(text)
        _check_recurrence(calendar)
        events = CalendarEvents(calendar)
        # What cannot be expanded is refused now, and not when somebody is to be paged.
        strict = _series(calendar, strict=True)
        list(_occurrences(strict, now - _MARGIN, now + _CHUNK, ZoneInfo("UTC")))
    except Unreadable:
        raise
    except Exception as error:  # noqa: BLE001  # the libraries raise whatever a broken calendar leads to
        raise Unreadable(f"it is not a valid calendar ({type(error).__name__})") from None
    if thread_time() - began > _MAX_SECONDS:
        raise Unreadable(f"its events take more than {_MAX_SECONDS:g} s of computing to expand")
    return events


class CalendarEvents:
    """The events of one calendar; what was expanded is kept. A series that cannot be expanded is
    left out."""

    def __init__(self, calendar: Calendar) -> None:
        # Once for all periods: it costs more than to expand one, and keeps how far rules have come.
        self._series = _series(calendar, strict=False)
        self._lock = Lock()
        self._expanded: dict[tuple[int, str], tuple[CalendarEvent, ...]] = {}

    def between(self, start: datetime, end: datetime, zone: ZoneInfo) -> Sequence[CalendarEvent]:
        first, last = ((moment - _EPOCH) // _CHUNK for moment in (start, end))
        found = {each for number in range(first, last + 1) for each in self._chunk(number, zone)}
        return sorted(each for each in found if each.start < end and start < each.end)

    def _chunk(self, number: int, zone: ZoneInfo) -> tuple[CalendarEvent, ...]:
        key = (number, zone.key)
        # Several threads ask: the second waits for what the first expands.
        with self._lock:
            if (found := self._expanded.get(key)) is None:
                if len(self._expanded) >= _MAX_CHUNKS:
                    self._expanded.clear()
                start = _EPOCH + number * _CHUNK
                found = tuple(_occurrences(self._series, start, start + _CHUNK, zone))
                self._expanded[key] = found
        return found


def _series(calendar: Calendar, *, strict: bool) -> CalendarQuery:
    """The calendar, ready to be expanded. Unless it is `strict`, it leaves out a series that cannot
    be."""
    import recurring_ical_events

    return recurring_ical_events.of(calendar, skip_bad_series=not strict)


def _occurrences(
    series: CalendarQuery, start: datetime, end: datetime, zone: ZoneInfo
) -> Iterator[CalendarEvent]:
    """The occurrences that overlap a period, and perhaps some around it."""
    for event in series.between(start - _MARGIN, end + _MARGIN):
        if str(event.get("STATUS", "")).upper() == "CANCELLED":
            continue
        since, until = (_moment(event[name].dt, zone) for name in ("DTSTART", "DTEND"))
        if since < until:
            yield CalendarEvent(since, until, str(event.get("SUMMARY", "")))


def _moment(value: date, zone: ZoneInfo) -> datetime:
    if not isinstance(value, datetime):
        value = datetime.combine(value, time(0))
    return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)


def _check_recurrence(calendar: Calendar) -> None:
    """Raises `Unreadable` for more than a team's calendar has, and for a rule that the library
    would expand without end."""
    rules = [rule for event in calendar.walk("VEVENT") for rule in _rules(event.get("RRULE"))]
    if any(interval < 1 for rule in rules for interval in rule.get("INTERVAL", ())):
        raise Unreadable("an event recurs at an interval of less than 1")
    daily = sum(map(_a_day, rules))
    if daily > _MAX_A_DAY:
        raise Unreadable(f"its events recur more than {_MAX_A_DAY:,} times a day")


def _rules(found: Any) -> Sequence[Any]:
    """The rules of an event, as the library has none, one or several."""
    return found if isinstance(found, list) else [found] if found else []


def _a_day(rule: Any) -> int:
    """At most so often a day an event recurs."""
    often = {"HOURLY": 24, "MINUTELY": 1_440, "SECONDLY": 86_400}
    count = often.get(str(rule.get("FREQ", [""])[0]).upper(), 1)
    for part in ("BYHOUR", "BYMINUTE", "BYSECOND"):
        count *= max(1, len(rule.get(part, [])))
    return count
