"""`tidegate oncall` and `tidegate silence`: who is on call and why, and what changes that."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import icalendar
import pytest

from core.cli.oncall_view import picture
from core.config.files import load_oncall
from core.domain.handles import Named
from core.domain.oncall.calendars import Calendars
from core.operations.oncall_explain import Verdict, explain
from core.operations.oncall_rota import Rota
from tests.support.cli import Result, Tidegate
from tests.unit.cli.on_call_desk import OnCallDesk

BERLIN = ZoneInfo("Europe/Berlin")
FILE = """\
version: 1
people:
  ana: {name: Ana Silva, time_zone: Europe/Berlin, contacts: {push: {url_env: ANA_PUSH}}}
  ben: {name: Ben Okafor, time_zone: America/New_York, contacts: {push: {url_env: BEN_PUSH}}}
  cem: {name: Cem, time_zone: Europe/Berlin, contacts: {push: {url_env: CEM_PUSH}}}
schedules:
  checkout:
    time_zone: Europe/Berlin
    description: The checkout
    layers:
      - name: weekly
        rotation: {people: [ana, ben], every: week, start: 2026-01-05, at: "09:00"}
      - name: nights
        rotation: {people: [cem], every: week, start: 2026-01-05}
        hours: [{from: "22:00", to: "06:00"}]
  office:
    time_zone: UTC
    layers:
      - name: days
        rotation: {people: [cem], every: week, start: 2026-01-05}
        hours: [{days: [mon], from: "09:00", to: "17:00"}]
"""


@pytest.fixture(autouse=True)
def file(tmp_path: Path, in_utc: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The on-call file, in a terminal of ana's in UTC."""
    path = tmp_path / "oncall.yaml"
    path.write_text(FILE)
    monkeypatch.setenv("TIDEGATE_ONCALL", str(path))
    monkeypatch.setenv("USER", "ana")
    return path


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> OnCallDesk:
    desk = OnCallDesk()
    desk.place(monkeypatch)
    return desk


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


def rota(file: Path, desk: OnCallDesk | None = None) -> Rota:
    loaded = load_oncall(file)
    state = {"state": desk.state} if desk else {}
    return Rota(file=loaded, calendars=Calendars(names=loaded.names), **state)


def seconds(text: str) -> datetime:
    """A moment as iCalendar has it, in whole seconds."""
    return datetime.fromisoformat(text).replace(microsecond=0)


def events_of(text: str) -> list[Any]:
    """The events of an iCalendar file, as another program reads it."""
    return icalendar.Calendar.from_ical(text).walk("VEVENT")


def done(result: Result) -> str:
    assert (result.code, result.err) == (0, ""), result
    return result.out


# Who is on call


def test_now_says_who_until_when_who_is_next_and_why(
    tidegate: Tidegate, desk: OnCallDesk, file: Path
) -> None:
    shift = rota(file).at("checkout", datetime.now(UTC))
    assert shift
    [line] = done(tidegate("oncall", "now", "checkout")).splitlines()
    schedule, who, until, after, why = line.split("\t")
    names = {"ana": "Ana Silva", "ben": "Ben Okafor", "cem": "Cem"}
    assert (schedule, who) == ("checkout", names[shift.people[0]])
    assert until.startswith(f"until {shift.end.astimezone(BERLIN):%a %Y-%m-%d %H:%M}")
    assert after.removeprefix("then ") in names.values()
    assert why == f"layer {shift.layer}"


def test_now_names_all_schedules_and_nobody_where_there_is_nobody(
    tidegate: Tidegate, tmp_path: Path
) -> None:
    later = tmp_path / "later.yaml"
    later.write_text(
        FILE.replace(
            "start: 2026-01-05}\n        hours: [{days", "start: 2099-01-05}\n        hours: [{days"
        )
    )
    rows = done(tidegate("oncall", "now", "--file", str(later))).splitlines()
    assert [row.split("\t")[0] for row in rows] == ["checkout", "office"]
    assert rows[1].split("\t")[1] == "nobody"
    shown = tidegate("oncall", "now", "office", "--file", str(later), "--json").json
    assert shown == [{"schedule": "office", "time_zone": "UTC", "now": None, "next": None}]


def test_another_zone_is_shown_beside_the_schedules_own(tidegate: Tidegate, file: Path) -> None:
    arguments = ("explain", "checkout", "--at", "2026-07-06T09:00+02:00", "--file", str(file))
    assert "Mon 2026-07-06 09:00 CEST\n" in done(tidegate("oncall", *arguments))
    zoned = done(tidegate("oncall", *arguments, "--zone", "America/New_York"))
    assert "Mon 2026-07-06 09:00 CEST (Mon 2026-07-06 03:00 EDT)" in zoned
    refused = tidegate("oncall", *arguments, "--zone", "Mars/Base")
    assert (refused.code, refused.out) == (2, "")
    assert "'Mars/Base' is not a time zone like Europe/Berlin or UTC" in refused.err


def test_now_next_show_and_the_calendar_agree(
    tidegate: Tidegate, desk: OnCallDesk, file: Path
) -> None:
    overridden(tidegate, "--person", "cem", "--for", "3h")
    [now] = tidegate("oncall", "now", "checkout", "--json").json
    shown = tidegate("oncall", "show", "checkout", "--days", "30", "--json").json
    following = tidegate("oncall", "next", "checkout", "-n", "100", "--json").json
    text = done(tidegate("oncall", "ical", "checkout", "--days", "30"))
    events = [(each["dtstart"].dt, each["dtend"].dt) for each in events_of(text)]
    assert now["now"]["override"]["people"] == ["cem"]
    assert events == [(seconds(each["start"]), seconds(each["end"])) for each in shown]
    index = shown.index(now["now"])
    assert shown[index + 1] == now["next"]
    ahead = [
        {name: value for name, value in each.items() if name != "schedule"} for each in following
    ]
    assert shown[index + 1 :] == ahead[: len(shown) - index - 1]


def test_show_lists_the_shifts_of_a_day_and_the_gaps(tidegate: Tidegate, file: Path) -> None:
    arguments = ("oncall", "show", "--from", "2026-07-06", "--days", "1", "--file", str(file))
    rows = [row.split("\t") for row in done(tidegate(*arguments, "office")).splitlines()]
    assert [(row[0], row[3]) for row in rows] == [
        ("Mon 2026-07-06 00:00 UTC", "nobody"),
        ("Mon 2026-07-06 09:00 UTC", "Cem"),
        ("Mon 2026-07-06 17:00 UTC", "nobody"),
    ]
    gap, *_ = tidegate(*arguments, "office", "--json").json
    assert gap == {
        "people": [],
        "start": "2026-07-06T00:00:00+00:00",
        "end": "2026-07-06T09:00:00+00:00",
    }


def test_a_picture_has_a_letter_for_each_half_hour_also_on_the_day_of_a_change(file: Path) -> None:
    whole, first = rota(file), local("2026-03-29")
    shifts = whole.shifts("checkout", first, first + timedelta(days=1))
    lines = picture(shifts, whole, zone=BERLIN, first=first.date(), days=1, width=80)
    assert [line.plain.rstrip() for line in lines] == [
        "                00          06          12          18",
        "Sun 2026-03-29  aaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbaaaa",
        "                a Cem",
        "                b Ben Okafor",
        "",
    ]
    narrow = picture(shifts, whole, zone=BERLIN, first=first.date(), days=1, width=40)
    assert max(line.cell_len for line in narrow) <= 40
    assert not picture(shifts, whole, zone=BERLIN, first=first.date(), days=1, width=None)


def test_next_is_of_a_person_or_of_all_in_order_of_time(tidegate: Tidegate, file: Path) -> None:
    def shifts(*arguments: str) -> list[Any]:
        listed: list[Any] = tidegate(
            "oncall", "next", *arguments, "--file", str(file), "-n", "20", "--json"
        ).json
        return listed

    everybody, cem = shifts(), shifts("--person", "cem")
    assert [each["start"] for each in everybody] == sorted(each["start"] for each in everybody)
    assert {each["schedule"] for each in everybody} == {"checkout", "office"}
    assert {person["id"] for each in cem for person in each["people"]} == {"cem"}
    assert len(cem) == 20


# Why


def overridden(tidegate: Tidegate, *options: str) -> str:
    """What the command answers that adds an override of the schedule checkout."""
    return done(tidegate("oncall", "override", "checkout", *options))


def test_explain_lists_every_part_and_one_of_them_decides(
    tidegate: Tidegate, desk: OnCallDesk, file: Path
) -> None:
    overridden(
        tidegate, "--person", "ben", "--from", "fri 23:00", "--for", "2h", "--why", "at the opera"
    )
    [override] = desk.state.overrides
    start = override.start.astimezone(BERLIN)
    assert (start.weekday(), start.hour) == (4, 23)
    at = (override.start + timedelta(hours=1)).isoformat()
    shown = tidegate("oncall", "explain", "checkout", "--at", at, "--json").json
    assert [(part["layer"], part["verdict"], part["people"]) for part in shown["parts"]] == [
        (None, "decides", ["ben"]),
        ("nights", "overruled", ["cem"]),
        ("weekly", "overruled", shown["parts"][2]["people"]),
    ]
    assert shown["shift"]["reason"].endswith(": at the opera")
    after = (override.end + timedelta(hours=1)).isoformat()
    parts = tidegate("oncall", "explain", "checkout", "--at", after, "--json").json["parts"]
    assert [part["verdict"] for part in parts] == ["names nobody", "decides", "overruled"]
    assert parts[0]["why"] == "it has ended"
    text = done(tidegate("oncall", "explain", "checkout", "--at", at))
    assert f"override {override.id}\tdecides\tBen Okafor" in text


def test_an_override_of_somebody_who_left_is_explained_and_decides_nothing(
    tidegate: Tidegate, desk: OnCallDesk, file: Path
) -> None:
    done(tidegate("oncall", "override", "office", "--person", "ben", "--for", "2h"))
    file.write_text(FILE.replace("[ana, ben]", "[ana]").replace("  ben: {", "  dora: {"))
    parts = tidegate("oncall", "explain", "office", "--json").json["parts"]
    assert parts[0]["verdict"] == "names nobody"
    assert parts[0]["why"] == "ben not in the on-call file"


@pytest.mark.parametrize(
    ("layer", "at", "why"),
    [
        (
            "hours: [{days: [mon], from: '09:00', to: '17:00'}]",
            "2026-07-07",
            "not in these hours of the week",
        ),
        ("until: 2026-06-30", "2026-07-01", "it has ended"),
        ("hours: []", "2025-12-31", "it begins later"),
        ("only_on: 'https://calendar.example/x.ics'", "2026-07-06", "its calendar cannot be read"),
    ],
)
def test_a_layer_that_names_nobody_says_why(tmp_path: Path, layer: str, at: str, why: str) -> None:
    path = tmp_path / "one.yaml"
    path.write_text(
        "version: 1\npeople: {ana: {name: Ana, time_zone: UTC}}\n"
        "schedules:\n  one:\n    time_zone: UTC\n    layers:\n      - name: only\n"
        "        rotation: {people: [ana], every: day, start: 2026-01-05}\n"
        f"        {layer}\n"
    )
    schedule = load_oncall(path).schedules["one"]
    moment = datetime.fromisoformat(f"{at}T12:00:00+00:00")
    [part] = explain(schedule, moment, (), Calendars()).parts
    assert (part.verdict, part.why) == (Verdict.NOBODY, why)


def test_a_turn_of_nobody_leaves_the_layers_before_to_decide(tmp_path: Path) -> None:
    path = tmp_path / "turns.yaml"
    path.write_text(
        "version: 1\npeople: {ana: {name: Ana, time_zone: UTC}, ben: {name: Ben, time_zone: UTC}}\n"
        "schedules:\n  one:\n    time_zone: UTC\n    layers:\n"
        "      - {name: first, rotation: {people: [ana], every: day, start: 2026-01-05}}\n"
        "      - {name: second, rotation: {people: [ben, []], every: day, start: 2026-01-05}}\n"
    )
    schedule = load_oncall(path).schedules["one"]
    at = datetime(2026, 1, 6, 12, tzinfo=UTC)
    second, first = explain(schedule, at, (), Calendars()).parts
    assert (second.verdict, second.why) == (Verdict.NOBODY, "nobody has this turn")
    assert first.verdict is Verdict.DECIDES


# What changes it


def test_an_override_is_answered_with_its_id_and_listed_until_it_is_removed(
    tidegate: Tidegate, desk: OnCallDesk
) -> None:
    until = (datetime.now(BERLIN) + timedelta(days=2)).strftime("%Y-%m-%d 08:00")
    answer = overridden(
        tidegate, "--person", "ben", "--person", "ana", "--until", until, "--why", "two are better"
    )
    [override] = desk.state.overrides
    assert override.end == local(until)
    assert (override.people, override.by, override.why) == (("ben", "ana"), "ana", "two are better")
    assert answer.startswith(f"{override.id} Ben Okafor, Ana Silva are on call for checkout from ")
    assert f"until {local(until):%a %Y-%m-%d 08:00}" in answer
    listed = done(tidegate("oncall", "overrides", "list"))
    assert listed.startswith(f"{override.id}\tcheckout\tBen Okafor, Ana Silva\tfrom ")
    assert done(tidegate("oncall", "overrides", "list", "office")) == "There are no overrides.\n"
    removed = done(tidegate("oncall", "overrides", "remove", override.id.upper()))
    assert removed == f"{override.id} ended: the layers of checkout decide\n"
    assert desk.state.at(datetime.now(UTC)).overrides == ()


def test_a_night_ends_on_the_first_such_time_after_it_begins(
    tidegate: Tidegate, desk: OnCallDesk
) -> None:
    overridden(tidegate, "--person", "ben", "--from", "22:00", "--until", "08:00")
    [override] = desk.state.overrides
    start, end = (each.astimezone(BERLIN) for each in (override.start, override.end))
    assert (start.hour, end.hour) == (22, 8)
    assert end.date() - start.date() == timedelta(days=1)


def test_what_overlaps_another_override_is_refused_with_what_ends_that(
    tidegate: Tidegate, desk: OnCallDesk
) -> None:
    override = ("oncall", "override", "checkout", "--person", "ben", "--for", "2h")
    done(tidegate(*override))
    [first] = desk.state.overrides
    refused = tidegate(*override)
    assert (refused.code, refused.out) == (1, "")
    assert f"override {first.id} has ben on call for schedule checkout" in refused.err
    assert f"`tidegate oncall overrides remove {first.id}`" in refused.err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--person", "ben"), "give one of --until 08:00 and --for 2h"),
        (("--person", "ben", "--for", "2h", "--until", "08:00"), "give one of --until 08:00"),
        (("--person", "ben", "--until", "noon"), "'noon' is not a time like 08:00"),
        (("--person", "ben", "--until", "2020-01-02 08:00"), "it is in the past: it ends at Thu"),
        (
            ("--person", "ben", "--from", "2099-01-02 08:00", "--until", "2099-01-01 08:00"),
            "which is not after Fri 2099-01-02 08:00 CET, when it begins",
        ),
        (("--person", "ben", "--for", "2h", "--why", "x" * 201), "200 are possible"),
        (("--person", "ben", "--for", "2h", "--by", "b" * 101), "100 are possible"),
        (("--person", "ben", "--for", "2h", "--by", "source:x"), "'source:x' is not a person"),
        (("--person", "Ben Okafor", "--for", "2h"), "there is no person 'Ben Okafor'"),
    ],
)
def test_what_is_wrong_with_an_override_is_one_line_and_nothing_is_sent(
    tidegate: Tidegate, desk: OnCallDesk, arguments: tuple[str, ...], problem: str
) -> None:
    refused = tidegate("oncall", "override", "checkout", *arguments)
    assert refused.code == 2
    assert problem in refused.err
    assert len(refused.err.splitlines()) == 2
    assert desk.sent == []


def test_a_swap_exchanges_the_present_or_next_shift_with_the_next_of_the_other(
    tidegate: Tidegate, desk: OnCallDesk, file: Path
) -> None:
    now = datetime.now(UTC)
    before = rota(file)
    done(tidegate("oncall", "swap", "checkout", "ana", "ben", "--yes", "--why", "a wedding"))
    given, taken = desk.state.overrides
    assert (given.people, taken.people) == (("ben",), ("ana",))
    for override, person in ((given, "ana"), (taken, "ben")):
        shift = before.at("checkout", max(override.start, now))
        assert shift
        assert shift.people == (person,)
        assert shift.end == override.end
    assert taken.start > now
    assert {given.why, taken.why} == {"a wedding"}


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (("ana", "ana", "--yes"), 2, "ana cannot exchange shifts with ana: name two people"),
        (("ana", "ben"), 2, "nobody can be asked here: add --yes"),
    ],
)
def test_a_swap_that_nobody_confirms_or_of_one_person_changes_nothing(
    tidegate: Tidegate, desk: OnCallDesk, arguments: tuple[str, ...], code: int, problem: str
) -> None:
    refused = tidegate("oncall", "swap", "checkout", *arguments)
    assert refused.code == code
    assert problem in refused.err
    assert desk.sent == []


def test_a_swap_with_somebody_without_a_shift_is_refused(
    tidegate: Tidegate, desk: OnCallDesk
) -> None:
    refused = tidegate("oncall", "swap", "office", "cem", "ben", "--yes")
    assert refused.code == 1
    assert "ben has no shift of schedule office to exchange with cem" in refused.err
    assert "`tidegate oncall show office`" in refused.err


# Silences


def test_a_silence_says_what_it_is_for_and_is_listed_until_it_is_ended(
    tidegate: Tidegate, desk: OnCallDesk
) -> None:
    answer = done(
        tidegate(
            "silence",
            "add",
            "--match",
            "service=checkout",
            "--match",
            "service=pay*",
            "--match",
            "alertname=Disk*",
            "--match",
            "labels.source=x",
            "--for",
            "2h",
            "--why",
            "disk is being grown",
        )
    )
    [silence] = desk.state.silences
    assert silence.match
    assert silence.match.model_dump(exclude_none=True) == {
        "service": ["checkout", "pay*"],
        "labels": {"alertname": ["Disk*"], "source": ["x"]},
    }
    what = "service checkout or pay*; labels alertname=Disk*, source=x"
    assert answer.startswith(f"{silence.id} nobody is paged for {what} until ")
    assert done(tidegate("silence", "list")).startswith(f"{silence.id}\tsilence\t{what}\t")
    assert (
        done(tidegate("silence", "end", silence.id))
        == f"{silence.id} ended: {what} is no longer silenced\n"
    )
    assert done(tidegate("silence", "list")) == "There are no silences.\n"


def test_a_maintenance_window_is_called_one(tidegate: Tidegate, desk: OnCallDesk) -> None:
    done(
        tidegate(
            "silence",
            "add",
            "--match",
            "severity=low",
            "--for",
            "1h",
            "--maintenance",
            "--why",
            "upgrade",
        )
    )
    [silence] = tidegate("silence", "list", "--json").json
    assert (silence["kind"], silence["match"]) == ("maintenance", {"severity": ["low"]})


def test_everything_is_silenced_only_by_its_name(tidegate: Tidegate, desk: OnCallDesk) -> None:
    rest = ("--for", "1h", "--why", "fire drill")
    assert tidegate("silence", "add", *rest).code == 2
    refused = tidegate("silence", "add", "--match", "service=*", *rest)
    assert refused.code == 1
    assert "matches every incident" in refused.err
    assert desk.state.silences == ()
    assert " nobody is paged for anything until " in done(
        tidegate("silence", "add", "--everything", *rest)
    )
    assert tidegate("silence", "add", "--everything", "--match", "service=x", *rest).code == 2


@pytest.mark.parametrize(
    ("match", "problem"),
    [
        ("checkout", "--match 'checkout' is not NAME=PATTERN"),
        ("=x", "--match '=x' is not NAME=PATTERN"),
        ("service=", "--match 'service=' is not NAME=PATTERN"),
        ("severity=awful", "--match: severity"),
    ],
)
def test_what_is_no_match_is_refused_by_its_name(
    tidegate: Tidegate, desk: OnCallDesk, match: str, problem: str
) -> None:
    refused = tidegate("silence", "add", "--match", match, "--for", "1h", "--why", "x")
    assert refused.code == 2
    assert problem in refused.err
    assert desk.sent == []


# Calendars, and the check of the file


def test_a_calendar_is_the_same_whenever_it_is_written_and_has_each_person_apart(
    tidegate: Tidegate, file: Path, tmp_path: Path
) -> None:
    def events(*arguments: str) -> list[Any]:
        output = tmp_path / "out.ics"
        result = tidegate("oncall", "ical", *arguments, "-o", str(output), "--file", str(file))
        assert (result.code, result.out) == (0, "")
        found = events_of(output.read_text())
        assert result.err == f"{output}: {len(found)} shifts\n"
        return found

    whole, again, ana = events("checkout"), events("checkout"), events("--person", "ana")
    assert [each["uid"] for each in whole] == [each["uid"] for each in again]
    assert len({each["uid"] for each in whole}) == len(whole)
    assert {str(each["summary"]) for each in ana} == {"Ana Silva on call: checkout"}
    assert [each["dtstart"].dt for each in ana] == [
        each["dtstart"].dt for each in whole if "Ana" in each["summary"]
    ]


def test_a_calendar_ends_its_lines_as_the_standard_has_it(tidegate: Tidegate, file: Path) -> None:
    text = done(tidegate("oncall", "ical", "checkout", "--days", "1", "--file", str(file)))
    assert text.startswith("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Tidegate//On call//EN\r\n")
    assert text.endswith("END:VCALENDAR\r\n")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "name a schedule, or a person with --person"),
        (("checkout", "--person", "ana"), "name a schedule, or a person with --person"),
        (("checkout", "--days", "401"), "'--days'"),
    ],
)
def test_a_calendar_is_of_one_schedule_or_person_and_of_a_year_at_most(
    tidegate: Tidegate, arguments: tuple[str, ...], problem: str
) -> None:
    refused = tidegate("oncall", "ical", *arguments)
    assert refused.code == 2
    assert problem in refused.err


def test_a_calendar_of_too_many_shifts_is_refused(tidegate: Tidegate, tmp_path: Path) -> None:
    hourly = tmp_path / "hourly.yaml"
    schedules = "\n".join(
        f"  s{n}: {{time_zone: UTC, layers: [{{name: all, rotation: "
        "{people: [ana], every: hour, start: 2026-01-05}}]}}"
        for n in range(3)
    ).replace("}}]}}", "}}]}")
    hourly.write_text(
        f"version: 1\npeople: {{ana: {{name: Ana, time_zone: UTC}}}}\nschedules:\n{schedules}\n"
    )
    refused = tidegate("oncall", "ical", "--person", "ana", "--days", "400", "--file", str(hourly))
    assert refused.code == 2
    assert "these are more than 20,000 shifts: ask for fewer days" in refused.err


def test_the_check_finds_what_is_wrong_with_a_valid_file_and_where(
    tidegate: Tidegate, tmp_path: Path
) -> None:
    path = tmp_path / "gaps.yaml"
    path.write_text(FILE.replace(", contacts: {push: {url_env: CEM_PUSH}}", ""))
    checked = tidegate("oncall", "check", str(path))
    assert (checked.code, checked.err) == (1, "")
    lines = checked.out.splitlines()
    assert lines[0] == f"{path}: 3 people, 0 teams, 2 schedules, 0 heartbeats, all valid"
    assert any(
        line.startswith(f"{path}:16:3: schedule office: nobody is on call") for line in lines
    )
    assert f"{path}:5:3: person cem: has no contact method, and may be on call" in lines
    assert "contact ana/push: ANA_PUSH not set here" in lines
    found = tidegate("oncall", "check", str(path), "--json").json["findings"]
    assert {(each["kind"], each["name"], each["line"]) for each in found} == {
        ("schedule", "office", 16),
        ("person", "cem", 5),
    }


def test_the_check_of_a_file_without_faults_succeeds(tidegate: Tidegate, tmp_path: Path) -> None:
    path = tmp_path / "whole.yaml"
    path.write_text(
        FILE.replace("    time_zone: UTC\n", "    time_zone: UTC\n    may_have_gaps: true\n")
    )
    checked = tidegate("oncall", "check", str(path))
    assert (checked.code, checked.err) == (0, "")


@pytest.mark.parametrize(
    ("text", "code", "why"),
    [
        (
            "<html>Log in</html>",
            1,
            "it is a web page, not a calendar: the address may need a login",
        ),
        ("nobody", 1, "it is not a calendar in the iCalendar format"),
        (None, 0, "the document does not exist"),
    ],
)
def test_the_check_fails_over_what_is_no_calendar_but_not_over_what_cannot_be_read_here(
    tidegate: Tidegate, tmp_path: Path, text: str | None, code: int, why: str
) -> None:
    calendar, path = tmp_path / "cover.ics", tmp_path / "cover.yaml"
    if text is not None:
        calendar.write_text(text)
    path.write_text(
        "version: 1\n"
        "schedules:\n"
        "  checkout: {time_zone: UTC, layers: "
        f"[{{name: cover, ical: {{url: '{calendar.as_uri()}'}}}}]}}\n"
    )
    checked = tidegate("oncall", "check", str(path))
    assert checked.code == code
    [line] = checked.out.splitlines()[1:]
    what = "the calendar of layer cover of schedule checkout cannot be read, and counts for nothing"
    place = f"{path}:3:3: schedule checkout: " if code else ""
    assert line == f"{place}{what}: {why}"


def test_the_check_names_events_of_a_calendar_that_name_nobody(
    tidegate: Tidegate, tmp_path: Path
) -> None:
    calendar = tmp_path / "cover.ics"
    days = "".join(
        f"BEGIN:VEVENT\r\nUID:{n}\r\nDTSTART;VALUE=DATE:20260105\r\nDTEND;VALUE=DATE:20260106\r\n"
        f"RRULE:FREQ=DAILY\r\nSUMMARY:{title}\r\nEND:VEVENT\r\n"
        for n, title in enumerate(("Ben", "Ana Maria"))
    )
    calendar.write_text(f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{days}END:VCALENDAR\r\n")
    path = tmp_path / "cover.yaml"
    path.write_text(
        "version: 1\n"
        "people: {ben: {name: Ben, time_zone: UTC, contacts: {push: {url_env: BEN_PUSH}}}}\n"
        "schedules: {checkout: {time_zone: UTC, layers: "
        f"[{{name: cover, ical: {{url: '{calendar.as_uri()}'}}}}]}}}}\n"
    )
    checked = tidegate("oncall", "check", str(path))
    assert (checked.code, checked.err) == (0, "")
    assert (
        "the calendar of layer cover of schedule checkout has events that name nobody: "
        "'Ana Maria'; add what it calls people to their `known_as`"
    ) in checked.out


def test_a_file_that_is_invalid_is_named_by_its_lines(tidegate: Tidegate, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(FILE.replace("people: [ana, ben]", "people: [ana, dora]"))
    refused = tidegate("oncall", "check", str(path))
    assert (refused.code, refused.out) == (2, "")
    assert f"{path}:12:34: schedules.checkout.layers[0].rotation.people[1]: " in refused.err
    assert "there is no person 'dora'" in refused.err


def test_the_schema_is_that_of_the_file(tidegate: Tidegate) -> None:
    schema = json.loads(done(tidegate("oncall", "schema")))
    assert {"people", "teams", "schedules"} <= set(schema["properties"])


# What a shell completes


async def test_schedules_people_and_what_was_added_complete_by_their_names(
    tidegate: Tidegate, desk: OnCallDesk
) -> None:
    from core.cli import completion

    assert await completion.schedules() == [Named("checkout", "The checkout"), Named("office", "")]
    assert [each.id for each in await completion.people()] == ["ana", "ben", "cem"]
