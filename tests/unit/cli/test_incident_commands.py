"""What the incident commands take from a terminal, and what they refuse before anything is sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.cli import Tidegate
from tests.unit.cli.desk import HANDLE, Desk
from tests.unit.incident.examples import ID, opened, policy


@pytest.fixture(autouse=True)
def terminal(in_berlin: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "ana")
    monkeypatch.setenv("COLUMNS", "300")


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    """An incident that is open at this moment."""
    desk = Desk(opened(policy(reopen_window=3600)))
    desk.life.now = datetime.now(UTC)
    desk.place(monkeypatch)
    return desk


def test_an_answer_is_one_sentence_that_begins_with_the_handle(
    tidegate: Tidegate, desk: Desk
) -> None:
    done = tidegate("incident", "ack", HANDLE)
    assert (done.code, done.out) == (
        0,
        f"{HANDLE} acknowledged by ana: nobody else is paged\n",
    )
    done = tidegate("incident", "comment", HANDLE, "so it is", "--by", " ben ")
    assert done.out == f"{HANDLE} comment added\n"
    assert desk.sent[-1][1]["actor"] == "ben"


def test_a_command_says_that_it_was_given_on_the_command_line(
    tidegate: Tidegate, desk: Desk
) -> None:
    tidegate("incident", "ack", HANDLE)
    assert desk.sent[-1][1]["proof"] == "command_line"
    assert "ana (CLI)" in [each.attested() for each in desk.life.timeline]


@pytest.mark.parametrize(
    "arguments",
    [
        ("ack",),
        ("unack",),
        ("escalate",),
        ("mitigate",),
        ("resolve", "--force"),
        ("reopen",),
        ("assign", "--to", "ben"),
        ("snooze", "2h"),
        ("comment", "so it is"),
        ("severity", "low"),
        ("close", "--reason", "duplicate"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_every_command_can_be_sent_without_waiting_for_an_answer(
    tidegate: Tidegate, desk: Desk, arguments: tuple[str, ...]
) -> None:
    name, *rest = arguments
    done = tidegate("incident", name, HANDLE, *rest, "--no-wait")
    assert (done.code, done.out) == (
        0,
        f"{HANDLE}: sent; `tidegate incident show {HANDLE}` tells what came of it\n",
    )
    assert len(desk.sent) == 1
    assert not desk.life.incident.recent_commands
    sent = tidegate("incident", name, HANDLE, *rest, "--no-wait", "--json").json
    assert sent == {"sent": True, "incident_id": ID, "handle": HANDLE}


def test_a_workflow_id_that_is_sent_a_command_has_no_handle(tidegate: Tidegate, desk: Desk) -> None:
    done = tidegate("incident", "ack", "incident:a b", "--no-wait")
    assert done.out == (
        "incident:a b: sent; `tidegate incident show 'incident:a b'` tells what came of it\n"
    )


def test_json_has_the_facts_that_the_sentence_is_made_of(tidegate: Tidegate, desk: Desk) -> None:
    tidegate("incident", "ack", HANDLE)
    done = tidegate("incident", "escalate", HANDLE, "--json").json
    assert (done["handle"], done["incident_id"]) == (HANDLE, ID)
    assert (done["changed"], done["status"]) == (True, "acknowledged")
    assert [(each["level"], len(each["targets"])) for each in done["paged"]] == [(2, 1)]
    assert done["before"] == {
        "status": "acknowledged",
        "severity": "medium",
        "assignee": None,
        "commander": None,
        "acknowledged_by": ["ana"],
        "snoozed_until": None,
    }
    assert {"held", "next_page_at", "snoozed_until", "commander"} <= set(done)


def test_a_snooze_lasts_for_a_duration_in_either_place(tidegate: Tidegate, desk: Desk) -> None:
    for arguments in (("2h",), ("--for", "2h")):
        assert tidegate("incident", "snooze", HANDLE, *arguments).code == 0
        assert desk.sent[-1][1]["for"] == 7200
    assert tidegate("incident", "snooze", HANDLE, "0s").code == 0
    assert desk.life.incident.snoozed_until is None


def test_a_snooze_until_a_time_of_the_clock_says_which_moment_that_is(
    tidegate: Tidegate, desk: Desk
) -> None:
    done = tidegate("incident", "snooze", HANDLE, "--until", "08:00")
    until = desk.life.incident.snoozed_until
    assert until is not None
    local = until.astimezone()
    assert (local.hour, local.minute) == (8, 0)
    assert timedelta(0) < until - datetime.now(UTC) <= timedelta(days=1, hours=1)
    assert f"{HANDLE} snoozed until " in done.out
    assert f"{until:%H:%M} UTC (" in done.out
    assert f"08:00 {local:%Z}, " in done.out


def test_a_snooze_until_a_moment_takes_its_zone_or_the_shells(
    tidegate: Tidegate, desk: Desk
) -> None:
    day = (datetime.now(UTC) + timedelta(days=3)).date()
    for text, moment in (
        (f"{day} 08:00", datetime.fromisoformat(f"{day}T08:00:00").astimezone(UTC)),
        (f"{day}T08:00:00-05:00", datetime.fromisoformat(f"{day}T13:00:00+00:00")),
        (f"{day}T08:00:00Z", datetime.fromisoformat(f"{day}T08:00:00+00:00")),
    ):
        assert tidegate("incident", "snooze", HANDLE, "--until", text).code == 0
        assert desk.life.incident.snoozed_until == moment


def test_an_assignment_names_only_what_it_sets(tidegate: Tidegate, desk: Desk) -> None:
    assert tidegate("incident", "assign", HANDLE, "--to", "ben").out == (
        f"{HANDLE} assigned to ben\n"
    )
    assert tidegate("incident", "assign", HANDLE, "--commander", "ana").out == (
        f"{HANDLE} commanded by ana\n"
    )
    assert tidegate("incident", "assign", HANDLE, "--nobody").out == (
        f"{HANDLE} assigned to nobody, was ben\n"
    )


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("ack", "--by", ""), "it is empty: give a name, as in --by ana"),
        (("ack", "--by", " \t"), "it is empty: give a name, as in --by ana"),
        (("ack", "--by", "source:x"), "'source:x' is not a person: give a name, as in --by ana"),
        (("ack", "--by", "Source:x"), "'Source:x' is not a person"),
        (("ack", "--by", "tidegate"), "'tidegate' is not a person"),
        (("ack", "--by", "a" * 201), "it has 201 characters: 200 are possible"),
        (("escalate", "--by", "source:x"), "'source:x' is not a person"),
        (("unack", "--note", ""), 'it is empty: say something, as in --note "rolled back"'),
        (("ack", "--note", "x" * 2001), "it has 2,001 characters: 2,000 are possible"),
        (("comment", " \n"), 'it is empty: say something, as in "action: buy a bigger disk"'),
        (("comment", "x" * 10_001), "it has 10,001 characters: 10,000 are possible"),
        (("assign", "--to", "source:x"), "'source:x' is not a person: give a name, as in --to ben"),
        (("assign", "--commander", "Tidegate"), "'Tidegate' is not a person"),
        (("assign", "--to", ""), "it is empty: give a name, as in --to ben, or --nobody"),
        (("assign", "--commander", "a" * 201), "it has 201 characters: 200 are possible"),
        (("snooze",), "give one of a duration like 30m, --for 30m and --until 08:00"),
        (("snooze", "1h", "--for", "1h"), "give one of a duration like 30m"),
        (("snooze", "1h", "--until", "08:00"), "give one of a duration like 30m"),
        (("snooze", "soon"), "'soon' is not a duration like 30m, 12h or 7d"),
        (("snooze", "--for", "30"), "'30' is not a duration like 30m, 12h or 7d"),
        (("snooze", "31d"), "'31 d' is more than 30 d from now: a longer silence belongs in"),
        (("snooze", "--until", "2999-01-01 08:00"), "'2999-01-01 08:00' is more than 30 d from"),
        (
            ("snooze", "--until", "tomorrow"),
            "'tomorrow' is not a time like 08:00, 'fri 08:00', '2026-01-02 08",
        ),
        (("snooze", "--until", ""), "'' is not a time like 08:00"),
        (("snooze", "--until", "25:00"), "'25:00' is not a time like 08:00"),
        (("snooze", "--until", "2026-13-01 08:00"), "'2026-13-01 08:00' is not a time like 08:00"),
        (("snooze", "--until", "2026-01-02 08:00"), "'2026-01-02 08:00' is in the past, it is "),
        (("snooze", "--until", "2020-01-02T08:00:00Z"), "give a time to come, as in --until 08:00"),
    ],
)
def test_what_is_wrong_is_one_line_with_an_example_and_nothing_is_sent(
    tidegate: Tidegate, desk: Desk, arguments: tuple[str, ...], problem: str
) -> None:
    name, *rest = arguments
    refused = tidegate("incident", name, HANDLE, *rest)
    assert refused.code == 2
    assert problem in refused.err
    assert len([line for line in refused.err.splitlines() if problem in line]) == 1
    assert "Traceback" not in refused.err
    assert desk.sent == []


def test_what_opens_an_incident_by_hand_is_a_person_too(tidegate: Tidegate, desk: Desk) -> None:
    refused = tidegate("incident", "open", "It burns", "--by", "source:x")
    assert refused.code == 2
    assert "'source:x' is not a person" in refused.err


def test_a_refusal_names_what_is_possible_and_exits_with_1(tidegate: Tidegate, desk: Desk) -> None:
    desk.life.do("mitigate")
    refused = tidegate("incident", "escalate", HANDLE)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.splitlines() == [
        f"CommandRefused: incident {HANDLE}: cannot escalate: the incident is mitigated",
        f"  next: `tidegate incident reopen {HANDLE}`; also possible: resolve, assign --to NAME, "
        "snooze DURATION, comment TEXT, severity SEVERITY, close",
    ]
