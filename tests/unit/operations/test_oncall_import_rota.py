"""Whom an imported schedule has on call is whom the product has, by what it documents: worked out
by hand for these moments.

PagerDuty: of the layers of the export an earlier one wins, and one person is on call. Opsgenie and
GoAlert: all rotations and rules are on call together. Grafana OnCall: those of the highest level
are, together. Turns begin at the same local time on both sides of a daylight-saving change.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
import yaml

from core.domain.oncall.file import OnCallFile
from core.domain.oncall.rota import shift_at
from core.operations.oncall_import.translate import translate
from tests.support.oncall_exports import EXPORTS, NOW, imported

ANA, BEN, CHLOE, DAN = "ana-example", "ben-sample", "chloe-muster", "dan-demo"
NOBODY: set[str] = set()


@cache
def file_of(product: str) -> OnCallFile:
    return OnCallFile.model_validate(yaml.safe_load(imported(product).oncall))


def on_call(product: str, schedules: str, moment: datetime) -> set[str]:
    file = file_of(product)
    shifts = [shift_at(file.schedules[name], moment) for name in schedules.split()]
    return {person for shift in shifts if shift for person in shift.people}


def check(product: str, schedules: str, local: str, zone: str, expected: set[str]) -> None:
    moment = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    assert on_call(product, schedules, moment) == expected


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2026-01-12 08:59", {ANA}),  # the first week of the base, before hours
        ("2026-01-12 09:00", {DAN}),  # business hours win
        ("2026-01-12 16:59", {DAN}),
        ("2026-01-12 17:00", {BEN}),  # handed over at nine, below
        ("2026-01-17 12:00", {BEN}),  # a Saturday
        ("2026-01-24 12:00", {CHLOE}),
        ("2026-01-31 12:00", {ANA}),
        ("2026-03-29 12:00", {CHLOE}),  # twelve weeks on, the clocks have gone forward
        ("2026-03-30 08:59", {CHLOE}),
        ("2026-03-30 17:00", {ANA}),
        ("2026-10-26 08:59", {CHLOE}),  # forty-two weeks on, the clocks have gone back
        ("2026-10-26 17:00", {ANA}),
    ],
)
def test_pagerduty_the_first_layer_of_the_export_wins(local: str, expected: set[str]) -> None:
    check("pagerduty", "checkout-primary", local, "Europe/Berlin", expected)


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2026-02-02 20:00", {BEN}),
        ("2026-02-03 07:59", {BEN}),  # the night belongs to the evening's turn
        ("2026-02-03 08:00", NOBODY),
        ("2026-02-03 20:00", {DAN}),
        ("2026-02-04 21:00", {BEN}),
        ("2026-03-09 03:30", {BEN}),  # thirty-four nights on, the clocks have gone forward
    ],
)
def test_pagerduty_a_layer_is_restricted_to_its_hours(local: str, expected: set[str]) -> None:
    check("pagerduty", "checkout-secondary", local, "America/New_York", expected)


OPS = "ops-schedule ops-schedule-2"


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2026-01-07 08:00", {ANA}),
        ("2026-01-05 20:00", {CHLOE}),  # nights alternate with nobody
        ("2026-01-06 07:59", {CHLOE}),
        ("2026-01-06 23:00", NOBODY),
        ("2026-01-10 12:00", {ANA, DAN}),  # on Saturdays the lead is on call as well
        ("2026-01-10 23:00", {DAN}),  # a night of nobody
        ("2026-01-11 23:00", {CHLOE, DAN}),
        ("2026-01-12 00:00", {CHLOE}),  # the weekend is over, the night is not
        ("2026-01-14 12:00", {BEN}),
        ("2026-07-01 08:30", {BEN}),  # in summer, twenty-five weeks on
        ("2026-07-01 07:59", {CHLOE}),  # the night of day 176
    ],
)
def test_opsgenie_all_rotations_are_on_call_together(local: str, expected: set[str]) -> None:
    check("opsgenie", OPS, local, "Europe/London", expected)


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2026-02-02 09:00", {ANA, BEN}),  # a team has a turn together
        ("2026-02-02 21:00", {CHLOE}),
        ("2026-02-03 09:00", {ANA, BEN}),
    ],
)
def test_opsgenie_turns_of_hours(local: str, expected: set[str]) -> None:
    check("opsgenie", "team-schedule", local, "America/New_York", expected)


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2026-01-06 09:00", {"ben", "chloe"}),  # two at a time, who begin the rotation
        ("2026-01-12 08:59", {"ben", "chloe"}),
        ("2026-01-13 09:00", {"ana"}),
        ("2026-01-12 10:00", {"dan"}),  # a higher level wins
        ("2026-01-12 12:30", {"dan", "chloe"}),  # two of the higher level
        ("2026-01-13 12:30", {"chloe"}),
        ("2026-01-12 14:00", {"ana"}),
        ("2026-03-31 08:00", {"ben", "chloe"}),  # twelve weeks on, after the change of clocks
    ],
)
def test_grafana_those_of_the_highest_level_are_on_call(local: str, expected: set[str]) -> None:
    check("grafana-oncall", "primary primary-2", local, "Europe/Madrid", expected)


@pytest.mark.parametrize(("first_day", "changes"), [("MO", "2026-01-12"), ("SU", "2026-01-11")])
def test_grafana_groups_take_turns_with_the_week_which_has_its_own_first_day(
    first_day: str, changes: str
) -> None:
    export = json.loads(EXPORTS["grafana-oncall"].read_bytes())
    shift = {
        **export["on_call_shifts"]["results"][0],
        "start": "2026-01-07T09:00:00",  # a Wednesday
        "rotation_start": "2026-01-07T09:00:00",
        "duration": 3600,
        "week_start": first_day,
        "by_day": ["MO", "TU", "WE", "TH", "FR", "SA", "SU"],
        "rolling_users": [["UANA"], ["UBEN"]],
        "start_rotation_from_user_index": 0,
    }
    export["on_call_shifts"]["results"] = [shift]
    export["schedules"]["results"] = [{**export["schedules"]["results"][0], "shifts": ["OBASE"]}]
    made = translate("grafana-oncall", json.dumps(export).encode(), "export.json", NOW)
    [schedule] = OnCallFile.model_validate(yaml.safe_load(made.oncall)).schedules.values()
    moment = datetime(2026, 1, 7, 9, 30, tzinfo=ZoneInfo(schedule.time_zone))
    days = {}
    for _ in range(10):
        shift_then = shift_at(schedule, moment)
        days[f"{moment:%Y-%m-%d}"] = shift_then.people if shift_then else ()
        moment += timedelta(days=1)
    assert days == {day: ("ben",) if day >= changes else ("ana",) for day in days}


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2026-01-09 18:00", {"ana"}),
        ("2026-01-10 05:59", {"ana"}),
        ("2026-01-10 06:00", NOBODY),
        ("2026-01-16 20:00", NOBODY),  # every second week
        ("2026-01-23 20:00", {"ben"}),
        ("2026-01-30 20:00", NOBODY),
        ("2026-02-06 20:00", {"ana"}),
    ],
)
def test_grafana_a_shift_of_every_second_week(local: str, expected: set[str]) -> None:
    check("grafana-oncall", "deploy-guard", local, "UTC", expected)


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2026-11-26 18:00", {CHLOE}),  # who is active when it is exported
        ("2026-11-26 09:00", {CHLOE, DAN}),  # on weekdays Dan as well
        ("2026-11-26 17:00", {CHLOE}),
        ("2026-11-30 08:59", {CHLOE}),
        ("2026-11-30 17:00", {ANA}),  # after the next hand-over, the first one of the list
        ("2026-12-07 18:00", {BEN}),
        ("2026-12-06 23:00", {ANA, DAN}),  # Sunday night
        ("2026-12-07 01:59", {ANA, DAN}),
        ("2026-12-07 02:00", {ANA}),
        ("2027-03-15 08:59", {CHLOE}),
        ("2027-03-15 18:00", {ANA}),  # sixteen weeks on, the clocks have gone forward
    ],
)
def test_goalert_all_rules_that_apply_are_on_call_together(local: str, expected: set[str]) -> None:
    check("goalert", "store store-2", local, "America/Chicago", expected)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-11-25 14:00", {DAN}),  # active until 2026-11-26 01:00
        ("2026-11-26 00:59", {DAN}),
        ("2026-11-26 01:00", {ANA}),
        ("2026-11-26 13:00", {DAN}),
    ],
)
def test_goalert_turns_of_hours(moment: str, expected: set[str]) -> None:
    check("goalert", "store-3", moment, "UTC", expected)


@pytest.mark.parametrize(
    ("product", "schedules"),
    [("opsgenie", OPS), ("grafana-oncall", "primary primary-2"), ("goalert", "store store-2")],
)
def test_somebody_is_on_call_in_each_part_of_a_schedule_or_in_none(
    product: str, schedules: str
) -> None:
    """So that a gap of a part is one of the whole."""
    file = file_of(product)
    start = datetime(2026, 12, 1, tzinfo=UTC)
    for hour in range(0, 14 * 24, 3):
        moment = start + timedelta(hours=hour)
        parts = {shift_at(file.schedules[n], moment) is not None for n in schedules.split()}
        assert len(parts) == 1, moment
