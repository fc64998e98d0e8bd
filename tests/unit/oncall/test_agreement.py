"""Whoever asks who is on call is answered the same: the command for now, the one for what comes
next, the calendar feed, and the page that goes out."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from core.domain.oncall.answer import Question, Recipient, RecipientKind
from core.domain.oncall.answering import answer
from core.domain.oncall.calendars import Calendars
from core.domain.oncall.file import OnCallFile
from core.domain.oncall.overrides import Override
from core.domain.oncall.state import OnCallState
from core.domain.severity import Severity
from core.operations.oncall_calendar import Entry, calendar
from core.operations.oncall_rota import Rota
from tests.support.zones import clock_changes

PEOPLE = ("ana", "ben", "carla", "dan", "eve")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
CHANGES = sorted({change for zone in ZONES for change in clock_changes(zone)})
"""The clocks of one of the zones change then, 2024 to 2030."""
MINUTE = timedelta(minutes=1)

minutes = st.builds(
    lambda change, minute: change + minute * MINUTE,
    st.sampled_from(CHANGES),
    st.integers(-5 * 1440, 5 * 1440),
)
clocks = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from([0, 30]))
people = st.sampled_from(PEOPLE)


@st.composite
def layers(draw: st.DrawFn, name: str) -> dict[str, Any]:
    rotation = {
        "people": draw(
            st.lists(people | st.lists(people, min_size=2, unique=True), min_size=1, max_size=4)
        ),
        "every": draw(st.sampled_from(["hour", "8 hours", "12 hours", "day", "3 days", "week"])),
        "start": "2023-12-25",
        "at": draw(clocks),
    }
    days = st.lists(
        st.sampled_from(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]), min_size=1, unique=True
    )
    hours = st.fixed_dictionaries({"days": days, "from": clocks, "to": clocks})
    return {"name": name, "rotation": rotation, "hours": draw(st.lists(hours, max_size=1))}


@st.composite
def files(draw: st.DrawFn) -> OnCallFile:
    count = draw(st.integers(1, 3))
    schedule = {
        "time_zone": draw(st.sampled_from(ZONES)),
        "layers": [draw(layers(f"layer-{number}")) for number in range(count)],
    }
    return OnCallFile.model_validate(
        {
            "version": 1,
            "people": {
                id: {
                    "name": id.title(),
                    "time_zone": "UTC",
                    "contacts": {"push": {"url_env": f"{id}_PUSH".upper()}},
                }
                for id in PEOPLE
            },
            "schedules": {"web": schedule},
        }
    )


overrides = st.lists(
    st.builds(
        lambda start, length, people: Override(
            id="o",
            schedule="web",
            people=tuple(people),
            start=start,
            end=start + length * MINUTE,
            by="ana",
        ),
        minutes,
        st.integers(1, 3 * 1440),
        st.lists(people, min_size=1, max_size=2, unique=True),
    ),
    max_size=3,
)


def by_feed(rota: Rota, moment: datetime) -> set[str]:
    """Whom the events of the feed name that last at a moment."""
    around = rota.shifts("web", moment - timedelta(hours=6), moment + timedelta(hours=6))
    entries = [Entry("web", shift, shift.people) for shift in around]
    text = calendar("web", entries, rota.file.people, zone="UTC", now=moment)
    names = {person.name: id for id, person in rota.file.people.items()}
    found: set[str] = set()
    for event in Calendar.from_ical(text).walk("VEVENT"):
        start, end = event.decoded("dtstart"), event.decoded("dtend")
        if start <= moment < end:
            found |= {
                names[each] for each in str(event["summary"]).partition(" on call")[0].split(", ")
            }
    return found


def by_page(rota: Rota, moment: datetime) -> set[str]:
    """Whom an incident that opens at a moment pages."""
    question = Question(
        incident_id="i",
        severity=Severity.HIGH,
        recipients=(Recipient(kind=RecipientKind.SCHEDULE, name="web"),),
    )
    found = answer(rota.file, rota.state, rota.calendars, question, moment)
    return {each.person for each in found.people}


def by_next(rota: Rota, moment: datetime, before: timedelta) -> set[str] | None:
    """Whom the shifts name for a moment that come next after an earlier one; None if the shift of
    that moment is not among them, as it had begun."""
    for shift in rota.upcoming("web", moment - before):
        if shift.start > moment:
            break
        if moment < shift.end:
            return set(shift.people)
    return None


@given(files(), overrides, minutes, st.integers(1, 4 * 1440))
def test_now_next_the_feed_and_the_page_name_the_same_people(
    file: OnCallFile, added: list[Override], moment: datetime, before: int
) -> None:
    rota = Rota(
        file=file,
        state=OnCallState(overrides=tuple(added)),
        calendars=Calendars(names=file.names),
    )
    shift = rota.at("web", moment)
    now = set(shift.people) if shift else set()
    assert by_page(rota, moment) == now
    assert by_feed(rota, moment) == now
    follows = by_next(rota, moment, before * MINUTE)
    if shift and shift.start <= moment - before * MINUTE:
        assert follows is None
    else:
        assert (follows or set()) == now


@given(files(), overrides, minutes)
def test_a_page_holds_until_somebody_else_may_be_on_call(
    file: OnCallFile, added: list[Override], moment: datetime
) -> None:
    """An incident asks again at the end of the answer, so nobody else comes before it."""
    rota = Rota(
        file=file,
        state=OnCallState(overrides=tuple(added)),
        calendars=Calendars(names=file.names),
    )
    question = Question(
        incident_id="i",
        severity=Severity.HIGH,
        recipients=(Recipient(kind=RecipientKind.SCHEDULE, name="web"),),
    )
    found = answer(file, rota.state, rota.calendars, question, moment)
    until = min(found.until or moment + timedelta(days=2), moment + timedelta(days=2))
    people = {each.person for each in found.people}
    last = until - MINUTE
    for later in (moment + (last - moment) / 3, last):
        if later >= moment:
            assert by_page(rota, later) == people
