"""Every command's answer, as a person reads it: what was done, or why nothing was."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.cli.incident_answers import answer_sentence
from core.domain.incident.commands import COMMANDS
from core.domain.incident.policies.policy import Level, Policy, PolicyTarget, QuietHours
from core.domain.severity import Severity
from core.domain.windows import Hours, Silence, Span
from tests.support.zones import in_zone
from tests.unit.cli.desk import HANDLE, obey
from tests.unit.incident.examples import (
    START,
    Life,
    acknowledged,
    closed,
    command,
    levels,
    mitigated,
    opened,
    policy,
    resolved,
)

pytestmark = pytest.mark.usefixtures("in_utc")

RULES = policy(levels=levels((0, "on-call"), (300, "platform-lead")), reopen_window=3600)
WITH_EVE = RULES.model_copy(update={"reachable": {"eve": ("eve",)}})
NIGHT = QuietHours(time_zone="UTC", hours=(Hours(start="03:00", end="07:00"),))
MIGRATION = Silence(name="migration", span=Span(start=START, end=START + timedelta(hours=2)))
QUIET = RULES.model_copy(update={"quiet_hours": NIGHT})
SILENCED = RULES.model_copy(update={"silences": (MIGRATION,)})
LATE_FIRST_LEVEL = policy(levels=levels((60, "on-call")))
TWO_TARGETS = policy(levels=levels((0, "on-call chat"), (300, "platform-lead")))

Before = Callable[[], Life]


def done(life: Life, *commands: tuple[str, dict[str, Any]]) -> Life:
    for name, fields in commands:
        life.do(name, **fields)
    return life


def snoozed(life: Life) -> Life:
    return done(life, ("snooze", {"for_": 7200.0}))


def in_the_night(life: Life) -> Life:
    """It was acknowledged before the quiet hours of its policy began."""
    life.incident = life.incident.model_copy(update={"policy": QUIET})
    return life


DONE: list[tuple[Before, str, dict[str, Any], str]] = [
    (
        lambda: opened(RULES),
        "acknowledge",
        {},
        "acknowledged by ben: nobody else is paged",
    ),
    (
        lambda: acknowledged(RULES),
        "acknowledge",
        {},
        "acknowledged by ben, as by ana before: nobody else is paged",
    ),
    (
        lambda: acknowledged(RULES),
        "unacknowledge",
        {},
        "open again: level 1 is paged: on-call",
    ),
    (
        lambda: acknowledged(TWO_TARGETS),
        "unacknowledge",
        {},
        "open again: level 1 is paged: on-call and chat",
    ),
    (
        lambda: snoozed(acknowledged(RULES)),
        "unacknowledge",
        {},
        "open again: level 1 is paged: on-call",
    ),
    (
        lambda: in_the_night(acknowledged(RULES)),
        "unacknowledge",
        {},
        "open again: nobody is paged until 07:00 UTC (3 h 56 min): quiet hours",
    ),
    (
        lambda: acknowledged(SILENCED),
        "unacknowledge",
        {},
        "open again: nobody is paged until 05:04:05 UTC (2 h): silenced by migration",
    ),
    (
        lambda: acknowledged(LATE_FIRST_LEVEL),
        "unacknowledge",
        {},
        "open again: the next page is due at 03:05:05 UTC (1 min)",
    ),
    (
        lambda: acknowledged(Policy()),
        "unacknowledge",
        {},
        "open again: its policy pages nobody else",
    ),
    (
        lambda: opened(RULES),
        "escalate",
        {},
        "escalated to level 2: platform-lead",
    ),
    (
        lambda: done(opened(RULES), ("escalate", {})),
        "escalate",
        {},
        "level 2 paged again: platform-lead",
    ),
    (
        lambda: acknowledged(RULES),
        "escalate",
        {},
        "escalated to level 2: platform-lead; ana still has it",
    ),
    (
        lambda: done(acknowledged(RULES), ("acknowledge", {"actor": "cleo"})),
        "escalate",
        {},
        "escalated to level 2: platform-lead; ana and cleo still have it",
    ),
    (
        lambda: snoozed(opened(RULES)),
        "escalate",
        {},
        "escalated to level 2: platform-lead; "
        "other paging stays on hold until 05:04:05 UTC (2 h): snoozed",
    ),
    (
        lambda: opened(QUIET),
        "escalate",
        {},
        "escalated to level 1: on-call; "
        "other paging stays on hold until 07:00 UTC (3 h 56 min): quiet hours",
    ),
    (lambda: opened(RULES), "mitigate", {}, "mitigated by ben: nobody is paged"),
    (
        lambda: opened(RULES),
        "resolve",
        {"force": True},
        "resolved by ben: nobody is paged",
    ),
    (
        lambda: mitigated(RULES),
        "reopen",
        {},
        "reopened by ben: level 1 is paged: on-call",
    ),
    (
        lambda: snoozed(mitigated(RULES)),
        "reopen",
        {},
        "reopened by ben: nobody is paged until 05:04:05 UTC (2 h): snoozed",
    ),
    (lambda: opened(RULES), "assign", {"assignee": "eve"}, "assigned to eve"),
    (
        lambda: done(opened(WITH_EVE), ("assign", {"assignee": "zoe"})),
        "assign",
        {"assignee": "Eve"},
        "assigned to Eve, was zoe; Eve is notified",
    ),
    (
        lambda: done(opened(RULES), ("assign", {"assignee": "zoe", "commander": "ben"})),
        "assign",
        {"assignee": "eve", "commander": None},
        "assigned to eve, was zoe, commanded by nobody, was ben",
    ),
    (
        lambda: done(opened(RULES), ("assign", {"assignee": "zoe"})),
        "assign",
        {"assignee": None},
        "assigned to nobody, was zoe",
    ),
    (
        lambda: opened(RULES),
        "snooze",
        {"until": datetime(2026, 1, 2, 9, 16, 5, tzinfo=UTC)},
        "snoozed until 09:16:05 UTC (6 h 12 min)",
    ),
    (
        lambda: snoozed(opened(RULES)),
        "snooze",
        {"for_": 0.0},
        "not snoozed any more: level 1 is paged: on-call",
    ),
    (
        lambda: snoozed(acknowledged(RULES)),
        "snooze",
        {"for_": 0.0},
        "not snoozed any more: ana has it, nobody else is paged",
    ),
    (
        lambda: snoozed(mitigated(RULES)),
        "snooze",
        {"for_": 0.0},
        "not snoozed any more: it is mitigated, nobody is paged",
    ),
    (lambda: opened(RULES), "comment", {"note": "so it is"}, "comment added"),
    (
        lambda: opened(RULES, severity="high"),
        "set_severity",
        {"severity": "critical"},
        "severity critical, was high",
    ),
    (
        lambda: opened(
            RULES.model_copy(
                update={"quiet_hours": NIGHT.model_copy(update={"unless": Severity.CRITICAL})}
            ),
            severity="high",
        ),
        "set_severity",
        {"severity": "critical"},
        "severity critical, was high; level 1 is paged: on-call",
    ),
    (
        lambda: opened(RULES),
        "close",
        {"reason": "false_alarm"},
        "closed as false alarm by ben",
    ),
]

UNCHANGED: list[tuple[Before, str, dict[str, Any], str]] = [
    (
        lambda: done(opened(RULES), ("acknowledge", {"actor": "ben"})),
        "acknowledge",
        {},
        "ben has acknowledged it already",
    ),
    (lambda: mitigated(RULES), "acknowledge", {}, "it is mitigated, nobody is paged"),
    (
        lambda: opened(RULES),
        "unacknowledge",
        {},
        "nobody has acknowledged it; the next page is due at 03:09:05 UTC (5 min)",
    ),
    (
        lambda: snoozed(opened(RULES)),
        "unacknowledge",
        {},
        "nobody has acknowledged it; nobody is paged until 05:04:05 UTC (2 h): snoozed",
    ),
    (
        lambda: mitigated(RULES),
        "unacknowledge",
        {},
        "it is mitigated; `tidegate incident reopen` opens it again",
    ),
    (lambda: mitigated(RULES), "mitigate", {}, "it is mitigated already"),
    (lambda: resolved(RULES), "resolve", {}, "it is resolved already"),
    (lambda: closed(RULES), "resolve", {}, "it is closed already"),
    (lambda: acknowledged(RULES), "reopen", {}, "it is acknowledged"),
    (
        lambda: done(opened(RULES), ("assign", {"assignee": "eve"})),
        "assign",
        {"assignee": "eve"},
        "it is assigned to eve already",
    ),
    (lambda: opened(RULES), "snooze", {"for_": 0.0}, "it is not snoozed"),
    (
        lambda: snoozed(opened(RULES)),
        "snooze",
        {"until": START + timedelta(hours=2)},
        "it is snoozed until 05:04:05 UTC (2 h) already",
    ),
    (
        lambda: opened(RULES, severity="high"),
        "set_severity",
        {"severity": "high"},
        "its severity is high already",
    ),
    (lambda: closed(RULES), "close", {"reason": "duplicate"}, "it is closed already"),
]


def answer_of(life: Life, name: str, fields: dict[str, Any]) -> str:
    given = command(name, "ben", **fields)
    return answer_sentence(given, obey(life, given), now=life.now)


@pytest.mark.parametrize(("before", "name", "fields", "said"), DONE)
def test_the_answer_says_what_was_done(
    before: Before, name: str, fields: dict[str, Any], said: str
) -> None:
    assert answer_of(before(), name, fields) == f"{HANDLE} {said}"


@pytest.mark.parametrize(("before", "name", "fields", "said"), UNCHANGED)
def test_the_answer_says_why_nothing_was(
    before: Before, name: str, fields: dict[str, Any], said: str
) -> None:
    assert answer_of(before(), name, fields) == f"{HANDLE} unchanged: {said}"


def test_the_tables_have_every_command() -> None:
    assert {name for _, name, _, _ in DONE} == set(COMMANDS)
    # A person's comment and escalation always do something; only their repeats do not.
    assert {name for _, name, _, _ in UNCHANGED} == set(COMMANDS) - {"comment", "escalate"}


@pytest.mark.parametrize(("name", "fields"), [("comment", {"note": "hm"}), ("escalate", {})])
def test_a_repeat_of_a_command_is_called_one(name: str, fields: dict[str, Any]) -> None:
    life = opened(RULES)
    once = command(name, "ben", **fields)
    obey(life, once)
    said = answer_sentence(once, obey(life, once), now=life.now)
    assert said == f"{HANDLE} unchanged: the same command has been handled before"


def test_the_answer_of_a_closed_incident_without_its_workflow_needs_no_facts() -> None:
    said = answer_sentence(
        command("close", reason="resolved"),
        {"changed": False, "incident_id": "i", "handle": "k7m2qx", "status": "closed"},
    )
    assert said == "k7m2qx unchanged: it is closed already"


def test_a_level_that_reaches_nobody_is_not_said_to_be_paged() -> None:
    rules = Policy(
        levels=(
            Level(after=0),
            Level(after=300, targets=(PolicyTarget(name="platform-lead"),)),
        )
    )
    assert answer_of(acknowledged(rules), "unacknowledge", {}) == (
        f"{HANDLE} open again: level 2 is paged: platform-lead"
    )


def test_times_are_in_the_terminals_zone_too() -> None:
    until = datetime(2026, 1, 2, 7, tzinfo=UTC)
    with in_zone("Europe/Berlin"):
        answer = answer_of(opened(RULES), "snooze", {"until": until})
    assert answer == f"{HANDLE} snoozed until 07:00 UTC (08:00 CET, 3 h 56 min)"
