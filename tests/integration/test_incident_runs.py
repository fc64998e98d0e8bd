"""Incidents over several runs of their workflow, storms, and cancellation, on the real server."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import (
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowUpdateFailedError,
)
from temporalio.exceptions import ApplicationError, CancelledError

from core.contracts import (
    INCIDENT_WORKFLOW,
    QUERY_INCIDENT,
    SIGNAL_EVENT,
)
from core.domain.event import MESSAGE, Event
from core.domain.handles import handle_of
from core.domain.incident import commands
from core.ports.notifier import NotificationKind
from tests.support.incidents import (
    ON_CALL,
    REPORT,
    Harness,
    alert,
    command,
    failed_tasks,
    replay,
    says,
    text_of,
    timeline,
    took,
    until,
)
from tests.support.soak import sampled

STORM = 10_000
SHORT = 60
"""Events in a history; the incidents of these tests have many more."""


async def runs(harness: Harness, id: str) -> list[WorkflowHandle[Any, Any]]:
    """All runs of a workflow ID that the visibility store knows yet, first to last."""
    found = [run async for run in harness.client.list_workflows(f"WorkflowId = '{id}'")]
    found.sort(key=lambda run: run.start_time)
    return [harness.client.get_workflow_handle(id, run_id=run.run_id) for run in found]


async def check_runs(harness: Harness, id: str) -> list[int]:
    """Check that every run replays and has no failed task; returns the lengths of the histories."""
    lengths = []
    for run in await runs(harness, id):
        history = await run.fetch_history()
        await replay(history)
        assert not failed_tasks(history)
        lengths.append(len(history.events))
    return lengths


async def incident(handle: WorkflowHandle[Any, Any]) -> dict[str, Any]:
    return dict(await handle.query(QUERY_INCIDENT))


def latest(harness: Harness, id: str) -> WorkflowHandle[Any, Any]:
    return harness.client.get_workflow_handle(id)


async def signalled(
    handle: WorkflowHandle[Any, Any], wires: list[Any], *, read: bool = True
) -> None:
    """Send them all, eighty at a time, and wait in between until they are `read`: Temporal fails a
    workflow task during which more than a hundred signals arrive."""
    for first in range(0, len(wires), 80):
        await asyncio.gather(*(handle.signal(SIGNAL_EVENT, w) for w in wires[first : first + 80]))
        if read:
            await incident(handle)


async def test_an_incident_continues_over_many_runs_and_loses_nothing(dev_harness: Harness) -> None:
    harness = dev_harness
    harness.continue_as_new_after = SHORT
    async with harness.working():
        id = (await harness.start(alert(number=0))).id
        handle = latest(harness, id)
        await until(says(handle, "Page delivered"))
        for number in range(40):
            note = f"comment {number}"
            answer = await command(handle, commands.Comment.name, f"c{number}", note=note)
            assert answer["changed"]
            await handle.signal(SIGNAL_EVENT, alert(number=number + 1))
        for number in (0, 20, 39):
            again = await command(handle, commands.Comment.name, f"c{number}", note="once more")
            assert again["changed"] is False
        await handle.signal(SIGNAL_EVENT, alert(number=7))  # a repeat: counted, and nothing else

        async def all_counted() -> bool:
            return bool((await incident(handle))["alerts"]["fired"] == 42)

        await until(all_counted)
        found = await incident(handle)
        assert found["comments"] == 40
        assert len(harness.pager.delivered) == 1
        await command(handle, commands.Resolve.name, "end", force=True)
        result = await handle.result()
        lengths = await check_runs(harness, id)
    assert len(lengths) > 2
    assert max(lengths) < SHORT + 40
    report = json.loads(text_of(result["reports"][1]))
    notes = [e["text"] for e in report["timeline"] if e["kind"] == "commented"]
    assert notes == [f"Comment: comment {number}" for number in range(40)]


async def test_without_a_reports_root_the_timeline_is_handed_over(dev_harness: Harness) -> None:
    harness = dev_harness
    harness.continue_as_new_after, harness.reports = SHORT, False
    async with harness.working():
        id = (await harness.start(alert(number=0))).id
        handle = latest(harness, id)
        await until(says(handle, "Page delivered"))
        for number in range(30):
            await command(handle, commands.Comment.name, f"c{number}", note=f"comment {number}")
        entries = await timeline(handle)
        assert [text for text in entries if text.startswith("Comment")] == [
            f"Comment: comment {number}" for number in range(30)
        ]
        await command(handle, commands.Close.name, "end", reason="false_alarm")
        await handle.result()
        assert len(await check_runs(harness, id)) > 1


@pytest.mark.recorded("continued")
async def test_a_page_in_flight_is_handed_over_and_delivered(dev_harness: Harness) -> None:
    harness = dev_harness
    harness.continue_as_new_after = SHORT
    harness.pager.answering.clear()
    async with harness.working():
        id = (await harness.start(alert(number=0))).id
        handle = latest(harness, id)
        await until(lambda: harness.pager.attempts == 1)
        await signalled(handle, [alert(number=number + 1) for number in range(2 * SHORT)])

        async def goes_on() -> bool:
            return len(await runs(harness, id)) > 1

        await until(goes_on)
        harness.pager.answering.set()
        await until(says(handle, "Page delivered"))
        keys = {page.key for page, _ in harness.pager.delivered}
        assert len(keys) == 1
        await command(handle, commands.Close.name, "end", reason="duplicate")
        await handle.result()
        await check_runs(harness, id)


async def test_commands_sent_while_a_run_ends_are_answered(dev_harness: Harness) -> None:
    harness = dev_harness
    harness.continue_as_new_after = SHORT
    async with harness.working():
        id = (await harness.start(alert(number=0))).id
        handle = latest(harness, id)
        await until(says(handle, "Page delivered"))

        async def comment(number: int) -> None:
            note = {"note": f"comment {number}"}
            answer = await command(handle, commands.Comment.name, f"c{number}", **note)
            assert answer["incident_id"].startswith(id)

        for first in range(0, 100, 20):
            await asyncio.gather(*(comment(first + number) for number in range(20)))
        assert (await incident(handle))["comments"] == 100
        await command(handle, commands.Close.name, "end", reason="duplicate")
        await handle.result()
        assert len(await check_runs(harness, id)) > 2


@pytest.mark.soak
@pytest.mark.parametrize("storm", sampled([3_000, STORM], [3_000]))
async def test_a_storm_is_one_incident_with_every_alert_counted(
    dev_harness: Harness, storm: int
) -> None:
    harness = dev_harness
    harness.continue_as_new_after = storm * 4 // 10
    async with harness.working():
        id = (await harness.start(alert(number=0))).id
        handle = latest(harness, id)
        await until(says(handle, "Page delivered"))
        await signalled(handle, [alert(number=number) for number in range(1, storm)])

        async def all_counted() -> bool:
            return bool((await incident(handle))["alerts"]["fired"] == storm)

        await until(all_counted)
        assert len(harness.pager.delivered) == 1
        assert len(await timeline(handle)) < 200
        await command(handle, commands.Resolve.name, "end", force=True)
        await handle.result()
        lengths = await check_runs(harness, id)
    assert sum(lengths) > storm
    assert max(lengths) < storm * 8 // 10


async def test_a_storm_without_a_worker_is_accepted_when_one_starts(dev_harness: Harness) -> None:
    harness = dev_harness
    id = f"incident:{uuid4()}"
    await harness.client.start_workflow(
        "Incident", alert(number=0), id=id, task_queue=harness.queue
    )
    handle = latest(harness, id)
    await signalled(handle, [alert(number=n) for n in range(1, STORM)], read=False)
    async with harness.working():

        async def all_counted() -> bool:
            return bool((await incident(handle))["alerts"]["fired"] == STORM)

        await until(all_counted)
        await command(handle, commands.Resolve.name, "end", force=True)
        await handle.result()
        assert len(harness.pager.delivered) == 1
        await check_runs(harness, id)


async def test_a_storm_is_accepted_in_batches(dev_harness: Harness) -> None:
    harness = dev_harness
    id = f"incident:{uuid4()}"
    await harness.client.start_workflow(
        "Incident", alert(number=0), id=id, task_queue=harness.queue
    )
    handle = latest(harness, id)
    harness.handles.append(handle)
    await signalled(handle, [alert(number=n) for n in range(1, 1202)], read=False)
    await handle.signal(SIGNAL_EVENT, alert(number=2000, status="resolved"))  # the last of all
    async with harness.working():
        result = await handle.result()
    assert result["status"] == "closed"
    report = json.loads(text_of(result["reports"][1]))
    assert sum(kind["fired"] for kind in report["alerts"]) == 1202
    kinds = [event.event_type for event in (await handle.fetch_history()).events]
    assert kinds.count(EventType.EVENT_TYPE_TIMER_STARTED) >= 2


@pytest.mark.recorded("superseded")
async def test_an_alert_after_the_end_starts_a_successor(dev_harness: Harness) -> None:
    harness = dev_harness
    harness.policy = {
        "levels": [{"after": "0s", "targets": [ON_CALL]}],
        "reopen_window": "1h",
        "recurrence": "new",
    }
    async with harness.working():
        id = (await harness.start(alert(number=0))).id
        handle = latest(harness, id)
        await until(says(handle, "Page delivered"))
        first = await incident(handle)
        await handle.signal(SIGNAL_EVENT, alert(number=1, status="resolved"))
        await until(says(handle, "Post-incident report written"))
        await handle.signal(SIGNAL_EVENT, alert(number=2))
        await handle.signal(SIGNAL_EVENT, alert(number=3))
        await until(took(harness, handle, 2))

        async def both_counted() -> bool:
            return bool((await incident(handle))["alerts"]["fired"] == 2)

        await until(both_counted)
        second = await incident(handle)
        assert second["id"] != first["id"]
        assert second["previous"] == first["id"]
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await command(handle, commands.Acknowledge.name, "late", incident_id=first["id"])
        assert isinstance(refused.value.cause, ApplicationError)
        assert f"is for {handle_of(first['id'])}, which is over" in refused.value.cause.message
        await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        await check_runs(harness, id)


async def test_a_successor_does_not_wait_for_the_report(dev_harness: Harness) -> None:
    harness = dev_harness
    harness.policy = {"levels": [{"after": "0s", "targets": [ON_CALL]}], "recurrence": "new"}
    harness.folder.writable.clear()
    async with harness.working():
        id = (await harness.start(alert(number=0))).id
        handle = latest(harness, id)
        await until(says(handle, "Page delivered"))
        await handle.signal(SIGNAL_EVENT, alert(number=1, status="resolved"))
        await harness.folder.writing.wait()
        await handle.signal(SIGNAL_EVENT, alert(number=2))
        await until(took(harness, handle, 2))
        harness.folder.writable.set()
        await command(handle, commands.Close.name, "end", reason="duplicate")
        await handle.result()
        await check_runs(harness, id)
    folders = {path.parent for path in (harness.root / "reports").rglob("*.md")}
    assert len(folders) == 2


async def test_an_incident_that_is_replayed_keeps_its_id(dev_harness: Harness) -> None:
    harness = dev_harness
    harness.folder.readable.clear()
    id = f"incident:{uuid4()}"
    async with harness.working():
        handle = await harness.client.start_workflow(
            INCIDENT_WORKFLOW,
            harness.upload(json.dumps(REPORT)),
            id=id,
            task_queue=harness.queue,
            task_timeout=timedelta(seconds=1),
        )

        # The first task ends although it waits for the local activity, and the next one goes on.
        async def two_tasks() -> bool:
            ended = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
            return (
                len([e async for e in handle.fetch_history_events() if e.event_type == ended]) > 1
            )

        await until(two_tasks)
        harness.folder.readable.set()
        await until(says(handle, "Page delivered"))
        before = await incident(handle)
    async with harness.working():
        assert (await incident(handle))["id"] == before["id"]
    await handle.terminate()


async def test_a_successor_with_too_many_arrivals_starts_in_the_same_run(
    dev_harness: Harness,
) -> None:
    harness = dev_harness
    harness.policy = {"levels": [{"after": "0s", "targets": [ON_CALL]}], "recurrence": "new"}
    async with harness.working():
        id = (await harness.start(alert(number=0))).id
        handle = latest(harness, id)
        await until(says(handle, "Page delivered"))
        first = await incident(handle)
    # Alerts are compact; a message may hold a whole report.
    report = {**REPORT, "description": "x" * 100_000}
    messages = [
        Event(id=f"{n}", source="q", type=MESSAGE, key=f"q/{n}", data=report) for n in range(25)
    ]
    for wire in [
        alert(number=1, status="resolved"),
        *(message.to_wire() for message in messages),
    ]:
        await handle.signal(SIGNAL_EVENT, wire)
    async with harness.working():

        async def all_joined() -> bool:
            return bool((await incident(handle))["events"] == 25)

        await until(all_joined)
        await until(took(harness, handle, 2))
        second = await incident(handle)
        assert second["previous"] == first["id"]
        await command(handle, commands.Resolve.name, "end", force=True)
        result = await handle.result()
        entries = await timeline(handle)
        assert sum("Post-incident report written" in entry for entry in entries) == 1
        # The second run continues the successor: the history of the first is large by then.
        assert len(await check_runs(harness, id)) == 2
    assert harness.pager.followed_up == [(NotificationKind.RESOLVED, [ON_CALL])] * 2
    written = {
        json.loads(p.read_text())["incident_id"]: p for p in harness.root.rglob("report*.json")
    }
    assert set(written) == {first["id"], second["id"]}
    assert f"file://{written[first['id']]}" not in result["reports"]


@pytest.mark.recorded("resolved-alert-alone")
async def test_a_resolved_alert_alone_opens_nothing(dev_harness: Harness) -> None:
    async with dev_harness.working():
        handle = await dev_harness.start(alert(status="resolved"))
        result = await handle.result()
        assert result["status"] == "closed"
        assert dev_harness.pager.attempts == 0
    assert not (dev_harness.root / "reports").exists()


async def test_an_alert_without_a_key_is_quarantined_and_fails_the_workflow(
    dev_harness: Harness,
) -> None:
    async with dev_harness.working():
        handle = await dev_harness.start(alert(key=""))
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.type == "InvalidEvent"
    [record] = (dev_harness.root / "quarantine").glob("*.json")
    assert str(record) in failed.value.cause.message


async def test_alerts_with_implausible_times_and_severities_are_accepted_with_a_remark(
    dev_harness: Harness,
) -> None:
    async with dev_harness.working():
        handle = await dev_harness.start(
            alert(starts_at="2999-01-01T00:00:00Z", severity="dreadful", version=9)
        )
        await until(says(handle, "begins in the future"))
        await until(says(handle, "'dreadful' is not one we know"))
        await handle.signal(SIGNAL_EVENT, alert(key=""))
        await until(says(handle, "Something that is not an event"))
        await command(handle, commands.Close.name, "end", reason="duplicate")
        await handle.result()


@pytest.mark.recorded("cancelled")
async def test_cancellation_closes_the_incident_and_writes_its_report(dev_harness: Harness) -> None:
    harness = dev_harness
    async with harness.working():
        handle = await harness.start(harness.upload(json.dumps(REPORT)))
        await until(says(handle, "Page delivered"))
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as cancelled:
            await handle.result()
        assert isinstance(cancelled.value.cause, CancelledError)
        found = await incident(handle)
    assert (await handle.describe()).status is WorkflowExecutionStatus.CANCELED
    assert (found["status"], found["close_reason"]) == ("closed", "cancelled")
    markdown, data = found["reports"]
    assert "cancelled" in text_of(markdown)
    assert json.loads(text_of(data))["close_reason"] == "cancelled"


async def test_cancelled_before_it_opened_the_event_is_quarantined(dev_harness: Harness) -> None:
    harness = dev_harness
    harness.folder.unreadable = 1_000
    async with harness.working():
        handle = await harness.start(harness.upload(json.dumps(REPORT)))
        await until(lambda: harness.folder.unreadable < 999)
        await handle.cancel()

        async def closed() -> bool:
            return bool((await incident(handle))["status"] == "closed")

        await until(closed)
        harness.folder.unreadable = 0
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    [record] = (harness.root / "quarantine").glob("*.json")
    assert json.loads(record.read_text())["code"] == "IncidentCancelled"


@pytest.mark.recorded("every-command")
async def test_every_command_has_its_update(dev_harness: Harness) -> None:
    harness = dev_harness
    harness.policy = {"levels": [{"after": "0s", "targets": [ON_CALL]}], "reopen_window": "1h"}
    steps: list[tuple[str, dict[str, Any], str]] = [
        (commands.Assign.name, {"assignee": "bob", "commander": "ana"}, "open"),
        (commands.Acknowledge.name, {}, "acknowledged"),
        (commands.Unacknowledge.name, {}, "open"),
        (commands.Snooze.name, {"for": 3600}, "open"),
        (commands.Comment.name, {"note": "so it is"}, "open"),
        (commands.SetSeverity.name, {"severity": "low"}, "open"),
        (commands.Escalate.name, {}, "open"),
        (commands.Mitigate.name, {}, "mitigated"),
        (commands.Reopen.name, {}, "open"),
        (commands.Resolve.name, {}, "resolved"),
        (commands.Close.name, {"reason": "false_alarm"}, "closed"),
    ]
    async with harness.working():
        handle = await harness.start(harness.upload(json.dumps(REPORT)))
        await until(says(handle, "Page delivered"))
        for number, (name, fields, status) in enumerate(steps):
            answer = await command(handle, name, f"c{number}", **fields)
            assert (name, answer["changed"], answer["status"]) == (name, True, status)
        result = await handle.result()
    assert (result["close_reason"], result["assignee"]) == ("false_alarm", "bob")


@pytest.mark.parametrize(
    ("name", "fields", "code", "says"),
    [
        (commands.Snooze.name, {"untill": 3}, "InvalidCommand", "untill: there is no such field"),
        (commands.Comment.name, {"actor": None, "note": "x"}, "InvalidCommand", "actor: "),
        (commands.Comment.name, {}, "InvalidCommand", "note: is missing"),
        (commands.Reopen.name, {}, "CommandRefused", "nothing"),
        (commands.Close.name, {"reason": "resolved"}, "CommandRefused", "cannot close as resolved"),
    ],
)
async def test_a_refused_command_says_why(
    dev_harness: Harness, name: str, fields: dict[str, Any], code: str, says: str
) -> None:
    harness = dev_harness
    async with harness.working():
        event = Event(id="1", source="q", type=MESSAGE, key=f"q/{uuid4()}", data=REPORT)
        handle = await harness.start(event.to_wire())
        await until(took(harness, handle, 1))
        if says == "nothing":
            assert (await command(handle, name, "c1"))["changed"] is False
        else:
            with pytest.raises(WorkflowUpdateFailedError) as refused:
                await command(handle, name, "c1", **fields)
            assert isinstance(refused.value.cause, ApplicationError)
            assert refused.value.cause.type == code
            assert says in refused.value.cause.message
        await command(handle, commands.Close.name, "end", reason="duplicate")
        await handle.result()
