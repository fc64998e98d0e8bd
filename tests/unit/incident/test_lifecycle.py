from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from core.domain.incident import inputs
from core.domain.incident.effects import REPORT_KEY, CallOff, Page, WriteReport
from core.domain.incident.inputs import Close, Input, PageSettled, ReportSettled, Wake
from core.domain.incident.lifecycle import deadline, is_finished, refusal
from core.domain.incident.model import PageStatus, Policy, Status
from core.domain.incident.paging import ROUND_DELAYS
from core.domain.incident.timeline import Escalated, EventJoined, Reopened
from tests.unit.incident.examples import (
    ON_CALL,
    POLICY,
    SECOND_LINE,
    START,
    Life,
    acknowledge,
    further,
    opening,
    resolve,
)


def new() -> Life:
    return Life()


def opened() -> Life:
    life = new()
    life.give(opening())
    return life


def acknowledged() -> Life:
    life = opened()
    life.give(acknowledge())
    return life


def resolved() -> Life:
    life = acknowledged()
    life.give(resolve())
    return life


def closed() -> Life:
    life = resolved()
    life.give(ReportSettled(resolved_at=life.now, uris=("s3://reports/a.md",)))
    life.give(Close())
    return life


STATES = {"new": new, "open": opened, "acknowledged": acknowledged} | {
    "resolved": resolved,
    "closed": closed,
}
OPEN, ACK, RES, CLOSED = Status.OPEN, Status.ACKNOWLEDGED, Status.RESOLVED, Status.CLOSED


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        #                              new     open  acknowledged  resolved  closed
        (opening(), (OPEN, OPEN, ACK, RES, CLOSED)),
        (further(), (Status.NEW, OPEN, ACK, OPEN, CLOSED)),
        (acknowledge("c7", "ben"), (Status.NEW, ACK, ACK, RES, CLOSED)),
        (resolve("c8", "ben"), (Status.NEW, RES, RES, RES, CLOSED)),
        (Wake(), (Status.NEW, OPEN, ACK, RES, CLOSED)),
        (Close(), (Status.NEW, OPEN, ACK, RES, CLOSED)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_table_of_inputs_and_states(given: Input, expected: tuple[Status, ...]) -> None:
    for state, status in zip(STATES.values(), expected, strict=True):
        life = state()
        life.give(given)
        assert life.incident.status is status


@pytest.mark.parametrize(
    ("state", "command", "reason"),
    [
        (new, acknowledge("c7"), "cannot acknowledge: the incident's document is still being read"),
        (new, resolve("c7"), "cannot resolve: the incident's document is still being read"),
        (resolved, acknowledge("c7"), "cannot acknowledge: the incident is resolved already"),
        (closed, acknowledge("c7"), "cannot acknowledge: the incident is closed already"),
        (opened, acknowledge(incident_id="b"), "the command is for incident 'b', this is"),
    ],
)
def test_a_command_that_cannot_be_done_says_why(
    state: Callable[[], Life], command: inputs.Command, reason: str
) -> None:
    assert (refusal(state().incident, command) or "").startswith(reason)


def test_a_repeated_command_is_neither_refused_nor_done_again() -> None:
    life = closed()
    assert refusal(life.incident, acknowledge("c1")) is None
    assert life.give(acknowledge("c1")) == ([], [])


def test_command_ids_are_remembered_within_bounds() -> None:
    life = opened()
    for number in range(1000):
        life.give(acknowledge(f"c{number}", f"person {number}"))
    assert len(life.incident.recent_commands) == 200
    assert life.give(acknowledge("c999", "somebody else")) == ([], [])


def test_an_opening_pages_every_target_of_the_first_level() -> None:
    life = new()
    policy = Policy(ack_timeout=300, targets={1: ("slack#1", "mailto#2"), 2: ("slack#3",)})
    _, effects = life.give(opening(policy, service="checkout", summary="All of it."))
    pages = [effect for effect in effects if isinstance(effect, Page)]
    assert [page.target for page in pages] == ["slack#1", "mailto#2"]
    assert [page.key for page in pages] == [
        "incident:a@20260102T030405.000Z/level-1/slack#1",
        "incident:a@20260102T030405.000Z/level-1/mailto#2",
    ]
    assert pages[0].title == "[HIGH] Checkout"
    assert pages[0].body.splitlines()[:4] == [
        "All of it.",
        "",
        "Severity: high",
        "Service: checkout",
    ]


@pytest.mark.parametrize(
    ("given", "severity", "remark"),
    [
        ("critical", "critical", None),
        (" HIGH ", "high", None),
        ("catastrophic", "medium", "Severity medium assumed: 'catastrophic' is not one we know"),
        (None, "medium", "Severity medium assumed: none was given"),
    ],
)
def test_an_unknown_severity_counts_as_medium_and_the_timeline_says_so(
    given: str | None, severity: str, remark: str | None
) -> None:
    life = new()
    life.give(opening(severity=given))
    assert life.incident.severity == severity
    assert [said for said in life.told() if said.startswith("Severity")] == (
        [remark] if remark else []
    )


def test_a_missed_acknowledgement_escalates_once() -> None:
    life = opened()
    assert deadline(life.incident) == START + timedelta(seconds=300)
    life.wait(299)
    assert life.give(Wake()) == ([], [])
    life.wait(1)
    events, effects = life.give(Wake())
    assert isinstance(events[0], Escalated)
    [page] = effects
    assert isinstance(page, Page)
    assert (page.level, page.target) == (2, SECOND_LINE)
    assert deadline(life.incident) is None
    life.wait(100_000)
    assert life.give(Wake()) == ([], [])


def test_an_acknowledgement_ends_the_wait_and_calls_off_every_page_under_way() -> None:
    life = opened()
    _, effects = life.give(acknowledge())
    [page] = [effect for effect in life.effects if isinstance(effect, Page)]
    assert effects == [CallOff(keys=(page.key,))]
    assert deadline(life.incident) is None


def test_a_page_that_arrives_although_it_was_called_off_is_told() -> None:
    life = acknowledged()
    [key] = life.incident.pages
    assert life.give(PageSettled(key=key, failure="cancelled")) == ([], [])
    life.give(PageSettled(key=key))
    assert life.incident.pages[key].status is PageStatus.DELIVERED


def test_a_delivered_page_is_not_called_off() -> None:
    life = opened()
    [key] = life.incident.pages
    life.give(PageSettled(key=key))
    _, effects = life.give(acknowledge())
    assert effects == []


def test_a_second_person_joins_the_acknowledgement_and_the_first_stays() -> None:
    life = acknowledged()
    life.give(acknowledge("c7", "ben"))
    life.give(acknowledge("c8", "ana"))
    assert life.incident.acknowledged_by == ("ana", "ben")


def test_a_failed_page_is_noted_and_tried_again_in_rounds_and_then_given_up() -> None:
    life = opened()
    [key] = life.incident.pages
    for delay in ROUND_DELAYS:
        life.give(PageSettled(key=key, failure="no answer"))
        assert life.incident.pages[key].retry_at == life.now + delay
        life.now += delay
        _, effects = life.give(Wake())
        assert [effect.key for effect in effects if isinstance(effect, Page)][:1] == [key]
    life.give(PageSettled(key=key, failure="no answer"))
    assert life.incident.pages[key].status is PageStatus.FAILED
    assert "given up: no answer" in life.told()[-1]


def test_nobody_to_page_is_said_and_does_not_stop_the_escalation() -> None:
    life = new()
    life.give(opening(Policy(ack_timeout=300, targets={2: (SECOND_LINE,)})))
    assert "Nobody to page at level 1: TIDEGATE_PAGE_URLS names no target" in life.told()
    life.wait(300)
    _, effects = life.give(Wake())
    assert [effect.target for effect in effects if isinstance(effect, Page)] == [SECOND_LINE]


def test_a_further_event_is_noted_once() -> None:
    life = opened()
    events, effects = life.give(further())
    assert [type(event) for event in events] == [EventJoined]
    assert effects == []
    assert life.give(further()) == ([], [])
    assert life.give(further("s3:docs/a@1")) == ([], [])  # the one that opened it
    assert life.incident.events == 2


def test_event_keys_are_remembered_within_bounds() -> None:
    life = opened()
    for number in range(3000):
        life.give(further(f"key {number}"))
    assert len(life.incident.recent_events) == 1000
    assert life.incident.events == 3001
    assert life.give(further("key 2999")) == ([], [])


def test_an_event_after_the_resolution_opens_the_incident_again_and_pages_anew() -> None:
    life = resolved()
    life.wait(10)
    events, effects = life.give(further())
    assert any(isinstance(event, Reopened) for event in events)
    [page, call_off] = effects
    assert isinstance(page, Page)
    assert page.target == ON_CALL
    assert page.key not in [effect.key for effect in life.effects[:-2] if isinstance(effect, Page)]
    assert call_off == CallOff(keys=(REPORT_KEY,))
    assert life.incident.acknowledged_by == ()
    assert deadline(life.incident) == life.now + timedelta(seconds=POLICY.ack_timeout)


def test_the_report_of_a_resolution_that_was_undone_does_not_close_the_incident() -> None:
    life = resolved()
    first = life.now
    life.wait(10)
    life.give(further())
    life.give(resolve("c9"))
    life.give(ReportSettled(resolved_at=first, uris=("s3://reports/old.md",)))
    assert not is_finished(life.incident)
    life.give(ReportSettled(resolved_at=life.now, uris=("s3://reports/new.md",)))
    assert is_finished(life.incident)


def test_a_resolution_writes_the_report_and_then_closes() -> None:
    life = acknowledged()
    _, effects = life.give(resolve())
    assert effects == [WriteReport(resolved_at=life.now)]
    assert life.give(Close()) == ([], [])
    life.give(ReportSettled(resolved_at=life.now, failure="TIDEGATE_REPORTS is not set"))
    assert "No post-incident report: TIDEGATE_REPORTS is not set" in life.told()
    life.give(Close())
    assert life.incident.status is Status.CLOSED


def test_unknown_fields_of_a_report_are_named_on_the_timeline() -> None:
    life = new()
    given = opening()
    report = given.report.model_copy(update={"ignored": ("severty", "team")})
    life.give(given.model_copy(update={"report": report}))
    assert "Fields of the report that mean nothing here: severty, team" in life.told()


@pytest.mark.parametrize(
    ("envelope", "problem"),
    [
        ({}, "command_id: is missing; actor: is missing"),
        ({"command_id": "c", "actor": " "}, "actor: String should have at least 1 character"),
        ({"command_id": "c", "actor": "a" * 201}, "actor: String should have at most 200"),
        ({"command_id": "c", "actor": "a", "note": 3}, "note: Input should be a valid string"),
        ("ack", "a command is a JSON object"),
    ],
)
def test_a_command_out_of_shape_names_every_field_at_fault(envelope: object, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        inputs.read_command(inputs.Acknowledge, envelope)


def test_a_command_may_carry_fields_that_a_later_version_knows() -> None:
    command = inputs.read_command(
        inputs.Resolve, {"command_id": "c", "actor": "ana", "force": True, "v": 2}
    )
    assert command == resolve("c")
