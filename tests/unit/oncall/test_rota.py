"""Who is on call, held against two independent oracles: hand-overs as `dateutil.rrule` counts them,
and a walk from minute to minute through layers, hours and overrides."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil import rrule  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from core.domain.oncall.overrides import Override, applicable
from core.domain.oncall.rota import Shift, shift_at, shifts, upcoming
from core.domain.oncall.schedules import Layer, Schedule
from core.domain.windows import WEEK, Hours
from tests.support.zones import FIRST, LAST, clock_changes

ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "America/St_Johns",
    "Pacific/Apia",
    "Africa/Casablanca",
    "UTC",
)
PEOPLE = ("ana", "ben", "carla", "dan", "eve")
MINUTE = timedelta(minutes=1)

CHANGES = {zone: clock_changes(zone) for zone in ZONES}

clocks = st.one_of(
    st.sampled_from([time(2, 0), time(2, 30), time(1, 30), time(3, 0), time(0, 0)]),
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
)
hours = st.lists(
    st.builds(
        lambda days, start, end: {
            "days": sorted(days),
            "from": f"{start:%H:%M}",
            "to": f"{end:%H:%M}",
        },
        st.sets(st.sampled_from([str(day) for day in WEEK]), min_size=1),
        clocks,
        clocks,
    ),
    max_size=2,
)


@st.composite
def rotations(draw: st.DrawFn, near: date) -> dict[str, Any]:
    unit, most = draw(st.sampled_from([("hour", 30), ("day", 10), ("week", 3)]))
    count = draw(st.integers(1, most))
    rotation = {
        "people": draw(
            st.lists(
                st.sampled_from(PEOPLE)
                | st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=2, unique=True),
                min_size=1,
                max_size=4,
            )
        ),
        "every": f"{count} {unit}s",
        "start": near - timedelta(days=draw(st.integers(-1, 40))),
        "at": f"{draw(clocks):%H:%M}",
    }
    if unit == "week" and draw(st.booleans()):
        rotation["weekday"] = draw(st.sampled_from(WEEK))
    return rotation


@st.composite
def cases(draw: st.DrawFn) -> tuple[Schedule, datetime, list[Override]]:
    """A schedule, a moment that often is near a change of its clocks, and overrides near it."""
    zone = draw(st.sampled_from(ZONES))
    some = st.integers(0, (LAST - FIRST) // MINUTE).map(lambda n: FIRST + n * MINUTE)
    start = draw(st.sampled_from(CHANGES[zone]) if CHANGES[zone] else some) - MINUTE * draw(
        st.integers(-600, 500)
    )
    layers: list[dict[str, Any]] = [
        {
            "name": f"layer-{number}",
            "rotation": draw(rotations(start.date())),
            "hours": draw(hours),
            "until": draw(
                st.none() | st.integers(41, 45).map(lambda n: start.date() + timedelta(days=n - 41))
            ),
        }
        for number in range(draw(st.integers(1, 3)))
    ]
    for layer in layers:
        if layer["until"] and layer["until"] < layer["rotation"]["start"]:
            layer["until"] = None
    overrides = [
        Override(
            id=str(number),
            schedule="checkout",
            people=(draw(st.sampled_from(PEOPLE)),),
            start=start + MINUTE * (begin := draw(st.integers(-600, 1500))),
            end=start + MINUTE * (begin + draw(st.integers(1, 900))),
            by="ana",
        )
        for number in range(draw(st.integers(0, 4)))
    ]
    return Schedule.model_validate({"time_zone": zone, "layers": layers}), start, overrides


class Walk:
    """Who is on call at one moment after the other, from the definitions alone."""

    def __init__(self, schedule: Schedule, until: datetime, overrides: Sequence[Override]) -> None:
        self.zone = ZoneInfo(schedule.time_zone)
        self.schedule, self.overrides = schedule, overrides
        self.moments = {layer.name: self._handovers(layer, until) for layer in schedule.layers}

    def _handovers(self, layer: Layer, until: datetime) -> list[datetime]:
        rotation = layer.rotation
        assert rotation is not None
        start = datetime.combine(rotation.start, rotation.at)
        frequency = {"hour": rrule.HOURLY, "day": rrule.DAILY, "week": rrule.WEEKLY}
        on = [] if rotation.weekday is None else [WEEK.index(rotation.weekday)]
        rule = rrule.rrule(
            frequency[rotation.every.unit],
            dtstart=start,
            interval=rotation.every.count,
            byweekday=on or None,
            wkst=on[0] if on else None,
            until=until.replace(tzinfo=None) + timedelta(days=3),
        )
        local = list(rule)
        if local[:1] != [start]:  # the first turn is shorter: it begins before its weekday
            local.insert(0, start)
        moments = [each.replace(tzinfo=self.zone).astimezone(UTC) for each in local]
        for k in range(len(moments) - 2, -1, -1):
            # A hand-over in an hour that is left out is not after the one that follows it.
            moments[k] = min(moments[k], moments[k + 1])
        return moments

    def at(self, moment: datetime) -> tuple[tuple[str, ...], str] | None:
        for override in reversed(self.overrides):
            if override.start <= moment < override.end:
                return override.people, "an override by ana"
        for layer in reversed(self.schedule.layers):
            if (people := self._layer(layer, moment)) is not None:
                return people, f"layer {layer.name}"
        return None

    def _layer(self, layer: Layer, moment: datetime) -> tuple[str, ...] | None:
        zone = self.schedule.time_zone
        if layer.until and moment.astimezone(self.zone).date() > layer.until:
            return None
        if layer.hours and all(
            Hours(days=tuple(rule.days), start=rule.start, end=rule.end).until(moment, zone) is None
            for rule in layer.hours
        ):
            return None
        number = bisect(self.moments[layer.name], moment) - 1
        if number < 0:
            return None
        assert layer.rotation is not None
        people = layer.rotation.people[number % len(layer.rotation.people)]
        return (people,) if isinstance(people, str) else tuple(people)


def seen(shift: Shift | None) -> tuple[tuple[str, ...], str] | None:
    return (shift.people, shift.reason) if shift else None


@given(cases())
def test_every_minute_around_a_change_of_the_clocks_is_as_a_walk_finds_it(
    case: tuple[Schedule, datetime, list[Override]],
) -> None:
    schedule, start, overrides = case
    end = start + timedelta(hours=10)
    walk = Walk(schedule, end, overrides)
    found = shifts(schedule, start, end, overrides)
    for before, after in pairwise(found):
        assert before.start < before.end <= after.start < after.end
    moment, waiting = start, list(found)
    while moment < end:
        while waiting and waiting[0].end <= moment:
            waiting.pop(0)
        now = waiting[0] if waiting and waiting[0].start <= moment else None
        assert seen(now) == walk.at(moment), moment.isoformat()
        moment += MINUTE


@given(cases(), st.lists(st.integers(-3_000, 6_000), min_size=5, max_size=5))
def test_a_shift_is_the_same_whatever_period_is_asked_for(
    case: tuple[Schedule, datetime, list[Override]], minutes: list[int]
) -> None:
    schedule, start, overrides = case
    start, end = start - timedelta(days=3), start + timedelta(days=5)
    every = shifts(schedule, start, end, overrides)
    moments = [start + timedelta(days=3) + n * MINUTE for n in minutes]
    edges = [moment for each in every[2:5] for moment in (each.start, each.end - MINUTE)]
    for moment in [*moments, *edges]:
        if not start <= moment <= end - timedelta(days=1):
            continue
        now = next((each for each in every if each.start <= moment < each.end), None)
        assert shift_at(schedule, moment, overrides) == now
        later = [each for each in every if moment < each.start < moment + timedelta(days=1)]
        assert [
            each
            for each in shifts(schedule, moment, moment + timedelta(days=1), overrides)
            if moment < each.start
        ] == later
        if later:
            assert next(upcoming(schedule, moment, overrides)) == later[0]


def schedule(*layers: dict[str, Any], zone: str = "Europe/Berlin") -> Schedule:
    named = [{"name": f"layer-{number}", **layer} for number, layer in enumerate(layers)]
    return Schedule.model_validate({"time_zone": zone, "layers": named})


def rotation(every: str, *people: Any, start: str = "2026-03-02", **more: Any) -> dict[str, Any]:
    return {"rotation": {"people": list(people), "every": every, "start": start, **more}}


def at(text: str, zone: str = "Europe/Berlin") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def people_at(schedule: Schedule, text: str, *overrides: Override) -> tuple[str, ...]:
    shift = shift_at(schedule, at(text), overrides)
    return shift.people if shift else ()


def override(people: str, start: str, end: str, *, schedule: str = "checkout") -> Override:
    return Override(
        id=people, schedule=schedule, people=(people,), start=at(start), end=at(end), by="ana"
    )


def test_a_handover_keeps_its_time_of_day_when_the_clocks_change() -> None:
    weekly = schedule(rotation("week", "ana", "ben", at="09:00"))
    found = shifts(weekly, at("2026-03-23T00:00"), at("2026-04-07T00:00"))
    local = [(f"{each.start.astimezone(ZoneInfo('Europe/Berlin')):%m-%d %H:%M}") for each in found]
    assert local == ["03-16 09:00", "03-23 09:00", "03-30 09:00", "04-06 09:00"]
    assert found[1].end - found[1].start == timedelta(days=7, hours=-1)


@pytest.mark.parametrize(
    ("every", "weekday", "expected"),
    [
        ("week", "mon", ["ana", "ben", "ana"]),
        ("2 weeks", "mon", ["ana", "ana", "ben"]),
    ],
)
def test_a_first_turn_that_begins_on_another_weekday_is_shorter(
    every: str, weekday: str, expected: list[str]
) -> None:
    weekly = schedule(
        rotation(every, "ana", "ben", start="2026-03-04", weekday=weekday, at="09:00")
    )
    assert people_at(weekly, "2026-03-04T08:59") == ()
    days = ("2026-03-04T09:00", "2026-03-09T09:00", "2026-03-16T09:00")
    assert [people_at(weekly, day)[0] for day in days] == expected
    assert people_at(weekly, "2026-03-09T08:59") == ("ana",)


def test_a_later_layer_wins_and_an_override_over_all_layers() -> None:
    layered = schedule(
        rotation("week", "ana"),
        rotation("day", "ben") | {"hours": [{"from": "22:00", "to": "06:00"}]},
    )
    assert people_at(layered, "2026-03-10T12:00") == ("ana",)
    assert people_at(layered, "2026-03-10T23:00") == ("ben",)
    carla = override("carla", "2026-03-10T21:00", "2026-03-10T23:30")
    assert people_at(layered, "2026-03-10T23:00", carla) == ("carla",)
    assert people_at(layered, "2026-03-10T23:30", carla) == ("ben",)
    dan = override("dan", "2026-03-10T22:00", "2026-03-10T22:30")
    assert people_at(layered, "2026-03-10T22:15", carla, dan) == ("dan",)
    assert people_at(layered, "2026-03-10T22:15", dan, carla) == ("carla",)


def test_what_an_override_interrupts_goes_on_after_it() -> None:
    weekly = schedule(rotation("week", "ana", "ben"))
    carla = override("carla", "2026-03-10T21:00", "2026-03-10T23:30")
    found = shifts(weekly, at("2026-03-09T00:00"), at("2026-03-16T00:00"), [carla])
    assert [(each.people[0], each.reason) for each in found] == [
        ("ben", "layer layer-0"),
        ("carla", "an override by ana"),
        ("ben", "layer layer-0"),
    ]
    assert found[2].start == carla.end
    assert found[2].end == at("2026-03-16T00:00")


def test_nobody_is_on_call_before_the_start_and_after_the_last_day_of_a_layer() -> None:
    limited = schedule(rotation("day", "ana") | {"until": "2026-03-03"})
    assert people_at(limited, "2026-03-01T23:59") == ()
    assert people_at(limited, "2026-03-03T23:59") == ("ana",)
    assert people_at(limited, "2026-03-04T00:00") == ()
    assert list(upcoming(limited, at("2026-03-05T00:00"))) == []


def test_the_next_shift_is_found_a_year_ahead() -> None:
    later = schedule(rotation("day", "ana", start="2028-01-01"))
    assert next(upcoming(later, at("2026-03-05T00:00"))).start == at("2028-01-01T00:00")


def test_a_day_that_a_country_leaves_out_has_no_turn() -> None:
    daily = schedule(
        rotation("day", "ana", "ben", "carla", start="2011-12-29", at="12:00"), zone="Pacific/Apia"
    )
    start, end = (at(day, "Pacific/Apia") for day in ("2011-12-29T12:00", "2012-01-01T12:00"))
    assert [each.people[0] for each in shifts(daily, start, end)] == ["ana", "carla"]


def test_hours_of_a_day_that_is_left_out_have_no_turns() -> None:
    names = [f"person-{number}" for number in range(50)]
    hourly = schedule(rotation("hour", *names, start="2011-12-29"), zone="Pacific/Apia")
    start, end = (at(day, "Pacific/Apia") for day in ("2011-12-29T20:00", "2011-12-31T04:00"))
    found = shifts(hourly, start, end)
    assert [each.people[0] for each in found] == [
        f"person-{hour}" for hour in (20, 21, 22, 23, 48, 49, 0, 1)
    ]
    assert all(each.end - each.start == timedelta(hours=1) for each in found)


def test_a_handover_that_the_clocks_leave_out_is_as_much_later() -> None:
    daily = schedule(rotation("day", "ana", "ben", at="02:30"))
    assert people_at(daily, "2026-03-28T02:30") == ("ana",)
    after_the_change = datetime(2026, 3, 29, 1, 10, tzinfo=UTC)  # 03:10 in Berlin
    found = [shift_at(daily, after_the_change + timedelta(minutes=m)) for m in (0, 19, 20)]
    assert [each.people[0] for each in found if each] == ["ana", "ana", "ben"]


def test_hours_that_last_for_days_are_one_shift() -> None:
    days = {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "00:00", "to": "00:00"}
    weekdays = schedule(rotation("2 weeks", "ana") | {"hours": [days]})
    shift = shift_at(weekdays, at("2026-03-05T12:00"))
    assert shift is not None
    assert (shift.start, shift.end) == (at("2026-03-02T00:00"), at("2026-03-07T00:00"))


def test_an_override_counts_with_those_of_its_people_who_are_in_the_file() -> None:
    both = override("ana", "2026-03-10T21:00", "2026-03-10T23:30").model_copy(
        update={"people": ("ana", "zoe")}
    )
    gone = override("zoe", "2026-03-10T21:00", "2026-03-10T23:30")
    other = override("ana", "2026-03-10T21:00", "2026-03-10T23:30", schedule="other")
    assert [each.people for each in applicable([both, gone, other], "checkout", {"ana"})] == [
        ("ana",)
    ]
