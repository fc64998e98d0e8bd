"""The on-call file: every mistake is named by file, line, column and field."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from core.config.files import load_oncall, oncall_schema
from core.domain.oncall.file import OnCallFile
from core.errors import ConfigFileError

GOOD = """\
version: 1
people:
  ana:
    name: Ana Lopez
    known_as: [ana@example.com]
    time_zone: Europe/Berlin
    contacts:
      push: {url_env: ANA_PUSH}
      sms: {url_env: ANA_SMS, at_most: {count: 10, within: 1m}}
    rules:
      - {severity: [critical, high], steps: [{contact: push}, {contact: sms, after: 2m}]}
      - steps: [{contact: push}]
    quiet_hours:
      hours: [{from: "22:00", to: "07:00"}]
      unless: high
  ben: {name: Ben Okafor, time_zone: America/New_York}
teams:
  web: {members: [ana, ben]}
schedules:
  checkout:
    time_zone: Europe/Berlin
    layers:
      - name: base
        rotation: {people: [ana, [ana, ben]], every: 2 weeks, start: 2026-03-02, weekday: mon}
      - name: nights
        rotation: {people: [ben], every: 12 hours, start: 2026-03-02}
        hours: [{days: [mon, tue], from: "22:00", to: "06:00"}]
        until: 2026-12-31
        not_on: https://calendars.example/holidays.ics
      - name: cover
        ical: {url_env: COVER_CALENDAR, refresh: 1h}
        only_on: {url: s3://documents/holidays.ics}
    may_have_gaps: true
    announce_handovers: true
"""


def load(tmp_path: Path, text: str) -> OnCallFile:
    path = tmp_path / "oncall.yaml"
    path.write_text(text, encoding="utf-8")
    return load_oncall(path)


def problems(tmp_path: Path, text: str) -> list[str]:
    """The problems of such a file, without the file's name."""
    with pytest.raises(ConfigFileError) as caught:
        load(tmp_path, text)
    name = f"{tmp_path / 'oncall.yaml'}:"
    assert all(problem.startswith(name) for problem in caught.value.problems)
    return [problem.removeprefix(name) for problem in caught.value.problems]


def test_a_file_with_everything_loads_and_its_schema_accepts_it(tmp_path: Path) -> None:
    jsonschema.Draft202012Validator.check_schema(oncall_schema())
    plain = json.loads(json.dumps(yaml.safe_load(GOOD), default=lambda day: day.isoformat()))
    jsonschema.validate(plain, oncall_schema())
    file = load(tmp_path, GOOD)
    base, nights, cover = file.schedules["checkout"].layers
    assert base.rotation is not None
    assert base.rotation.every.length == timedelta(days=14)
    assert base.rotation.turns == (("ana",), ("ana", "ben"))
    assert nights.not_on is not None
    assert nights.not_on.source == "https://calendars.example/holidays.ics"
    assert cover.ical is not None
    assert cover.ical.source == "$COVER_CALENDAR"
    assert [each.source for each in cover.calendars] == [
        "$COVER_CALENDAR",
        "s3://documents/holidays.ics",
    ]
    assert file.names == {
        "ana": "ana",
        "ben": "ben",
        "ana lopez": "ana",
        "ben okafor": "ben",
        "ana@example.com": "ana",
    }


@pytest.mark.parametrize(
    ("every", "length"),
    [
        ("day", timedelta(days=1)),
        ("week", timedelta(weeks=1)),
        ("1 week", timedelta(weeks=1)),
        ("hour", timedelta(hours=1)),
        ("12 hours", timedelta(hours=12)),
        ("10 days", timedelta(days=10)),
        ("52 weeks", timedelta(weeks=52)),
    ],
)
def test_a_turn_lasts_as_long_as_people_say(tmp_path: Path, every: str, length: timedelta) -> None:
    file = load(tmp_path, GOOD.replace("every: 12 hours", f"every: {every}"))
    rotation = file.schedules["checkout"].layers[1].rotation
    assert rotation is not None
    assert rotation.every.length == length


PERIOD = "not a period like day, week, 12 hours or 2 weeks"
REPLACED = [
    # a schedule without anybody, and a layer that refers to nobody
    (
        "      - name: base",
        "      - {name: base, ical: https://a.example/}\n"
        "  empty: {time_zone: UTC, layers: []}\n"
        "  other:\n    time_zone: UTC\n    layers:\n      - name: base",
        "24:35: schedules.empty.layers: it has no layers: nobody would ever be on call",
    ),
    (
        "people: [ana, [ana, ben]]",
        "people: []",
        "24:28: schedules.checkout.layers[0].rotation.people: nobody takes turns: name at least one"
        " person",
    ),
    (
        "people: [ana, [ana, ben]]",
        "people: [[], []]",
        "24:28: schedules.checkout.layers[0].rotation.people: nobody takes turns: name at least one"
        " person",
    ),
    (
        "people: [ana, [ana, ben]]",
        "people: [ana, zoe]",
        "24:34: schedules.checkout.layers[0].rotation.people[1]: there is no person 'zoe'",
    ),
    (
        "people: [ana, [ana, ben]]",
        "people: [[ana, zoe]]",
        "24:35: schedules.checkout.layers[0].rotation.people[0][1]: there is no person 'zoe'",
    ),
    (
        "people: [ana, [ana, ben]]",
        "people: [[ana, ana]]",
        "24:35: schedules.checkout.layers[0].rotation.people[0][1]: ana is there twice",
    ),
    (
        "        rotation: {people: [ben], every: 12 hours, start: 2026-03-02}\n",
        "",
        "25:9: schedules.checkout.layers[1]: a layer has either a `rotation` or an `ical`",
    ),
    # rotations
    ("every: 12 hours", "every: 0 days", f"26:42: .every: {PERIOD}"),
    ("every: 12 hours", "every: fortnight", f"26:42: .every: {PERIOD}"),
    ("every: 12 hours", "every: 90 minutes", f"26:42: .every: {PERIOD}"),
    ("every: 12 hours", "every: 12", f"26:42: .every: {PERIOD}"),
    ("every: 12 hours", "every: 53 weeks", "26:42: .every: a turn lasts at most a year"),
    (
        "every: 2 weeks, start",
        "every: day, start",
        "24:19: schedules.checkout.layers[0].rotation: `weekday` is for turns that last weeks",
    ),
    (
        "until: 2026-12-31",
        "until: 2026-03-01",
        "28:16: schedules.checkout.layers[1].until: it is before the start: the layer never "
        "applies",
    ),
    (
        "name: nights",
        "name: base",
        "25:15: schedules.checkout.layers[1].name: there is another one named base",
    ),
    (
        'to: "06:00"}]',
        'to: "06:00"}, {from: "23:00", to: "23:30"}]',
        "27:65: schedules.checkout.layers[1].hours[1]: it overlaps hours above it",
    ),
    (
        "    time_zone: Europe/Berlin\n    layers",
        "    time_zone: Berlin\n    layers",
        "21:16: schedules.checkout.time_zone: 'Berlin' is not a time zone like Europe/Berlin or "
        "UTC",
    ),
    # calendars
    (
        "refresh: 1h",
        "refresh: 10s",
        "31:15: schedules.checkout.layers[2].ical: its `refresh` is less than a minute",
    ),
    (
        "url_env: COVER_CALENDAR, refresh",
        "refresh",
        "31:15: schedules.checkout.layers[2].ical: a calendar has either a `url` or a `url_env`",
    ),
    # people and teams
    (
        "members: [ana, ben]",
        "members: [ana, zoe]",
        "18:24: teams.web.members[1]: there is no person 'zoe'",
    ),
    (
        "members: [ana, ben]",
        "members: [ana, ana]",
        "18:24: teams.web.members[1]: ana is there twice",
    ),
    ("members: [ana, ben]", "members: []", "18:18: teams.web.members: the team has no members"),
    (
        "{contact: sms, after: 2m}",
        "{contact: call, after: 2m}",
        "11:73: people.ana.rules[0].steps[1].contact: there is no contact method 'call'; there are "
        "push, sms",
    ),
    (
        "      - steps: [{contact: push}]",
        "      - severity: high\n        steps: [{contact: push}]",
        "12:9: people.ana.rules[1]: no severity is left for it: the rules above have them",
    ),
    (
        "unless: high",
        "unless: info",
        "15:15: people.ana.quiet_hours.unless: `info` holds nothing: leave `quiet_hours` out",
    ),
    (
        "push: {url_env: ANA_PUSH}",
        "push: {url_env: ANA_PUSH, fallback: [sms]}",
        "8:43: people.ana.contacts.push.fallback: a contact method has no fallback: use the next "
        "one in a step of the rules",
    ),
    (
        "ben: {name: Ben Okafor,",
        "ben: {name: Ben Okafor, known_as: [Ana@Example.com],",
        "16:38: people.ben.known_as[0]: it already means ana",
    ),
    (
        "ben: {name: Ben Okafor,",
        "cleo: {name: Cleo, slack: U0BOTH, time_zone: UTC}\n"
        "  ben: {name: Ben Okafor, slack: U0BOTH,",
        "17:34: people.ben.slack: it already means cleo",
    ),
    (
        "ben: {name: Ben Okafor,",
        "tidegate: {name: Ben, time_zone: UTC}\n  ben: {name: Ben Okafor,",
        "16:13: people.tidegate: 'tidegate' is reserved for what nobody did by hand",
    ),
]


@pytest.mark.parametrize(("old", "new", "problem"), REPLACED)
def test_a_mistake_is_named_where_it_is(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert old in GOOD
    found = problems(tmp_path, GOOD.replace(old, new, 1))
    where, _, what = problem.partition(": .every")
    if what:
        problem = f"{where}: schedules.checkout.layers[1].rotation.every{what}"
    assert found == [problem]


@pytest.mark.parametrize("url", ["http://calendars.example/token.ics", "file://token", "token"])
def test_a_url_of_another_kind_is_refused_and_not_quoted(tmp_path: Path, url: str) -> None:
    found = problems(tmp_path, GOOD.replace("{url_env: COVER_CALENDAR, refresh: 1h}", url))
    assert found == [
        "31:15: schedules.checkout.layers[2].ical: not an https URL, nor that of a document: "
        "s3://, azure:// or file://"
    ]


def test_a_name_that_two_people_have_means_neither_in_a_calendar(tmp_path: Path) -> None:
    file = load(tmp_path, GOOD.replace("Ben Okafor", "ana  Lopez"))
    assert "ana lopez" not in file.names
    assert file.names["ana@example.com"] == "ana"


def test_a_date_that_no_calendar_has_is_named_where_it_is(tmp_path: Path) -> None:
    text = GOOD.replace("start: 2026-03-02", "start: 2026-02-30", 1)
    line = next(n for n, line in enumerate(text.splitlines(), 1) if "2026-02-30" in line)
    column = text.splitlines()[line - 1].index("2026-02-30") + 1
    assert text != GOOD
    assert problems(tmp_path, text) == [f"{line}:{column}: no such date"]
