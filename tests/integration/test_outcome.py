"""What becomes of an event after its receipt, on a real server with real workers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client

from core.domain.event import Event
from core.domain.handles import handle_of
from core.domain.identity import workflow_id
from core.intake.receipts import Receipt, Verdict, record_id
from core.operations.outcome import Outcome, Result, follow
from tests.support import incidents
from tests.support.incidents import REPORT
from tests.support.orchestrator import Harness, harness, new_event
from tests.support.quarantines import kept

PATIENCE = 60.0


@pytest.fixture(scope="module")
async def root(
    temporal_client: Client, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Harness]:
    async with harness(temporal_client, tmp_path_factory.mktemp("root")) as root:
        yield root


@pytest.fixture
async def desk(temporal_client: Client, tmp_path: Path) -> AsyncIterator[incidents.Harness]:
    desk = incidents.Harness(temporal_client, tmp_path)
    async with desk.working():
        yield desk
        for handle in desk.handles:
            if (await handle.describe()).close_time is None:
                await handle.terminate()


def receipt(event: Event, verdict: Verdict = Verdict.STARTED, **changes: Any) -> Receipt:
    known = Receipt(
        verdict=verdict, event_id=event.id, key=event.key, workflow_id=workflow_id(event.key)
    )
    return replace(known, **changes)


async def of(client: Client, receipt: Receipt, *, timeout: float = PATIENCE) -> Outcome:
    [outcome] = await follow(client, [receipt], timeout=timeout)
    return outcome


# ------------------------------------------------------------------ by the root orchestrator


async def test_a_child_that_was_started_is_named(root: Harness) -> None:
    event = new_event("reject")
    await root.start(event.to_wire())
    outcome = await of(root.client, receipt(event))
    child = f"reject:{event.subject}"
    assert (outcome.result, outcome.child_id, outcome.started) == (Result.ACCEPTED, child, True)
    assert outcome.text == f"accepted: workflow {child} started"


async def test_a_child_that_ran_already_took_it(root: Harness) -> None:
    first = new_event("signal")
    second = new_event("signal", subject=first.subject)
    await root.run(first)
    await root.start(second.to_wire())
    outcome = await of(root.client, receipt(second))
    assert outcome.text == f"accepted: workflow signal:{first.subject} took it"


async def test_what_the_orchestrator_refuses_has_its_code_reason_and_record(root: Harness) -> None:
    event = new_event("nowhere")
    await root.start(event.to_wire())
    outcome = await of(root.client, receipt(event))
    [record] = [each for each in await kept(root.settings) if each.key == event.key]
    assert (outcome.result, outcome.code) == (Result.REFUSED, "NoRoute")
    assert (outcome.record, outcome.reason) == (record.id, record.reason)
    assert outcome.next == f"tidegate quarantine show {handle_of(record.id)}"


async def test_a_duplicate_of_what_was_refused_is_refused(root: Harness) -> None:
    event = new_event("nowhere")
    await root.start(event.to_wire())
    outcome = await of(root.client, receipt(event, Verdict.DUPLICATE))
    assert (outcome.result, outcome.code) == (Result.REFUSED, "NoRoute")


async def test_a_duplicate_names_the_workflow_that_has_it(root: Harness) -> None:
    event = new_event("reject")
    await root.run(event)
    outcome = await of(root.client, receipt(event, Verdict.DUPLICATE))
    assert outcome.text == f"duplicate: workflow reject:{event.subject} has it already"


async def test_a_child_that_no_worker_takes_is_not_known_in_time(root: Harness) -> None:
    event = new_event("unserved")
    await root.run(event)
    outcome = await of(root.client, receipt(event), timeout=1)
    assert outcome.result is Result.UNKNOWN
    assert outcome.reason == (
        f"workflow unserved:{event.subject}: "
        "no worker has taken it from the task queue nobody-serves-this"
    )


async def test_an_orchestrator_that_nobody_takes_is_not_known_in_time(
    temporal_client: Client, tmp_path: Path
) -> None:
    event = new_event("reject")
    id = workflow_id(event.key)
    await temporal_client.start_workflow(
        "RootOrchestrator", event.to_wire(), id=id, task_queue="nobody-is-here"
    )
    outcome = await of(temporal_client, receipt(event), timeout=0.5)
    assert outcome.reason == (
        f"workflow {id}: no worker has taken it from the task queue nobody-is-here"
    )
    missing = new_event("reject")
    outcome = await of(temporal_client, receipt(missing), timeout=0.2)
    assert outcome.result is Result.UNKNOWN
    assert outcome.reason == f"there is no workflow {workflow_id(missing.key)} yet"


async def test_many_are_followed_in_their_order(root: Harness) -> None:
    good, bad = new_event("reject"), new_event("nowhere")
    for event in (good, bad):
        await root.start(event.to_wire())
    refused = Receipt(verdict=Verdict.RETRY, code="TemporalUnavailable", reason="no answer")
    receipts = [receipt(good), refused, receipt(bad)]
    outcomes = await follow(root.client, receipts, timeout=PATIENCE)
    assert [each.result for each in outcomes] == [
        Result.ACCEPTED,
        Result.UNAVAILABLE,
        Result.REFUSED,
    ]


# -------------------------------------------------------------------------- by the incident


async def test_a_report_opens_an_incident_with_a_handle(desk: incidents.Harness) -> None:
    handle = await desk.start(desk.upload(json.dumps(REPORT)))
    outcome = await of(desk.client, receipt(desk.event("a.json"), workflow_id=handle.id))
    assert outcome.incident is not None
    assert outcome.incident.id.startswith(f"{handle.id}@")
    short = outcome.incident.handle
    assert outcome.text == f"accepted: incident {short} opened: Checkout answers 500"
    assert outcome.next == f"tidegate incident show {short}"


async def test_a_report_that_its_incident_refuses_is_refused(desk: incidents.Harness) -> None:
    handle = await desk.start(desk.upload("no title", "broken.md"))
    outcome = await of(desk.client, receipt(desk.event("broken.md"), workflow_id=handle.id))
    assert (outcome.result, outcome.code) == (Result.REFUSED, "InvalidReport")
    [record] = (desk.root / "quarantine").glob("*.json")
    assert outcome.record == record_id(record.as_uri())
    assert outcome.record_handle is not None
    assert outcome.record_handle in outcome.text


async def test_a_report_that_is_read_slowly_is_waited_for(desk: incidents.Harness) -> None:
    desk.folder.unreadable = 3
    handle = await desk.start(desk.upload("no title", "broken.md"))
    outcome = await of(desk.client, receipt(desk.event("broken.md"), workflow_id=handle.id))
    assert (outcome.result, outcome.code) == (Result.REFUSED, "InvalidReport")


async def alerted(desk: incidents.Harness, wire: Any, id: str) -> Outcome:
    """What becomes of an alert that is signalled as listeners do it."""
    handle = await incidents.signal_with_start(desk, id, wire)
    if not desk.handles:
        desk.handles.append(handle)
        verdict = Verdict.STARTED
    else:
        verdict = Verdict.DELIVERED
    return await of(desk.client, receipt(Event.from_wire(wire), verdict, workflow_id=id))


async def test_an_alert_that_fires_already_is_a_duplicate(desk: incidents.Harness) -> None:
    id = f"incident:am:{uuid4()}"
    opened = await alerted(desk, incidents.alert(), id)
    assert opened.incident is not None
    short = opened.incident.handle
    assert opened.text == f"accepted: incident {short} opened: cpu is high"
    again = await alerted(desk, incidents.alert(number=1), id)
    assert again.text == (
        f"duplicate: it fires already in incident {short}, heard 2 times: cpu is high"
    )
    resolved = await alerted(desk, incidents.alert(status="resolved"), id)
    assert resolved.text == f"accepted: incident {short} took it and is closed: cpu is high"


async def test_an_alert_that_is_resolved_before_it_fired_opens_none(
    desk: incidents.Harness,
) -> None:
    id = f"incident:am:{uuid4()}"
    outcome = await alerted(desk, incidents.alert(status="resolved"), id)
    assert (outcome.result, outcome.incident) == (Result.ACCEPTED, None)


async def test_a_report_that_a_silent_workflow_refuses_is_refused(desk: incidents.Harness) -> None:
    id = f"incident:am:{uuid4()}"
    await alerted(desk, incidents.alert(status="resolved"), id)
    outcome = await alerted(desk, desk.upload("no title", "broken.md"), id)
    assert (outcome.result, outcome.code) == (Result.REFUSED, "InvalidReport")
    assert outcome.record is not None
