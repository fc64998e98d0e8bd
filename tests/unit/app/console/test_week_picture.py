"""The picture of a week: what lies where, and what it is labelled with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest

from core.app.console.week_picture import (
    COLOURS,
    Bar,
    WeekPicture,
    midnights,
    monday,
    week_picture,
)
from core.domain.oncall.overrides import Override
from core.domain.oncall.rota import Shift
from core.operations.oncall_rota import with_gaps
from tests.unit.app.console.drawings import drawing

BERLIN = ZoneInfo("Europe/Berlin")
FIRST = date(2026, 1, 5)
START = datetime(2026, 1, 5, tzinfo=BERLIN)
HOUR = timedelta(hours=1)


def shift(start: float, end: float, *people: str, by: str | None = None) -> Shift:
    """From so many hours of the week to so many."""
    since, until = START + start * HOUR, START + end * HOUR
    added = by and Override(
        id="o", schedule="s", people=people, start=since, end=until, by=by, why=""
    )
    return Shift(
        start=since.astimezone(UTC),
        end=until.astimezone(UTC),
        people=people,
        layer=None if added else "base",
        override=added or None,
    )


def drawn(*shifts: Shift, now: datetime = START - HOUR) -> WeekPicture:
    moments = midnights(FIRST, BERLIN)
    week = list(with_gaps(shifts, moments[0], moments[-1]))
    return week_picture(week, first=FIRST, zone=BERLIN, now=now)


def places(bars: Sequence[Bar]) -> list[tuple[str, float, float]]:
    return [(bar.key.letter if bar.key else ".", bar.left, bar.width) for bar in bars]


def test_a_week_is_seven_days_from_monday_on() -> None:
    assert monday(date(2026, 1, 11)) == FIRST
    picture = drawn(shift(0, 168, "ana"))
    assert [day.date.isoformat() for day in picture.days][::6] == ["2026-01-05", "2026-01-11"]
    assert {tuple(places(day.bars)) for day in picture.days} == {(("A", 0.0, 100.0),)}


def test_a_shift_over_midnight_lies_in_both_days() -> None:
    first, second, *_ = drawn(shift(18, 30, "ana")).days
    assert places(first.bars) == [(".", 0.0, 75.0), ("A", 75.0, 25.0)]
    assert places(second.bars) == [("A", 0.0, 25.0), (".", 25.0, 75.0)]


def test_a_shift_that_began_before_the_week_lies_in_it_from_its_beginning() -> None:
    [first, *_] = drawn(shift(-40, 6, "ana")).days
    assert places(first.bars)[0] == ("A", 0.0, 25.0)


def test_the_same_people_have_the_same_letter_and_colour_all_week() -> None:
    picture = drawn(shift(0, 24, "ana"), shift(24, 48, "ben"), shift(48, 72, "ana"))
    assert [(key.letter, key.people) for key in picture.keys] == [("A", ("ana",)), ("B", ("ben",))]
    assert [day.bars[0].key and day.bars[0].key.letter for day in picture.days[:3]] == list("ABA")


def test_people_who_share_a_colour_have_letters_of_their_own() -> None:
    people = [f"p{n}" for n in range(COLOURS + 1)]
    keys = drawn(*(shift(n, n + 1, each) for n, each in enumerate(people))).keys
    assert keys[0].colour == keys[-1].colour
    assert len({key.letter for key in keys}) == len(people)


def test_a_hand_over_is_where_other_people_begin() -> None:
    [first, second, *_] = drawn(
        shift(0, 6, "ana"), shift(6, 12, "ana", by="ben"), shift(12, 30, "ben")
    ).days
    assert [bar.begins for bar in first.bars] == [False, False, True]
    assert [bar.begins for bar in second.bars] == [False, True]  # nobody takes over, then


def test_an_override_and_a_gap_are_told_from_shifts() -> None:
    [first, *_] = drawn(shift(0, 6, "ana"), shift(6, 12, "ben", by="ana")).days
    assert [(bar.overrides, bar.key is None) for bar in first.bars] == [
        (False, False),
        (True, False),
        (False, True),
    ]


@pytest.mark.parametrize(
    ("first", "hours"),
    [(date(2026, 3, 23), 23), (date(2026, 10, 19), 25)],
    ids=["spring", "autumn"],
)
def test_a_day_on_which_clocks_change_is_full_and_says_its_hours(first: date, hours: int) -> None:
    moments = midnights(first, BERLIN)
    whole = Shift(start=moments[0], end=moments[-1], people=("ana",), layer="base")
    days = week_picture([whole], first=first, zone=BERLIN, now=moments[0]).days
    assert [day.hours for day in days] == [None] * 6 + [hours]
    assert places(days[6].bars) == [("A", 0.0, 100.0)]


def test_the_present_moment_lies_in_its_day() -> None:
    picture = drawn(shift(0, 168, "ana"), now=START + 30 * HOUR)
    assert [day.now for day in picture.days] == [None, 25.0, None, None, None, None, None]


# --------------------------------------------------------------------------- as it is drawn

NAME = '<script>alert(1)</script> & "Ana"'


def svg(*shifts: Shift) -> ElementTree.Element:
    picture = drawn(*shifts, now=START + HOUR)
    html = drawing("week.html").week_svg(
        picture,
        lambda bar, short=False: NAME if bar.key else "nobody",
        lambda bar: f"/console/oncall?from={bar.of.start:%H}&until={bar.of.end:%H}",
    )
    return ElementTree.fromstring(str(html))  # noqa: S314  # our own


def test_every_bar_is_drawn_with_its_letter_and_name_and_leads_to_its_form() -> None:
    root = svg(shift(0, 168, "ana"))
    bars = root.findall(".//a/svg[@class]")
    assert [(bar.get("x"), bar.get("width")) for bar in bars] == [("0.0%", "100.0%")] * 7
    assert {bar.findtext("text") for bar in bars} == {f"A {NAME}"}
    assert {bar.findtext("title") for bar in bars} == {NAME}
    assert {link.get("href") for link in root.findall(".//a")} == {
        "/console/oncall?from=23&until=23"
    }


def test_names_are_escaped() -> None:
    assert not svg(shift(0, 168, "ana")).findall(".//script")


def test_an_override_a_gap_a_hand_over_and_now_are_drawn_by_more_than_a_colour() -> None:
    root = svg(shift(0, 6, "ana"), shift(6, 12, "ben", by="ana"))
    bars = root.findall(".//a/svg[@class]")[:3]
    assert [bool(bar.findall("rect[@class='by-hand']")) for bar in bars] == [False, True, False]
    assert [bool(bar.findall("rect[@class='handover']")) for bar in bars] == [False, True, True]
    assert bars[2].findtext("text") == "nobody"
    assert len(root.findall(".//line[@class='now']")) == 1


def test_screen_readers_and_keyboards_skip_the_picture() -> None:
    root = svg(shift(0, 6, "ana"))
    outermost = [each for each in root if each.tag in ("svg", "p")]
    assert outermost
    assert {each.get("aria-hidden") for each in outermost} == {"true"}
    assert {link.get("tabindex") for link in root.findall(".//a")} == {"-1"}


def test_nothing_is_styled_inline() -> None:
    assert not svg(shift(0, 6, "ana")).findall(".//*[@style]")
