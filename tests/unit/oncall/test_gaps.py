"""What is wrong with an on-call file that is valid: gaps, people whom nothing reaches, and
hand-overs that a change of the clocks breaks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.oncall.calendars import CalendarEvent, Calendars
from core.domain.oncall.file import OnCallFile
from core.domain.oncall.gaps import findings, gaps, unset, without_contact
from core.domain.oncall.overrides import Override
from core.domain.oncall.rota import shift_at

NOW = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def file(*layers: dict[str, Any], zone: str = "Europe/Berlin", **schedule: Any) -> OnCallFile:
    named = [{"name": f"layer-{number}", **layer} for number, layer in enumerate(layers)]
    push = {"contacts": {"push": {"url_env": "PUSH"}}}
    return OnCallFile.model_validate(
        {
            "version": 1,
            "people": {
                id: {"name": id.title(), "time_zone": "UTC", **push} for id in ("ana", "ben")
            },
            "schedules": {"checkout": {"time_zone": zone, "layers": named, **schedule}},
        }
    )


def rotation(every: str, **more: Any) -> dict[str, Any]:
    fields = {"people": ["ana", "ben"], "every": every, "start": "2026-01-05", **more}
    return {"rotation": fields}


def found(file: OnCallFile, now: datetime = NOW) -> list[str]:
    return [str(each) for each in findings(file, now)]


def test_a_schedule_without_gaps_has_no_findings() -> None:
    assert found(file(rotation("week", at="09:00"))) == []


def test_a_gap_of_every_week_is_one_finding() -> None:
    weekdays = {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "00:00", "to": "00:00"}
    assert found(file(rotation("week") | {"hours": [weekdays]})) == [
        "schedule checkout: nobody is on call from Sat 2026-03-07 00:00 until Mon 2026-03-09 "
        "00:00, and 51 times more until 2027-03-01"
    ]


def test_a_turn_of_nobody_is_a_gap_also_if_it_takes_longer_than_a_year_to_come() -> None:
    long = rotation("26 weeks", people=["ana", "ben", "ana", []], start="2026-03-02")
    assert found(file(long)) == [
        "schedule checkout: nobody is on call from Mon 2027-08-30 00:00 until Mon 2028-02-28 00:00"
    ]
    assert found(file(rotation("week", people=["ben"]), long)) == []


def test_a_schedule_that_may_have_gaps_has_none_to_report() -> None:
    weekdays = {"days": ["mon"], "from": "00:00", "to": "00:00"}
    assert found(file(rotation("week") | {"hours": [weekdays]}, may_have_gaps=True)) == []


def test_a_layer_that_ends_or_begins_within_a_year_leaves_gaps() -> None:
    assert found(file(rotation("day") | {"until": "2026-04-30"})) == [
        "schedule checkout: nobody is on call from Fri 2026-05-01 00:00"
    ]
    assert found(file(rotation("day", start="2026-04-30"))) == [
        "schedule checkout: nobody is on call from Mon 2026-03-02 01:00 until Thu 2026-04-30 00:00"
    ]
    assert found(file(rotation("day") | {"until": "2027-04-30"})) == []


class Events:
    """A calendar with these events."""

    def __init__(self, *events: CalendarEvent) -> None:
        self.events = events

    def between(self, start: datetime, end: datetime, zone: ZoneInfo) -> Sequence[CalendarEvent]:
        return [each for each in self.events if each.start < end and start < each.end]


def test_gaps_are_not_known_while_a_calendar_was_not_read() -> None:
    url = "https://calendars.example/a.ics"
    by_calendar = file({"ical": url})
    assert found(by_calendar) == []
    event = CalendarEvent(NOW, NOW + timedelta(days=400), "Ana")
    read = Calendars(events={url: Events(event)}, names=by_calendar.names)
    assert list(findings(by_calendar, NOW, read)) == []
    nobody = Calendars(events={url: Events()}, names=by_calendar.names)
    assert len(list(findings(by_calendar, NOW, nobody))) == 1


@given(
    st.lists(
        st.builds(
            lambda day, hour, hours: {
                "days": [day],
                "from": f"{hour:02}:00",
                "to": f"{hours:02}:30",
            },
            st.sampled_from(["mon", "wed", "sat", "sun"]),
            st.integers(0, 23),
            st.integers(0, 23),
        ),
        min_size=1,
        max_size=1,
    ),
    st.integers(0, 9_000),
    st.lists(st.integers(0, 10_079), min_size=20, max_size=20),
)
def test_a_moment_is_in_a_gap_or_in_a_shift(
    hours: list[dict[str, Any]], begin: int, minutes: list[int]
) -> None:
    schedule = file(rotation("day") | {"hours": hours}).schedules["checkout"]
    start = datetime(2026, 3, 25, tzinfo=UTC)
    override = Override(
        id="1",
        schedule="checkout",
        people=("ana",),
        start=start + begin * MINUTE,
        end=start + (begin + 600) * MINUTE,
        by="ana",
    )
    empty = gaps(schedule, start, start + timedelta(days=7), [override])
    for minute in minutes:
        moment = start + minute * MINUTE
        in_gap = any(gap.start <= moment < gap.end for gap in empty)
        assert in_gap == (shift_at(schedule, moment, [override]) is None)


@pytest.mark.parametrize(
    ("zone", "layer", "expected"),
    [
        (
            "Europe/Berlin",
            rotation("day", at="02:30"),
            [
                "the hand-over of Sun 2026-03-29 02:30 does not exist: it is at 03:30",
                "the hand-over of Sun 2026-10-25 02:30 exists twice: the first one counts",
            ],
        ),
        ("Europe/Berlin", rotation("week", at="02:30"), []),
        ("Europe/Berlin", rotation("day", at="03:00"), []),
        ("Asia/Kolkata", rotation("hour"), []),
        (
            "Europe/Berlin",
            rotation("hour"),
            [
                "the hand-over (the turn of ana lasts no time) of Sun 2026-03-29 02:00 does not "
                "exist: it is at 03:00",
                "the hand-over of Sun 2026-10-25 02:00 exists twice: the first one counts",
            ],
        ),
        (
            "Australia/Lord_Howe",
            rotation("day", at="02:15"),
            [
                "the hand-over of Sun 2026-10-04 02:15 does not exist: it is at 02:45",
            ],
        ),
        (
            "America/New_York",
            rotation("week") | {"hours": [{"days": ["sun"], "from": "02:00", "to": "00:00"}]},
            ["the beginning of the hours of Sun 2026-03-08 02:00 does not exist: it is at 03:00"],
        ),
        (
            "America/New_York",
            rotation("week") | {"hours": [{"days": ["sat"], "from": "20:00", "to": "01:30"}]},
            ["the end of the hours of Sun 2026-11-01 01:30 exists twice: the first one counts"],
        ),
        ("Europe/Berlin", rotation("day", at="02:30") | {"until": "2026-03-28"}, []),
    ],
)
def test_what_a_change_of_the_clocks_breaks_is_named_once(
    zone: str, layer: dict[str, Any], expected: list[str]
) -> None:
    assert found(file(layer, zone=zone, may_have_gaps=True)) == [
        f"schedule checkout: layer layer-0: {what}" for what in expected
    ]


def test_people_who_may_be_on_call_have_a_contact_method() -> None:
    people = {
        "ana": {"name": "Ana", "time_zone": "UTC"},
        "ben": {"name": "Ben", "time_zone": "UTC"},
        "carla": {"name": "Carla", "time_zone": "UTC"},
    }
    teams = {"web": {"members": ["ben"]}}
    fields: dict[str, Any] = {"version": 1, "people": people, "teams": teams}
    assert without_contact(OnCallFile.model_validate(fields)) == ["ben"]
    layer = {"name": "a", **rotation("day", people=[["ana"]])}
    fields["schedules"] = {"checkout": {"time_zone": "UTC", "layers": [layer]}}
    rotated = OnCallFile.model_validate(fields)
    assert without_contact(rotated) == ["ana", "ben"]
    assert found(rotated) == [
        "person ana: has no contact method, and may be on call",
        "person ben: has no contact method, and may be on call",
    ]
    layer = {"name": "a", "ical": "https://calendars.example/a.ics"}
    fields["schedules"] = {"checkout": {"time_zone": "UTC", "layers": [layer]}}
    assert without_contact(OnCallFile.model_validate(fields)) == ["ana", "ben", "carla"]


def test_contact_methods_whose_variables_are_not_set_are_named() -> None:
    one = file(rotation("day", people=["ana"]))
    assert unset(one, {}) == {"ana/push": ("PUSH",)}
    assert unset(one, {"PUSH": " "}) == {"ana/push": ("PUSH",)}
    assert unset(one, {"PUSH": "ntfy://somewhere"}) == {}
