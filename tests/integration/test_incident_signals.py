"""Commands by a signal, on a real server: no worker has to run when one is given, and the timeline
says what became of it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import WorkflowHandle

from core.adapters.temporal import answers, incidents
from core.contracts import (
    INCIDENT_WORKFLOW,
    QUERY_INCIDENT,
    QUERY_TIMELINE,
    SIGNAL_COMMAND,
    SIGNAL_EVENT,
)
from core.domain.event import INCIDENT_COMMAND, Event
from core.errors import CommandRefused, TemporalUnavailable
from core.formats.registry import read
from tests.support.incidents import Harness, alert, command, says, signal_with_start, until
from tests.support.webhook_payloads import changed, payload, sent
from workers.incident.workflow.throttle import BATCH_SIZE, PAUSE

BY_LINK = {"actor": "ana", "proof": "link"}


async def state(handle: WorkflowHandle[Any, Any]) -> dict[str, Any]:
    found: dict[str, Any] = await handle.query(QUERY_INCIDENT, result_type=dict)
    return found


async def entry(handle: WorkflowHandle[Any, Any], kind: str) -> dict[str, Any]:
    """The only entry of that kind."""
    [found] = [each for each in await handle.query(QUERY_TIMELINE) if each["kind"] == kind]
    return dict(found)


def comments(count: int, chars: int = 0) -> list[dict[str, Any]]:
    """So many events that each bring a comment of at least so many characters."""
    return [
        Event(
            id=f"c{number}",
            source="webhook:prod",
            type=INCIDENT_COMMAND,
            key=f"pagerduty#c{number}",
            data={
                **BY_LINK,
                "name": "comment",
                "command_id": f"c{number}",
                "note": f"#{number}".ljust(chars, "."),
            },
        ).to_wire()
        for number in range(count)
    ]


async def paged(harness: Harness) -> WorkflowHandle[Any, Any]:
    handle = await harness.start(alert())
    await until(says(handle, "Page delivered"))
    return handle


async def test_it_does_what_the_update_does_and_the_timeline_says_by_which_proof(
    dev_harness: Harness,
) -> None:
    harness = dev_harness
    async with harness.working():
        handle = await paged(harness)
        id = (await state(handle))["id"]
        asked = {**BY_LINK, "command_id": "c1", "note": "looking"}
        assert await incidents.signal(harness.client, id, "acknowledge", asked) == id
        await until(says(handle, "Acknowledged: looking"))
        found = await entry(handle, "acknowledged")
        assert (found["actor"], found["proof"]) == ("ana", "link")
        again = await command(handle, "acknowledge", "c1")
        assert again["changed"] is False
        await command(handle, "close", "c2", reason="false_alarm")
        await handle.result()


@pytest.mark.recorded("sent-command")
async def test_what_is_given_while_no_worker_runs_is_done_when_one_does(
    dev_harness: Harness,
) -> None:
    harness = dev_harness
    async with harness.working():
        handle = await paged(harness)
    for number, name in enumerate(("acknowledge", "reopen", "close", "escalate")):
        asked = {**BY_LINK, "command_id": f"c{number}"}
        asked |= {"reason": "false_alarm"} if name == "close" else {}
        await incidents.signal(harness.client, handle.id, name, asked)
    async with harness.working():
        result = await handle.result()
        assert (result["status"], result["acknowledged_by"]) == ("closed", ["ana"])
        await until(says(handle, "Cannot escalate: the incident is closed"))


async def test_a_refusal_is_on_the_timeline_once_however_often_it_is_sent(
    dev_harness: Harness,
) -> None:
    harness = dev_harness
    async with harness.working():
        handle = await paged(harness)
        id = (await state(handle))["id"]
        await command(handle, "mitigate", "c1")
        for _ in range(3):
            asked = {**BY_LINK, "command_id": "c2"}
            await incidents.signal(harness.client, id, "escalate", asked)
        await incidents.signal(
            harness.client, id, "comment", {**BY_LINK, "command_id": "c3", "note": "the last"}
        )
        await until(says(handle, "the last"))
        found = await entry(handle, "refused")
        assert found["text"].startswith("Cannot escalate: the incident is mitigated; possible now")
        assert (found["actor"], found["proof"]) == ("ana", "link")
        await command(handle, "close", "c4", reason="false_alarm")
        await handle.result()


async def test_a_command_for_an_incident_that_is_over_does_nothing_to_the_next(
    dev_harness: Harness,
) -> None:
    harness = dev_harness
    async with harness.working():
        handle = await paged(harness)
        former = f"{handle.id}@20260102T030405.678Z"
        asked = {**BY_LINK, "command_id": "c1"}
        await incidents.signal(harness.client, former, "acknowledge", asked)
        await until(says(handle, "Cannot acknowledge: the command is for"))
        assert (await state(handle))["status"] == "open"
        await command(handle, "close", "c2", reason="false_alarm")
        await handle.result()


async def test_a_command_waits_until_the_incident_opens(dev_harness: Harness) -> None:
    harness = dev_harness
    handle = await signal_with_start(harness, f"incident:{uuid4()}", alert())
    asked = {"name": "acknowledge", **BY_LINK, "command_id": "c1"}
    started = await harness.client.start_workflow(
        INCIDENT_WORKFLOW,
        id=f"incident:{uuid4()}",
        task_queue=harness.queue,
        start_signal=SIGNAL_COMMAND,
        start_signal_args=[asked],
    )
    await started.signal("event", [alert("disk")])
    await handle.signal(SIGNAL_COMMAND, asked)
    async with harness.working():
        for each in (handle, started):
            await until(says(each, "Acknowledged"))
            await command(each, "close", "c2", reason="false_alarm")
            await each.result()
    assert not harness.pager.delivered


async def test_a_command_while_no_incident_is_open_is_refused_and_spares_the_next_nothing(
    dev_harness: Harness,
) -> None:
    """Neither one that came with the recovery, which is all that was heard, nor a later one."""
    harness = dev_harness
    harness.policy = {"levels": [{"after": "0s", "targets": ["on-call"]}], "remember_for": "1h"}
    handle = await signal_with_start(harness, f"incident:{uuid4()}", alert(status="resolved"))
    await handle.signal(SIGNAL_COMMAND, {"name": "acknowledge", **BY_LINK, "command_id": "c1"})
    async with harness.working():
        await until(says(handle, "Cannot acknowledge: no incident is open"))
        await handle.signal(SIGNAL_COMMAND, {"name": "escalate", **BY_LINK, "command_id": "c2"})
        await until(says(handle, "Cannot escalate: no incident is open"))
        await handle.signal(SIGNAL_EVENT, [alert("disk")])
        await until(says(handle, "Page delivered"))
        assert (await state(handle))["status"] == "open"
        await handle.cancel()


async def test_a_command_that_follows_an_alert_into_the_silence_waits_for_what_it_opens(
    dev_harness: Harness,
) -> None:
    harness = dev_harness
    harness.policy = {"levels": [{"after": "0s", "targets": ["on-call"]}], "remember_for": "1h"}
    handle = await signal_with_start(harness, f"incident:{uuid4()}", alert(status="resolved"))
    async with harness.working():

        async def silent() -> bool:
            return bool((await state(handle))["silent_until"])

        await until(silent)
    await handle.signal(SIGNAL_EVENT, [alert("disk")])
    await handle.signal(SIGNAL_COMMAND, {"name": "acknowledge", **BY_LINK, "command_id": "c1"})
    async with harness.working():
        await until(says(handle, "Acknowledged"))
        await handle.cancel()


async def test_a_cancelled_workflow_says_what_became_of_the_commands_that_waited(
    dev_harness: Harness,
) -> None:
    harness = dev_harness
    handle = await harness.client.start_workflow(
        INCIDENT_WORKFLOW, id=f"incident:{uuid4()}", task_queue=harness.queue
    )
    await handle.signal(SIGNAL_COMMAND, {"name": "acknowledge", **BY_LINK, "command_id": "c1"})
    async with harness.working():
        await handle.cancel()
        await until(says(handle, "Cannot acknowledge: the incident is closed"))


async def test_commands_that_have_piled_up_are_taken_in_their_order_in_several_tasks(
    dev_harness: Harness,
) -> None:
    harness = dev_harness
    async with harness.working():
        handle = await paged(harness)
    count = 2 * BATCH_SIZE + 1
    await handle.signal(SIGNAL_EVENT, comments(count))
    async with harness.working():

        async def all_taken() -> bool:
            return bool((await state(handle))["comments"] == count)

        await until(all_taken)
        entries = await handle.query(QUERY_TIMELINE)
        notes = [each["note"] for each in entries if each["kind"] == "commented"]
        assert notes == [f"#{number}" for number in range(count)]
        history = await handle.fetch_history()
        pauses = [
            event
            for event in history.events
            if event.HasField("timer_started_event_attributes")
            and event.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta() == PAUSE
        ]
        assert len(pauses) >= count // BATCH_SIZE
        await command(handle, "close", "end", reason="false_alarm")
        await handle.result()


async def test_commands_that_have_piled_up_among_alerts_are_handed_over_to_the_next_run(
    dev_harness: Harness,
) -> None:
    harness = dev_harness
    harness.continue_as_new_after = 10
    handle = await signal_with_start(harness, f"incident:{uuid4()}", alert())
    count = 2 * BATCH_SIZE + 100
    wires = comments(count, 4_000)  # more than a run may start with
    for first in range(0, count, 100):
        await handle.signal(SIGNAL_EVENT, [*wires[first : first + 100], alert(number=first + 1)])
    async with harness.working():

        async def all_taken() -> bool:
            now = await state(handle)
            return bool(now["comments"] == count and now["alerts"]["fired"] == 1 + count // 100)

        await until(all_taken)
        now = await harness.client.get_workflow_handle(handle.id).describe()
        assert now.run_id != handle.result_run_id
        await command(handle, "close", "end", reason="false_alarm")


async def test_commands_that_come_too_late_for_one_incident_are_not_lost_on_the_way_to_the_next(
    dev_harness: Harness,
) -> None:
    harness = dev_harness
    harness.policy = {"levels": [{"after": "0s", "targets": ["on-call"]}], "remember_for": "1h"}
    async with harness.working():
        handle = await paged(harness)
        first = (await state(handle))["id"]
        harness.folder.writable.clear()
        await command(handle, "close", "c", reason="false_alarm")
        await handle.signal(SIGNAL_EVENT, [alert("disk")])
        await until(says(handle, "disk"))
        await handle.signal(SIGNAL_EVENT, comments(BATCH_SIZE + 100))
        await until(says(handle, "Cannot comment: the incident is closed"))
        harness.folder.writable.set()

        async def all_taken() -> bool:
            now = await state(handle)
            return bool(now["id"] != first and now["comments"] == 100)

        await until(all_taken)
        await handle.cancel()


@pytest.mark.parametrize("garbage", [None, "acknowledge", [], {"name": "ack"}, {"name": "close"}])
async def test_what_is_no_command_is_noted(dev_harness: Harness, garbage: object) -> None:
    harness = dev_harness
    async with harness.working():
        handle = await paged(harness)
        await handle.signal(SIGNAL_COMMAND, garbage)
        await until(says(handle, "Something that is not a command was sent here: "))
        await command(handle, "close", "c2", reason="false_alarm")
        await handle.result()


async def test_a_closed_incident_refuses_what_would_change_it(dev_harness: Harness) -> None:
    harness = dev_harness
    async with harness.working():
        handle = await paged(harness)
        id = (await state(handle))["id"]
        await command(handle, "close", "c1", reason="false_alarm")
        await handle.result()
    asked = {**BY_LINK, "command_id": "c2"}
    with pytest.raises(CommandRefused, match="cannot acknowledge: the incident is closed since"):
        await incidents.signal(harness.client, id, "acknowledge", asked)
    assert await incidents.signal(harness.client, id, "resolve", asked) == id


async def test_whoever_looks_before_a_worker_runs_is_told_that_none_does(
    dev_harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "ANSWER_TIMEOUT", timedelta(0))
    monkeypatch.setattr(answers, "_ATTEMPT", timedelta(seconds=0.2))
    handle = await signal_with_start(dev_harness, f"incident:{uuid4()}", alert())
    await incidents.signal(
        dev_harness.client, handle.id, "acknowledge", {**BY_LINK, "command_id": "c1"}
    )
    with pytest.raises(TemporalUnavailable) as failed:
        await incidents.show(dev_harness.client, handle.id)
    assert failed.value.fix == answers.NO_WORKER
    await handle.terminate()


async def test_wrong_fields_are_refused_before_anything_is_sent(dev_harness: Harness) -> None:
    id = f"incident:{uuid4()}@20260102T030405.678Z"
    with pytest.raises(ValueError, match="reason: is missing"):
        await incidents.signal(dev_harness.client, id, "close", {**BY_LINK, "command_id": "c"})


async def test_what_a_person_does_in_pagerduty_reaches_the_incident(dev_harness: Harness) -> None:
    harness = dev_harness
    async with harness.working():
        handle = await paged(harness)
        id = (await state(handle))["id"]
        body = changed(payload("pagerduty_webhook", "our-own-page"), "event", "agent", to=None)
        body = changed(body, "event", "agent", to={"type": "user_reference", "summary": "Maeve"})
        body = changed(body, "event", "event_type", to="incident.acknowledged")
        body = changed(body, "event", "data", "incident_key", to=id)
        [arrival] = read(sent("pagerduty_webhook", body))
        await handle.signal("event", [arrival.item.to_wire()])  # type: ignore[union-attr]
        await until(says(handle, "Acknowledged"))
        found = await entry(handle, "acknowledged")
        assert (found["actor"], found["proof"]) == ("Maeve", "pagerduty")
        await command(handle, "close", "c2", reason="false_alarm")
        await handle.result()


async def test_ten_at_a_time_are_each_done_once(dev_harness: Harness) -> None:
    harness = dev_harness
    async with harness.working():
        handle = await paged(harness)
        id = (await state(handle))["id"]
        await asyncio.gather(
            *(
                incidents.signal(
                    harness.client,
                    id,
                    "comment",
                    {**BY_LINK, "command_id": f"c{number % 10}", "note": f"note {number % 10}"},
                )
                for number in range(30)
            )
        )

        async def all_taken() -> bool:
            return bool((await state(handle))["comments"] == 10)

        await until(all_taken)
        await command(handle, "close", "end", reason="false_alarm")
        await handle.result()
