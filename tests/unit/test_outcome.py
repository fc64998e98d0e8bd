"""What a receipt, the workflows' states and their histories add up to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from core.adapters.temporal.run_history import Kept, Run
from core.adapters.temporal.run_state import RunState
from core.domain.handles import handle_of
from core.intake.receipts import Receipt, Verdict
from core.operations.outcome import (
    OpenedIncident,
    Outcome,
    Result,
    heard_already,
    is_processed,
    of_receipt,
    of_target,
)

ID = "incident:s3:docs/a.md@1@20260102T030405.678Z"
HANDLE = handle_of(ID)
RECORD = "stored_event-0123456789abcdef01234567"
OPEN = OpenedIncident(id=ID, title="It burns", status="open")
STATE = RunState(
    workflow_id="incident:1",
    run_id="r",
    workflow="Incident",
    task_queue="q",
    ended=None,
    events=8,
    in_task=False,
    activities=0,
)
RUN = Run(workflow_id="incident:1", listener="l", listener_table=None, worker="w")


@pytest.mark.parametrize(
    ("outcome", "text", "next"),
    [
        (
            Outcome(result=Result.ACCEPTED, incident=OPEN, started=True),
            f"accepted: incident {HANDLE} opened: It burns",
            f"tidegate incident show {HANDLE}",
        ),
        (
            Outcome(result=Result.ACCEPTED, incident=replace(OPEN, status="pending"), started=True),
            f"accepted: incident {HANDLE} is pending: It burns",
            f"tidegate incident show {HANDLE}",
        ),
        (
            Outcome(result=Result.ACCEPTED, incident=replace(OPEN, status="acknowledged")),
            f"accepted: incident {HANDLE} took it and is acknowledged: It burns",
            f"tidegate incident show {HANDLE}",
        ),
        (
            Outcome(result=Result.ACCEPTED, workflow_id="order:1", started=True),
            "accepted: workflow order:1 started",
            None,
        ),
        (
            Outcome(result=Result.ACCEPTED, workflow_id="key", child_id="order:1"),
            "accepted: workflow order:1 took it",
            None,
        ),
        (
            Outcome(result=Result.DUPLICATE, incident=OPEN, heard=1200),
            f"duplicate: it fires already in incident {HANDLE}, heard 1,200 times: It burns",
            f"tidegate incident show {HANDLE}",
        ),
        (
            Outcome(result=Result.DUPLICATE, incident=OPEN),
            f"duplicate: incident {HANDLE} has it: It burns",
            f"tidegate incident show {HANDLE}",
        ),
        (
            Outcome(result=Result.DUPLICATE, workflow_id="order:1"),
            "duplicate: workflow order:1 has it already",
            None,
        ),
        (
            Outcome(result=Result.DROPPED, workflow_id="key", child_id="order:1"),
            "dropped: workflow order:1 runs already, and its route says ignore",
            None,
        ),
        (
            Outcome(result=Result.DROPPED),
            "dropped: no route takes it, as the routing table says",
            None,
        ),
        (
            Outcome(result=Result.REFUSED, code="NoRoute", reason="no route", record=RECORD),
            f"refused: NoRoute: no route; quarantined as {handle_of(RECORD)}",
            f"tidegate quarantine show {handle_of(RECORD)}",
        ),
        (
            Outcome(result=Result.REFUSED, code="WorkflowFailed", reason="it failed"),
            "refused: WorkflowFailed: it failed",
            None,
        ),
        (
            Outcome(result=Result.UNAVAILABLE, code="TemporalUnavailable", reason="no answer"),
            "not accepted: TemporalUnavailable: no answer",
            "tidegate doctor",
        ),
        (
            Outcome(result=Result.UNKNOWN, reason="no worker has taken it"),
            "not known yet: no worker has taken it",
            "tidegate doctor",
        ),
    ],
)
def test_each_result_is_a_sentence_with_a_next_step(
    outcome: Outcome, text: str, next: str | None
) -> None:
    assert (outcome.text, outcome.next) == (text, next)
    as_json = outcome.to_json()
    assert (as_json["result"], as_json["text"]) == (outcome.result.value, text)
    assert as_json.get("next") == next


def test_every_result_is_in_the_table_above() -> None:
    [mark] = test_each_result_is_a_sentence_with_a_next_step.pytestmark  # type: ignore[attr-defined]
    assert {outcome.result for outcome, _, _ in mark.args[1]} == set(Result)


@pytest.mark.parametrize("verdict", Verdict)
def test_a_receipt_alone_says_whether_the_event_was_accepted(verdict: Verdict) -> None:
    uri = "s3://b/quarantine/message-0123.json" if verdict is Verdict.QUARANTINED else None
    outcome = of_receipt(Receipt(verdict=verdict, quarantine_uri=uri))
    assert (
        outcome.result
        is {
            Verdict.STARTED: Result.ACCEPTED,
            Verdict.DELIVERED: Result.ACCEPTED,
            Verdict.DUPLICATE: Result.DUPLICATE,
            Verdict.DROPPED: Result.DROPPED,
            Verdict.QUARANTINED: Result.REFUSED,
            Verdict.RETRY: Result.UNAVAILABLE,
        }[verdict]
    )
    assert outcome.record == ("message-0123" if uri else None)


@pytest.mark.parametrize(
    ("changes", "processed"),
    [
        ({}, True),
        ({"in_task": True}, False),
        ({"events": 1}, False),
        ({"activities": 1}, False),
        ({"activities": 1, "incident_id": ID, "status": "open"}, True),
        ({"activities": 1, "incident_id": ID, "status": "closed"}, False),
        ({"activities": 1, "workflow": "Order"}, True),
        ({"workflow": "RootOrchestrator"}, False),
        ({"workflow": "RootOrchestrator", "ended": "failed"}, True),
        ({"in_task": True, "ended": "terminated"}, True),
    ],
)
def test_a_run_has_processed_what_it_was_sent(changes: dict[str, Any], processed: bool) -> None:
    assert is_processed(replace(STATE, **changes)) is processed


def test_an_event_is_refused_by_its_own_record_and_no_other() -> None:
    accepted = Outcome(result=Result.ACCEPTED, key="k", workflow_id="incident:1")
    mine = Kept(key="k", code="InvalidReport", reason="no title", uri=f"s3://b/q/{RECORD}.json")
    refused = of_target(accepted, STATE, replace(RUN, kept=(mine,)))
    assert (refused.result, refused.code, refused.reason, refused.record) == (
        Result.REFUSED,
        "InvalidReport",
        "no title",
        RECORD,
    )
    other = replace(mine, key="other")
    assert of_target(accepted, STATE, replace(RUN, kept=(other,))) == accepted
    later = replace(mine, code="DocumentTooLarge")
    assert of_target(accepted, STATE, replace(RUN, kept=(mine, later))).code == later.code


def test_a_workflow_that_failed_without_a_record_refused_it() -> None:
    accepted = Outcome(result=Result.ACCEPTED, workflow_id="order:1")
    state = replace(STATE, workflow="Order", ended="failed")
    failed = of_target(accepted, state, replace(RUN, failure="no stock", code="NoStock"))
    assert (failed.result, failed.code, failed.record) == (Result.REFUSED, "NoStock", None)
    assert failed.reason == "workflow incident:1: no stock"


def test_an_incident_that_was_cancelled_later_was_opened() -> None:
    accepted = Outcome(result=Result.DUPLICATE, workflow_id="incident:1")
    state = replace(STATE, ended="canceled", incident_id=ID, status="closed", title="It burns")
    outcome = of_target(accepted, state, replace(RUN, failure="somebody cancelled it"))
    assert outcome.incident == replace(OPEN, status="closed")


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (replace(RUN, stuck="bug"), "worker w cannot process it: bug"),
        (replace(RUN, worker=None), "no worker has taken it from the task queue q"),
        (RUN, "its worker has not finished with it"),
    ],
)
def test_why_nothing_is_known_yet(run: Run, why: str) -> None:
    accepted = Outcome(result=Result.ACCEPTED)
    unknown = of_target(accepted, replace(STATE, in_task=True), run)
    assert (unknown.result, unknown.reason) == (Result.UNKNOWN, f"workflow incident:1: {why}")


def alerts(*counts: dict[str, Any]) -> dict[str, Any]:
    return {"alerts": {"tracked": dict(enumerate(counts))}}


@pytest.mark.parametrize(
    ("incident", "heard"),
    [
        (alerts({"firing": True, "fired": 1, "cleared": 0}), None),
        (alerts({"firing": True, "fired": 2, "cleared": 0}), 2),
        (alerts({"firing": True, "fired": 2, "cleared": 1}), None),
        (alerts({"firing": False, "fired": 2, "cleared": 1}), None),
        (alerts(), None),
        (alerts(*[{"firing": True, "fired": 9, "cleared": 0}] * 2), None),
    ],
)
def test_an_alert_that_fires_already_was_heard_before(
    incident: dict[str, Any], heard: int | None
) -> None:
    assert heard_already(incident) == heard
