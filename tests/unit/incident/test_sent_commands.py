"""Commands for whose answer nobody waits: what they do, and what the timeline says of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from core.domain.command import Proof
from core.domain.incident.commands import COMMANDS, Acknowledge, AnyCommand, read_named
from core.domain.incident.inputs import CommandSent
from core.domain.incident.lifecycle import decide
from core.domain.incident.reports.markdown import as_markdown
from core.domain.incident.reports.post_incident import build_report
from core.domain.incident.status import Status
from tests.unit.incident.examples import (
    ID,
    KEY,
    START,
    Life,
    closed,
    command,
    mitigated,
    opened,
    resolved,
)

WHO = {"command_id": "c", "actor": "ana"}
MORE: dict[str, dict[str, Any]] = {
    "resolve": {"force": True},
    "assign": {"assignee": "ben"},
    "snooze": {"for": 60},
    "comment": {"note": "seen"},
    "set_severity": {"severity": "low"},
    "close": {"reason": "false_alarm"},
}
NOW = START + timedelta(minutes=1)


def sent(kind: str, **fields: Any) -> CommandSent:
    return CommandSent(command=read_named({"name": kind, **WHO, **fields}))


@pytest.mark.parametrize(
    ("envelope", "problem"),
    [
        (None, "`name` is none of acknowledge, unacknowledge"),
        ("acknowledge", "`name` is none of acknowledge"),
        ({}, "`name` is none of acknowledge"),
        ({"name": "ack", **WHO}, "`name` is none of acknowledge"),
        ({"name": ["acknowledge"], **WHO}, "`name` is none of acknowledge"),
        ({"name": "acknowledge"}, "command_id: is missing; actor: is missing"),
        ({"name": "acknowledge", **WHO, "proof": "hearsay"}, "proof: Input should be"),
        ({"name": "acknowledge", **WHO, "actor": "tidegate"}, "'tidegate' is reserved"),
        ({"name": "acknowledge", **WHO, "force": True}, "force: there is no such field"),
        (
            {"name": "acknowledge", **WHO, "incident_id": "x" * 1_101},
            "incident_id: String should have at most 1100 characters",
        ),
    ],
)
def test_what_is_not_a_command_is_refused_with_the_reason(envelope: object, problem: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as caught:
        read_named(envelope)
    assert problem in str(caught.value)


def test_every_command_is_read_by_its_name() -> None:
    for name, kind in COMMANDS.items():
        assert type(read_named({"name": name, **WHO, **MORE.get(name, {})})) is kind


def test_it_does_what_the_update_of_that_name_does() -> None:
    life = opened()
    asked = read_named({"name": "acknowledge", **WHO, "note": "looking"})
    sent_ = decide(life.incident, CommandSent(command=asked), NOW)
    assert sent_ == decide(life.incident, asked, NOW)
    assert sent_.events


@pytest.mark.parametrize(
    ("life", "asked", "text"),
    [
        (resolved, {"kind": "escalate"}, "Cannot escalate: the incident is resolved; possible now"),
        (
            closed,
            {"kind": "comment", "note": "it was the disk"},
            "Cannot comment: the incident is closed; nothing is possible any more: it was the disk",
        ),
        (
            opened,
            {"kind": "acknowledge", "incident_id": f"{KEY}@20250102T030405.000Z"},
            "Cannot acknowledge: the command is for",
        ),
    ],
)
def test_a_refusal_is_an_entry_of_the_timeline(
    life: Callable[[], Life], asked: dict[str, str], text: str
) -> None:
    incident = life().incident
    decision = decide(incident, sent(**asked), NOW)
    [entry] = decision.events
    assert entry.kind == "refused"
    assert entry.sentence().startswith(text)
    assert entry.actor == "ana"
    assert not decision.effects


def test_a_refusal_quotes_no_more_of_a_foreign_id_than_anybody_reads() -> None:
    decision = decide(opened().incident, sent("acknowledge", incident_id="\x01" * 1_100), NOW)
    [entry] = decision.events
    assert len(entry.sentence()) < 400


def test_a_refusal_is_said_once_however_often_the_command_is_sent() -> None:
    life = resolved()
    life.give(sent("escalate"))
    before = life.incident
    assert decide(before, sent("escalate"), NOW).events == ()
    assert before.status is Status.RESOLVED


@pytest.mark.parametrize(
    ("life", "asked"),
    [
        (resolved, {"kind": "resolve", "force": True}),
        (mitigated, {"kind": "acknowledge"}),
        (opened, {"kind": "reopen"}),
        (opened, {"kind": "unacknowledge"}),
        (opened, {"kind": "snooze", "for": 0}),
        (opened, {"kind": "set_severity", "severity": opened().incident.severity.value}),
    ],
)
def test_what_has_changed_nothing_does_not_do_so_later_when_it_is_redelivered(
    life: Callable[[], Life], asked: dict[str, Any]
) -> None:
    now = life()
    before = now.incident
    now.give(sent(**asked))
    after = before.model_copy(update={"recent_commands": now.incident.recent_commands})
    assert now.incident == after != before
    assert "Nothing was to be done" not in now.sentences()
    undone = {"resolve": "reopen", "acknowledge": "reopen", "reopen": "mitigate"}
    now.do(undone.get(asked["kind"], "acknowledge"))
    assert now.give(sent(**asked)) == ([], [])


def passed_on(kind: str, second: float, **fields: Any) -> CommandSent:
    """What was given in PagerDuty at that second."""
    given = {"given_at": (START + timedelta(seconds=second)).isoformat(), "proof": "pagerduty"}
    return sent(kind, command_id=f"{kind}-{second}", **MORE.get(kind, {}), **given | fields)


@pytest.mark.parametrize(
    ("first", "then", "status"),
    [
        ("acknowledge", "unacknowledge", Status.OPEN),
        ("unacknowledge", "acknowledge", Status.ACKNOWLEDGED),
        ("reopen", "resolve", Status.RESOLVED),
        ("resolve", "reopen", Status.OPEN),
    ],
)
def test_what_a_system_passes_on_counts_in_the_order_in_which_it_was_given_there(
    first: str, then: str, status: Status
) -> None:
    """Nobody has an incident because a webhook was delivered late."""
    in_order, late = opened(), opened()
    for life in (in_order, late):
        life.wait(60)
    one, two = passed_on(first, 1), passed_on(then, 2)
    in_order.give(one)
    in_order.give(two)
    late.give(two)
    late.give(one)
    assert in_order.incident.status is late.incident.status is status
    said = "what was said later, where it was given, has arrived before it"
    assert late.sentences()[-1].startswith(f"Cannot {first}")
    assert late.sentences()[-1].endswith(said)


@pytest.mark.parametrize(
    ("later", "earlier"),
    [
        (passed_on("acknowledge", 2), passed_on("assign", 1)),
        (passed_on("assign", 2), passed_on("acknowledge", 1)),
        (passed_on("unacknowledge", 2), passed_on("acknowledge", 1, proof="opsgenie")),
        (passed_on("unacknowledge", 2), passed_on("acknowledge", 1, given_at=None)),
        (passed_on("unacknowledge", 2), passed_on("acknowledge", 1, proof=None)),
        (passed_on("unacknowledge", 2), passed_on("acknowledge", 2)),
        (passed_on("unacknowledge", 86_400), passed_on("acknowledge", 100)),
        (passed_on("acknowledge", 2), passed_on("comment", 1)),
        (passed_on("acknowledge", 2), passed_on("escalate", 1)),
    ],
    ids=[
        "another matter",
        "the status",
        "another system",
        "no time",
        "no system",
        "the same moment",
        "a clock that is ahead",
        "a comment",
        "a step",
    ],
)
def test_only_the_last_word_about_the_same_matter_by_the_same_system_counts(
    later: CommandSent, earlier: CommandSent
) -> None:
    life = opened()
    life.wait(60)
    life.give(later)
    life.wait(60)
    events, _ = life.give(earlier)
    assert events
    assert not [each for each in events if each.kind == "refused"]


@pytest.mark.parametrize("kind", list(COMMANDS.values()), ids=list(COMMANDS))
def test_every_entry_of_a_command_says_how_its_actor_is_known(kind: type[AnyCommand]) -> None:
    life = opened()
    if kind.name == "unacknowledge":
        life.give(command("acknowledge"))
        life.give(command("snooze", for_=60))
    if kind.name == "reopen":
        life.give(command("resolve", force=True))
    asked = {"name": kind.name, **WHO, "proof": "link", **MORE.get(kind.name, {})}
    entries = decide(life.incident, read_named(asked), NOW).events
    given = [each for each in entries if each.actor == "ana"]
    assert given
    assert {each.attested() for each in given} == {"ana (link)"}


def test_the_report_says_how_an_actor_is_known() -> None:
    life = opened()
    life.give(read_named({"name": "acknowledge", **WHO, "proof": "pagerduty"}))
    report = build_report(life.incident, life.timeline)
    [entry] = [each for each in report.timeline if each.kind == "acknowledged"]
    assert (entry.actor, entry.proof) == ("ana", Proof.PAGERDUTY)
    assert "proof" not in entry.details
    assert (
        "| ana (PagerDuty) | Acknowledged |" in as_markdown(life.incident, life.timeline).decode()
    )
    assert report.people == {"ana": ("Acknowledged",)}


def test_an_update_needs_no_proof() -> None:
    assert Acknowledge.model_validate({**WHO, "incident_id": ID}).proof is None
