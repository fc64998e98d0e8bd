"""The incident workflow as its users see it, on Temporal's time-skipping test server.

After each test the histories of its incidents must replay. Those of the tests marked `recorded` are
in tests/histories/ (`python -m tests.record_histories`).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowUpdateFailedError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment

from core.adapters.notifiers.router import ChannelNotifier
from core.contracts import (
    QUERY_INCIDENT,
    SIGNAL_EVENT,
    STATUS_ATTRIBUTE,
    TITLE_MEMO,
)
from core.domain.event import MESSAGE, Event
from core.domain.incident import commands
from core.domain.incident.decisions import timers
from core.domain.incident.decisions.paging import ROUND_DELAYS
from tests.support.incidents import (
    ON_CALL,
    REPORT,
    SECOND_LINE,
    Harness,
    command,
    failed_tasks,
    says,
    text_of,
    timeline,
    took,
    until,
)
from tests.support.web import Site


@pytest.mark.recorded("uploaded")
async def test_an_upload_becomes_an_incident_that_is_paged_resolved_and_reported(
    harness: Harness,
) -> None:
    async with harness.working():
        handle = await harness.start(harness.upload(json.dumps(REPORT)))
        await until(says(handle, "Page delivered"))

        [(page, target)] = harness.pager.delivered
        assert target == ON_CALL
        assert page.title == "[HIGH] Checkout answers 500"
        assert "Every payment fails" in page.body
        assert re.fullmatch(rf"{handle.id}@\S+/level-1/repeat-1/{ON_CALL}", page.key)

        acknowledged = await command(handle, commands.Acknowledge.name, "c1")
        assert acknowledged["changed"] is True
        assert acknowledged["status"] == "acknowledged"
        resolved = await command(handle, commands.Resolve.name, "c2", note="rolled back")
        assert resolved["status"] == "resolved"

        result = await handle.result()

    assert result["status"] == "closed"
    markdown, data = result["reports"]
    assert "rolled back" in text_of(markdown)
    report = json.loads(text_of(data))
    assert report["status"] == "resolved"
    assert report["metrics"]["durations"]["to_acknowledge"] is not None
    assert report["people"] == {"ana": ["Acknowledged", "Resolved: rolled back"]}


@pytest.mark.recorded("escalated")
async def test_a_missed_acknowledgement_escalates_once(
    harness: Harness, server: WorkflowEnvironment
) -> None:
    async with harness.working():
        handle = await harness.start(harness.upload(json.dumps(REPORT)))
        await until(says(handle, "Page delivered"))
        await server.sleep(299)
        assert len(harness.pager.delivered) == 1

        await server.sleep(2)
        await until(took(harness, handle, 2))
        page, target = harness.pager.delivered[1]
        assert target == SECOND_LINE
        assert f"Paged before: level 1: {ON_CALL}, not acknowledged for 5 min" in page.body

        await server.sleep(86_400)
        assert len(harness.pager.delivered) == 2
        await command(handle, commands.Acknowledge.name, "c1")
        await command(handle, commands.Resolve.name, "c2")
        await handle.result()
    assert await published(handle) == ["open", "acknowledged", "resolved", "closed"]


async def test_an_acknowledged_incident_does_not_escalate(
    harness: Harness, server: WorkflowEnvironment
) -> None:
    async with harness.working():
        handle = await harness.start(harness.upload(json.dumps(REPORT)))
        await until(says(handle, "Page delivered"))
        await command(handle, commands.Acknowledge.name, "c1")
        await server.sleep(86_400)
        assert [target for _, target in harness.pager.delivered] == [ON_CALL]
        await command(handle, commands.Resolve.name, "c2")
        await handle.result()


async def test_a_repeated_command_is_idempotent(harness: Harness) -> None:
    async with harness.working():
        handle = await harness.start(harness.upload(json.dumps(REPORT)))
        await until(says(handle, "Page delivered"))
        await command(handle, commands.Acknowledge.name, "c1")
        before = await timeline(handle)
        again = await command(handle, commands.Acknowledge.name, "c1")
        assert again["changed"] is False
        assert again["acknowledged_by"] == ["ana"]
        assert await timeline(handle) == before
        await command(handle, commands.Resolve.name, "c2")
        await handle.result()


@pytest.mark.parametrize(
    ("envelope", "code", "says"),
    [
        ({"command_id": "c"}, "InvalidCommand", "actor: is missing"),
        ({"command_id": "", "actor": 3}, "InvalidCommand", "command_id: "),
        (["ack"], "InvalidCommand", "a command is a JSON object"),
        (None, "InvalidCommand", "a command is a JSON object"),
        (
            {"command_id": "c", "actor": "ana", "incident_id": "another"},
            "CommandRefused",
            "the command is for incident 'another'",
        ),
    ],
)
async def test_an_invalid_command_is_refused_with_the_reason(
    harness: Harness, envelope: Any, code: str, says: str
) -> None:
    async with harness.working():
        handle = await harness.start(harness.upload(json.dumps(REPORT)))
        await until(took(harness, handle, 1))
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update(commands.Acknowledge.name, envelope)
        assert isinstance(refused.value.cause, ApplicationError)
        assert refused.value.cause.type == code
        assert says in refused.value.cause.message
        await command(handle, commands.Resolve.name, "c9")
        await handle.result()


async def test_a_further_event_is_noted_once_however_often_it_is_delivered(
    harness: Harness,
) -> None:
    async with harness.working():
        first = harness.upload(json.dumps(REPORT))
        handle = await harness.start(first)
        await until(says(handle, "Page delivered"))
        second = harness.upload("# More of it", "b.md")
        for wire in (second, second, first):
            await handle.signal(SIGNAL_EVENT, wire)
        await until(says(handle, "b.md"))
        joined = [entry for entry in await timeline(handle) if "joined" in entry]
        assert len(joined) == 1
        assert (await handle.query(QUERY_INCIDENT))["events"] == 2
        await command(handle, commands.Resolve.name, "c1")
        await handle.result()


async def test_a_signal_that_is_not_an_event_is_noted_and_harmless(harness: Harness) -> None:
    async with harness.working():
        handle = await harness.start(harness.upload(json.dumps(REPORT)))
        await until(says(handle, "Page delivered"))
        await handle.signal(SIGNAL_EVENT, [1, 2])
        await handle.signal(SIGNAL_EVENT)
        await until(says(handle, "Something that is not an event"))
        await command(handle, commands.Resolve.name, "c1")
        await handle.result()


@pytest.mark.parametrize(
    ("content", "code", "reason"),
    [
        (b'{"severity": "high"}', "InvalidReport", "title: is missing"),
        (b"\xff\xfe\x00", "InvalidReport", "is not UTF-8"),
        (b"x" * 10_001, "DocumentTooLarge", "over the limit of 10,000"),
        (None, "DocumentNotFound", "does not exist"),
    ],
)
async def test_an_invalid_report_is_quarantined_and_fails_the_workflow(
    harness: Harness, content: bytes | None, code: str, reason: str
) -> None:
    wire = harness.event("a.json").to_wire() if content is None else harness.upload(content)
    async with harness.working():
        handle = await harness.start(wire)
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.type == code
    assert reason in failed.value.cause.message
    [record] = (harness.root / "quarantine").glob("*.json")
    kept = json.loads(record.read_text())
    assert kept["code"] == code
    assert json.loads(kept["body"]) == wire
    assert str(record) in failed.value.cause.message


@pytest.mark.parametrize("wire", [None, 7, "text", [], {}, {"specversion": "1.0"}])
async def test_a_start_without_an_event_fails_as_invalid_event(harness: Harness, wire: Any) -> None:
    async with harness.working():
        handle = await harness.start(wire)
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.type == "InvalidEvent"


async def test_a_message_can_be_a_report(harness: Harness) -> None:
    event = Event(id="1", source="queue", type=MESSAGE, key="sqs:q/1", data=REPORT)
    async with harness.working():
        handle = await harness.start(event.to_wire())
        await until(says(handle, "Opened with severity high on checkout"))
        await command(handle, commands.Resolve.name, "c1")
        await handle.result()


async def test_an_unavailable_store_delays_the_incident_and_loses_nothing(harness: Harness) -> None:
    harness.folder.unreadable = 3
    async with harness.working():
        handle = await harness.start(harness.upload(json.dumps(REPORT)))
        await until(says(handle, "Page delivered"))
        await command(handle, commands.Resolve.name, "c1")
        await handle.result()


async def test_an_event_that_arrives_while_the_document_is_read_is_not_lost(
    harness: Harness,
) -> None:
    harness.folder.unreadable = 3
    async with harness.working():
        handle = await harness.start(harness.upload(json.dumps(REPORT)))
        await handle.signal(SIGNAL_EVENT, harness.upload("# More", "b.md"))
        with pytest.raises(WorkflowUpdateFailedError) as early:
            await command(handle, commands.Acknowledge.name, "c0")
        assert "still being read" in str(early.value.cause)
        await until(says(handle, "b.md"))
        await command(handle, commands.Resolve.name, "c1")
        await handle.result()


@pytest.mark.recorded("opened-by-the-next-event")
async def test_after_an_invalid_report_the_next_event_opens_the_incident(harness: Harness) -> None:
    harness.folder.unreadable = 3
    async with harness.working():
        handle = await harness.start(harness.upload(b"no title"))
        await handle.signal(SIGNAL_EVENT, harness.upload(json.dumps(REPORT), "b.json"))
        await until(says(handle, "Page delivered"))
        entries = await timeline(handle)
        assert "An event brought no report" in entries[0]
        assert "kept as file://" in entries[0]
        await command(handle, commands.Resolve.name, "c1")
        await handle.result()


@pytest.mark.recorded("page-retried")
async def test_a_failed_page_is_noted_and_retried(
    harness: Harness, server: WorkflowEnvironment, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    harness.pager.broken = True
    async with harness.working():
        handle = await harness.start(harness.upload(json.dumps(REPORT)))
        await until(says(handle, "failed, next round at"))
        harness.pager.broken = False
        await server.sleep(60)
        await until(says(handle, "Page delivered"))
        [(page, _)] = harness.pager.delivered
        assert page.key.startswith(handle.id)
        await command(handle, commands.Resolve.name, "c1")
        await handle.result()
    # The alarms match that line, and only that one.
    pages = [r for r in caplog.records if r.getMessage().startswith("tidegate: Page")]
    levels = {" failed, next round at " in r.getMessage(): r.levelname for r in pages}
    assert levels == {True: "WARNING", False: "INFO"}


async def test_a_page_that_always_fails_is_given_up_after_its_rounds(
    harness: Harness, server: WorkflowEnvironment
) -> None:
    harness.pager.broken = True
    harness.policy = {"levels": [{"after": "0s", "targets": [ON_CALL]}]}
    async with harness.working():
        handle = await harness.start(harness.upload(json.dumps(REPORT)))

        async def given_up() -> bool:
            await server.sleep(60)
            return any("given up" in entry for entry in await timeline(handle))

        await until(given_up)
        assert harness.pager.attempts == 3 * (len(ROUND_DELAYS) + 1)  # three tries in each round
        await command(handle, commands.Resolve.name, "c1")
        await handle.result()


@pytest.mark.recorded("page-cancelled")
async def test_acknowledging_cancels_pages_in_flight(dev_harness: Harness) -> None:
    harness = dev_harness  # on the other server, what fails after it was cancelled never ends
    harness.pager.broken = True
    harness.pager.answering.clear()
    async with harness.working():
        handle = await harness.start(harness.upload(json.dumps(REPORT)))
        await until(lambda: harness.pager.attempts == 1)
        await command(handle, commands.Acknowledge.name, "c1")
        harness.pager.answering.set()
        assert f"Page to {ON_CALL} (level 1) cancelled" in await timeline(handle)
        await command(handle, commands.Resolve.name, "c2")
        await handle.result()
        assert harness.pager.attempts == 1
        assert harness.pager.delivered == []


async def test_a_page_that_arrives_after_its_cancellation_is_on_the_timeline(
    harness: Harness,
) -> None:
    harness.pager.answering.clear()
    async with harness.working():
        handle = await harness.start(harness.upload(json.dumps(REPORT)))
        await until(lambda: harness.pager.attempts == 1)
        await command(handle, commands.Acknowledge.name, "c1")
        harness.pager.answering.set()
        await until(says(handle, "Page delivered"))
        assert len(harness.pager.delivered) == 1
        await command(handle, commands.Resolve.name, "c2")
        await handle.result()


@pytest.mark.parametrize(
    ("name", "actions"),
    [
        pytest.param(
            commands.Acknowledge.name,
            ["acknowledge", "resolve"],
            marks=pytest.mark.recorded("acknowledged-late-page"),
        ),
        pytest.param(
            commands.Resolve.name, ["resolve"], marks=pytest.mark.recorded("resolved-late-page")
        ),
    ],
)
async def test_a_trigger_that_was_cancelled_too_late_is_followed_up(
    dev_harness: Harness, site: Site, name: str, actions: list[str]
) -> None:
    harness = dev_harness
    harness.channels = ChannelNotifier()
    harness.targets = {"duty": {"kind": "pagerduty", "routing_key_env": "KEY", "url_env": "DUTY"}}
    harness.addresses |= {"KEY": "a-routing-key", "DUTY": site.url()}
    harness.policy = {"levels": [{"after": "0s", "targets": ["duty"]}]}
    site.answering.clear()
    async with harness.working():
        handle = await harness.start(harness.upload(json.dumps(REPORT)))
        await until(lambda: bool(site.got))
        await command(handle, name, "c1")
        await until(says(handle, "Page to duty (level 1) cancelled"))
        if name == commands.Resolve.name:
            await until(says(handle, "Closed (resolved)"))  # and nothing but the page is left
        site.answering.set()
        await until(lambda: len(site.got) == 2)
        if name == commands.Acknowledge.name:
            await command(handle, commands.Resolve.name, "c2")
        assert (await handle.result())["status"] == "closed"
    assert [body["event_action"] for body in site.bodies()] == ["trigger", *actions]
    assert len({body["dedup_key"] for body in site.bodies()}) == 1


async def test_an_incident_without_targets_says_so(
    harness: Harness, server: WorkflowEnvironment
) -> None:
    harness.addresses = {}
    async with harness.working():
        handle = await harness.start(harness.upload("# Disk full\n", "a.md"))
        await until(says(handle, "Nobody to page at level 1"))
        assert "Severity medium assumed: none was given" in await timeline(handle)
        await server.sleep(301)
        await until(says(handle, "Nobody to page at level 2"))
        await command(handle, commands.Resolve.name, "c1")
        await handle.result()


async def test_without_a_reports_root_the_incident_closes_immediately_and_says_so(
    harness: Harness,
) -> None:
    harness.reports = False
    async with harness.working():
        handle = await harness.start(harness.upload(json.dumps(REPORT)))
        await until(says(handle, "Page delivered"))
        resolved = await command(handle, commands.Resolve.name, "c1")
        assert resolved["status"] == "resolved"
        result = await handle.result()
        assert result["reports"] == []
        assert "No post-incident report: TIDEGATE_REPORTS is not set" in await timeline(handle)
    assert not (harness.root / "reports").exists()


@pytest.mark.recorded("reopened")
async def test_an_event_that_races_the_close_reopens_the_incident(harness: Harness) -> None:
    harness.folder.writable.clear()
    async with harness.working():
        handle = await harness.start(harness.upload(json.dumps(REPORT)))
        await until(says(handle, "Page delivered"))
        await command(handle, commands.Resolve.name, "c1")
        await harness.folder.writing.wait()
        await handle.signal(SIGNAL_EVENT, harness.upload("# Again", "b.md"))
        await until(took(harness, handle, 2))
        harness.folder.writable.set()
        first, second = [page.key for page, _ in harness.pager.delivered]
        assert first != second
        assert (await handle.query(QUERY_INCIDENT))["status"] == "open"
        await command(handle, commands.Resolve.name, "c2", note="for good")
        result = await handle.result()
    assert all("for good" in text_of(uri) for uri in result["reports"])


async def test_a_signal_at_the_close_is_either_handled_or_refused(
    dev_harness: Harness,
) -> None:
    harness = dev_harness
    harness.reports = False
    async with harness.working():
        handle = await harness.start(harness.upload(json.dumps(REPORT)))
        await until(says(handle, "Page delivered"))

        async def storm() -> int:
            for number in range(100):
                event = Event(id=str(number), source="s", type=MESSAGE, key=f"ce:s#{number}")
                try:
                    await handle.signal(SIGNAL_EVENT, event.to_wire())
                except RPCError as refused:
                    if refused.status is RPCStatusCode.NOT_FOUND:
                        return number  # the workflow has closed, which the sender learns
                    raise
            return 100

        async def resolving() -> None:
            attempts = itertools.count()
            while await is_running(handle):
                with suppress(RPCError):  # a task that failed over a signal takes the update along
                    await command(handle, commands.Resolve.name, f"c{next(attempts)}")

        accepted, _ = await asyncio.gather(storm(), resolving())
        await handle.result()
        assert (await handle.query(QUERY_INCIDENT))["events"] == 1 + accepted


async def test_status_severity_and_service_can_be_searched_for(dev_harness: Harness) -> None:
    async with dev_harness.working():
        handle = await dev_harness.start(dev_harness.upload(json.dumps(REPORT)))
        await until(says(handle, "Page delivered"))
        await until(is_found(dev_harness.client, handle.id, "open"))
        await command(handle, commands.Resolve.name, "c1")
        await handle.result()
        await until(is_found(dev_harness.client, handle.id, "closed"))
    # What has not changed is not upserted again.
    assert await published(handle) == ["open", "resolved", "closed"]


@pytest.mark.recorded("titled")
async def test_the_title_is_in_the_memo(dev_harness: Harness) -> None:
    async with dev_harness.working():
        handle = await dev_harness.start(dev_harness.upload(json.dumps(REPORT)))
        await until(says(handle, "Page delivered"))
        await command(handle, commands.Resolve.name, "c1")
        await handle.result()
        assert await (await handle.describe()).memo_value(TITLE_MEMO) == REPORT["title"]
    kinds = [event.event_type for event in (await handle.fetch_history()).events]
    assert kinds.count(EventType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED) == 1


async def published(handle: WorkflowHandle[Any, Any]) -> list[str]:
    """The status in each of our upserts of search attributes; a patch upserts one, too."""
    upserts = [
        event.upsert_workflow_search_attributes_event_attributes.search_attributes.indexed_fields
        for event in (await handle.fetch_history()).events
        if event.event_type == EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES
    ]
    ours = [fields for fields in upserts if STATUS_ATTRIBUTE in fields]
    return [json.loads(fields[STATUS_ATTRIBUTE].data) for fields in ours]


def is_found(client: Client, id: str, status: str) -> Callable[[], Awaitable[bool]]:
    query = (
        f"WorkflowId = '{id}' AND TidegateStatus = '{status}' "
        "AND TidegateSeverity = 'high' AND TidegateService = 'checkout'"
    )

    async def found() -> bool:
        return (await client.count_workflows(query)).count == 1

    return found


async def test_a_deadline_that_stays_due_fails_the_workflow_task(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The main loop would spin otherwise."""
    monkeypatch.setattr(timers, "deadline", lambda incident: incident.opened_at)
    async with harness.working():
        handle = await harness.start(harness.upload(json.dumps(REPORT)))
        harness.handles.clear()  # its history does not replay

        async def failed() -> bool:
            tasks = failed_tasks(await handle.fetch_history())
            return any("passed, and nothing came of it" in task.failure.message for task in tasks)

        await until(failed)
        await handle.terminate()


async def is_running(handle: WorkflowHandle[Any, Any]) -> bool:
    return (await handle.describe()).status is WorkflowExecutionStatus.RUNNING


async def test_the_next_incident_of_the_same_id_keeps_the_first_ones_report(
    harness: Harness,
) -> None:
    id = f"incident:{uuid4()}"
    uris: list[list[str]] = []
    async with harness.working():
        for number in range(2):
            wire = harness.upload(json.dumps(REPORT), f"{number}.json")
            handle = await harness.start(wire, id)
            await until(says(handle, "Page delivered"))
            await command(handle, commands.Resolve.name, "c1", note=f"number {number}")
            uris.append((await handle.result())["reports"])
    assert not set(uris[0]) & set(uris[1])
    for number, written in enumerate(uris):
        for uri in written:
            assert f"number {number}" in text_of(uri)
