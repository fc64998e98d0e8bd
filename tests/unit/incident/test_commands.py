"""Commands: their shape, their repeats, and who may give them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core.domain.command import may_be_a_person, read_command
from core.domain.handles import handle_of
from core.domain.incident.commands import COMMANDS, Comment, SetSeverity, Snooze
from core.domain.incident.decisions.command_handling import possible, refusal
from core.domain.incident.decisions.permissions import Role, role_of
from core.domain.incident.effects import CancelInFlight
from core.domain.incident.status import CloseReason, Status
from core.domain.incident.timeline import Assigned, SeverityChanged
from tests.unit.incident.examples import (
    ID,
    KEY,
    START,
    Life,
    acknowledged,
    alert,
    cleared,
    closed,
    command,
    opened,
    policy,
    resolved,
)

WHO = {"command_id": "c", "actor": "ana"}


@pytest.mark.parametrize(
    ("name", "envelope", "problem"),
    [
        ("acknowledge", {}, "command_id: is missing; actor: is missing"),
        ("acknowledge", {"command_id": "c"}, "actor: is missing"),
        ("acknowledge", {**WHO, "actor": None}, "actor: Input should be a valid string"),
        ("acknowledge", {**WHO, "actor": " "}, "actor: String should have at least 1 character"),
        ("acknowledge", {**WHO, "actor": "a" * 201}, "actor: String should have at most 200"),
        ("acknowledge", {**WHO, "actor": "tidegate"}, "actor: 'tidegate' is reserved"),
        ("acknowledge", {**WHO, "note": 3}, "note: Input should be a valid string"),
        ("acknowledge", {**WHO, "notes": "x"}, "notes: there is no such field"),
        ("acknowledge", {**WHO, "force": True}, "force: there is no such field"),
        ("resolve", {**WHO, "force": "perhaps"}, "force: Input should be a valid boolean"),
        ("assign", WHO, "the whole: give an assignee, a commander or both"),
        ("assign", {**WHO, "assignee": ""}, "assignee: String should have at least 1"),
        ("snooze", WHO, "the whole: give either `until` or `for`"),
        ("snooze", {**WHO, "for": 60, "until": "2026-01-02T00:00:00Z"}, "give either"),
        ("snooze", {**WHO, "for": -1}, "for: Input should be greater than or equal to 0"),
        ("snooze", {**WHO, "for": 1e9}, "for: Input should be less than or equal to 2592000"),
        ("snooze", {**WHO, "for": float("nan")}, "for: Input should be a finite number"),
        ("snooze", {**WHO, "until": "2026-01-02T00:00:00"}, "until: Input should have timezone"),
        ("snooze", {**WHO, "untill": "2026-01-02T00:00:00Z"}, "untill: there is no such field"),
        ("comment", WHO, "note: is missing"),
        ("comment", {**WHO, "note": " \n"}, "note: String should have at least 1 character"),
        ("set_severity", WHO, "severity: is missing"),
        ("set_severity", {**WHO, "severity": "P1"}, "severity: Input should be 'critical', 'high'"),
        ("close", WHO, "reason: is missing"),
        ("close", {**WHO, "reason": "bored"}, "reason: Input should be 'resolved', 'false_alarm'"),
        ("reopen", "ack", "a command is a JSON object"),
        ("reopen", None, "a command is a JSON object"),
        ("reopen", ["c"], "a command is a JSON object"),
    ],
)
def test_an_invalid_command_names_every_invalid_field(
    name: str, envelope: object, problem: str
) -> None:
    with pytest.raises(ValueError) as caught:
        read_command(COMMANDS[name], envelope)
    assert problem in str(caught.value)


def test_commands_are_read_by_their_names() -> None:
    assert list(COMMANDS) == [
        "acknowledge",
        "unacknowledge",
        "escalate",
        "mitigate",
        "resolve",
        "reopen",
        "assign",
        "snooze",
        "comment",
        "set_severity",
        "close",
    ]
    snooze = read_command(Snooze, {**WHO, "for": 60, "incident_id": ID, "note": "asleep"})
    assert (snooze.for_, snooze.incident_id, snooze.note) == (60, ID, "asleep")
    assert read_command(SetSeverity, {**WHO, "severity": "low"}).severity == "low"
    assert read_command(Comment, {**WHO, "note": " a\r\nb "}).note == "a\nb"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_for_a_predecessor_under_the_same_key_is_refused(name: str) -> None:
    every: dict[str, dict[str, Any]] = {
        "assign": {"assignee": "ben"},
        "snooze": {"for": 60},
        "comment": {"note": "hello"},
        "set_severity": {"severity": "low"},
        "close": {"reason": "duplicate"},
    }
    before = f"{KEY}@20251231T000000.000Z"
    assert opened().refused(name, incident_id=before, **every.get(name, {})) == (
        f"cannot {name}: the command is for {handle_of(before)}, which is over; {handle_of(ID)} "
        "follows it and is open; check which one is meant"
    )


@pytest.mark.parametrize("id", [None, ID, KEY])
def test_a_command_may_name_the_incident_its_workflow_or_nothing(id: str | None) -> None:
    life = opened()
    life.do("acknowledge", incident_id=id)
    assert life.status == Status.ACKNOWLEDGED


def test_a_retried_command_is_neither_refused_nor_handled_again() -> None:
    life = opened()
    once = command("acknowledge")
    life.give(once)
    life.do("unacknowledge")
    assert refusal(life.incident, once, life.now) is None
    assert life.give(once) == ([], [])
    life.do("close", reason="cancelled")
    assert refusal(life.incident, once, life.now) is None
    assert life.give(once) == ([], [])


def test_command_ids_are_remembered_within_bounds() -> None:
    life = opened()
    for number in range(1000):
        life.give(command("comment", command_id=f"c{number}", note="hm"))
    assert len(life.incident.recent_commands) == 500
    assert life.give(command("comment", command_id="c999", note="again")) == ([], [])


def test_before_the_first_event_is_read_nothing_is_possible() -> None:
    reason = Life().refused("acknowledge")
    assert reason == (
        "cannot acknowledge: the incident is new, its event is still being read; try again"
    )


def test_a_refusal_names_command_state_and_what_is_possible() -> None:
    life = resolved(policy(reopen_window=60))
    assert life.refused("acknowledge") == (
        "cannot acknowledge: the incident is resolved; "
        "possible now: reopen, comment, set_severity, close"
    )
    assert possible(life.incident) == ("reopen", "comment", "set_severity", "close")
    assert closed().refused("comment", note="too late") == (
        "cannot comment: the incident is closed; nothing is possible any more"
    )


def test_while_alerts_are_firing_an_incident_is_resolved_only_with_force() -> None:
    life = opened()
    life.give(alert("another"))
    assert life.refused("resolve") == (
        "cannot resolve: the incident is open and 2 of its alerts fire; possible now: resolve with "
        "`force`, acknowledge, escalate, mitigate, assign, snooze, comment, set_severity, close"
    )
    life.do("resolve", force=True)
    assert life.sentences()[-1] == "Page to slack#00000001 (level 1) cancelled"
    assert "Resolved although alerts still fire" in life.sentences()


def test_when_no_alert_is_firing_an_incident_is_resolved_without_force() -> None:
    life = acknowledged(policy(auto_resolve_acknowledged=False))
    life.give(cleared())
    life.do("resolve")
    assert "Resolved" in life.sentences()


def test_assignee_and_commander_are_set_kept_and_removed() -> None:
    life = opened()
    life.do("assign", assignee="ben")
    life.do("assign", commander="ana")
    assert (life.incident.assignee, life.incident.commander) == ("ben", "ana")
    assert life.do("assign", assignee="ben", commander="ana") == []
    life.do("assign", assignee=None, note="ben is asleep")
    assert (life.incident.assignee, life.incident.commander) == (None, "ana")
    assert life.sentences()[-1] == "Assigned to nobody, commanded by ana: ben is asleep"
    assert len(life.all(Assigned)) == 3


@pytest.mark.parametrize(
    ("until", "problem"),
    [
        (START, "`until` is in the past"),
        (START - timedelta(days=1), "`until` is in the past, it is 2026-01-02T03:04:05+0000 now"),
        (START + timedelta(days=31), "`until` is more than 30 days away"),
    ],
)
def test_a_snooze_ends_in_the_future_and_not_too_far(until: object, problem: str) -> None:
    reason = opened().refused("snooze", until=until)
    assert reason.startswith(f"cannot snooze: {problem}")


def test_setting_the_same_severity_changes_nothing() -> None:
    life = opened()
    assert life.do("set_severity", severity="medium") == []
    life.do("set_severity", severity="high", note="it is the main disk")
    assert life.sentences()[-1] == "Severity raised from medium to high: it is the main disk"


def test_closing_as_resolved_requires_a_resolution() -> None:
    life = opened()
    assert life.refused("close", reason=CloseReason.RESOLVED) == (
        "cannot close as resolved: the incident is open; "
        "possible now: resolve, close as false_alarm, duplicate or cancelled"
    )


def test_an_acknowledgement_cancels_every_page_in_flight_and_leaves_delivered_ones() -> None:
    life = opened(policy(levels=policy().levels[:1]))
    life.deliver()
    _, effects = life.give(command("acknowledge"))
    assert not [effect for effect in effects if isinstance(effect, CancelInFlight)]
    life = opened()
    _, effects = life.give(command("acknowledge"))
    assert effects == [CancelInFlight(keys=(life.pages()[0].key,))]


def test_roles() -> None:
    life = opened()
    life.do("assign", commander="ana")
    incident = life.incident
    assert role_of(incident, "ana") is Role.COMMANDER
    assert role_of(incident, "ben") is Role.RESPONDER
    assert role_of(incident, "source:pagerduty") is Role.SOURCE


@pytest.mark.parametrize(
    ("name", "fields", "possible"),
    [
        ("acknowledge", {}, True),
        ("resolve", {}, True),
        ("comment", {"note": "seen"}, True),
        ("resolve", {"force": True}, False),
        ("mitigate", {}, False),
        ("escalate", {}, False),
        ("assign", {"assignee": "ben"}, False),
        ("snooze", {"for": 60}, False),
        ("set_severity", {"severity": "low"}, False),
        ("close", {"reason": "duplicate"}, False),
    ],
)
def test_what_a_source_may_do(name: str, fields: dict[str, object], possible: bool) -> None:
    life = acknowledged(policy(auto_resolve_acknowledged=False))
    life.give(cleared())
    request = command(name, "source:pagerduty", **fields)
    reason = refusal(life.incident, request, life.now)
    assert (reason is None) == possible
    if reason:
        assert str(reason) == (
            f"cannot {reason.deed}: source:pagerduty is a source, which only knows whether its "
            "service is well"
        )
        assert life.give(request) == ([], [])


@pytest.mark.parametrize(
    ("name", "fields", "deed"),
    [
        ("set_severity", {"severity": "low"}, "set_severity"),
        ("close", {"reason": "duplicate"}, "close"),
        ("resolve", {"force": True}, "resolve with `force`"),
        ("assign", {"commander": "eve"}, "pass on the command"),
        ("assign", {"commander": None}, "pass on the command"),
    ],
)
def test_what_only_the_commander_may_do(name: str, fields: dict[str, object], deed: str) -> None:
    life = opened()
    life.do("assign", commander="ana")
    assert life.refused(name, "ben", **fields) == (
        f"cannot {deed}: ana commands the incident, and only the commander may; "
        "possible now: take command (assign)"
    )
    life.do("assign", "ben", commander="ben")  # everybody may take it
    assert life.do(name, "ben", **fields)


def test_without_a_commander_everybody_may_do_everything() -> None:
    life = opened()
    life.do("set_severity", "eve", severity="low")
    life.do("assign", "eve", commander="ben")
    assert [event.actor for event in life.all(SeverityChanged)] == ["eve"]


def test_while_alerts_are_held_back_few_commands_are_possible() -> None:
    life = opened(policy(hold_back=60))
    assert life.status == Status.PENDING
    assert possible(life.incident) == ("assign", "comment", "set_severity", "close")
    assert "the incident is pending; possible now: assign, comment" in life.refused("acknowledge")
    life.do("close", reason="false_alarm")
    assert life.status == Status.CLOSED
    assert life.sentences()[-1] == (
        "Never became an incident: closed as false_alarm before it opened"
    )


UNSEEN = (
    "\u00ad\u034f\u115f\u1160\u17b4\u180e\u200b\u200d\u2060\u2800\u3164\ufe0f\ufeff\uffa0\U000e0100"
)


@pytest.mark.parametrize("unseen", UNSEEN, ids=lambda each: f"U+{ord(each):04X}")
def test_a_character_that_nobody_sees_makes_no_name_anothers(unseen: str) -> None:
    for name in (unseen, f"{unseen} {unseen}", f"tide{unseen}gate", f"{unseen}source:prometheus"):
        assert not may_be_a_person(name), ascii(name)
    assert may_be_a_person(f"Ana{unseen}")


@pytest.mark.parametrize(
    "name", ["", " ", "tidegate", "TideGate", "\uff34idegate", "Source:x", "\u017fource:x"]
)
def test_no_spelling_of_our_own_names_is_a_persons(name: str) -> None:
    assert not may_be_a_person(name)


@pytest.mark.parametrize(
    "name", ["ana", "Zo\u00eb Ito", "\u65e5\u672c", "tidegate-bot", "the source"]
)
def test_any_other_name_may_be_a_persons(name: str) -> None:
    assert may_be_a_person(name)
