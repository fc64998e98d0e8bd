"""What an incident's workflow remembers of alerts: while it is silent, and from run to run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
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
from temporalio.exceptions import ApplicationError, CancelledError

from core.adapters.documents.router import DocumentStores
from core.adapters.temporal.incident_list import IncidentFilter, list_incidents
from core.adapters.temporal.previous_run import last_result
from core.contracts import INCIDENT_WORKFLOW, QUERY_INCIDENT, SIGNAL_EVENT
from core.domain.event import MESSAGE, DocumentRef, Event
from core.domain.incident import commands
from core.domain.signalled import signalled
from core.errors import ConfigurationError, StoreUnavailable, TemporalUnavailable
from tests.support.eventually import eventually
from tests.support.incidents import (
    ON_CALL,
    Folder,
    Harness,
    alert,
    command,
    failed_tasks,
    replay,
    says,
    signal_with_start,
    timeline,
    took,
    until,
)
from workers.incident import activities
from workers.incident.workflow import continue_as_new
from workers.incident.workflow import state as run_state

BEGAN = datetime.now(UTC) - timedelta(hours=2)
ONE_LEVEL = {"levels": [{"after": "0s", "targets": [ON_CALL]}]}


def at(minutes: int) -> str:
    return (BEGAN + timedelta(minutes=minutes)).isoformat()


def fires(start: int = 0, *, key: str = "cpu", **fields: Any) -> Any:
    return alert(key, number=start, starts_at=at(start), **fields)


def recovers(start: int = 0, end: int = 10, **fields: Any) -> Any:
    return alert(number=start, status="resolved", starts_at=at(start), ends_at=at(end), **fields)


async def deliver(harness: Harness, id: str, *wires: Any) -> WorkflowHandle[Any, Any]:
    """Signal-with-start without an argument, as a listener does."""
    handle = await signal_with_start(harness, id, *wires)
    run = harness.client.get_workflow_handle(id, run_id=handle.first_execution_run_id)
    harness.handles.append(run)
    return harness.client.get_workflow_handle(id)


async def opened(harness: Harness, id: str, **fields: Any) -> WorkflowHandle[Any, Any]:
    """The incident of an alert that fires, once its page is delivered."""
    handle = await deliver(harness, id, fires(**fields))
    await until(says(handle, "Page delivered"))
    return handle


def new_id() -> str:
    return f"incident:webhook:test:{uuid4()}"


async def status_of(handle: WorkflowHandle[Any, Any]) -> str:
    return str((await handle.query(QUERY_INCIDENT))["status"])


def becomes(handle: WorkflowHandle[Any, Any], status: str) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return await status_of(handle) == status

    return check


async def completed(harness: Harness, id: str, result: Any) -> None:
    """Waits until the visibility store shows the run as completed."""

    async def is_listed() -> bool:
        try:
            return bool(await last_result(harness.client, id) == result)
        except TemporalUnavailable:
            return False

    await eventually(is_listed, f"{id} is listed with its result")


async def runs(harness: Harness, id: str) -> list[WorkflowHandle[Any, Any]]:
    found = [run async for run in harness.client.list_workflows(f"WorkflowId = '{id}'")]
    found.sort(key=lambda run: run.start_time)
    return [harness.client.get_workflow_handle(id, run_id=run.run_id) for run in found]


async def listed(harness: Harness, id: str, *, include_closed: bool = True) -> list[str | None]:
    filter = IncidentFilter(include_closed=include_closed)
    incidents, _ = await list_incidents(harness.client, filter, limit=1000)
    return [each.status for each in incidents if each.workflow_id == id]


async def test_a_signal_that_starts_the_workflow_opens_the_incident_in_one_task(
    dev_harness: Harness,
) -> None:
    harness = dev_harness
    async with harness.working():
        handle = await deliver(harness, new_id(), fires(), fires(), fires(20))
        await until(lambda: len(harness.pager.delivered) == 1)  # a query would split the task
        assert (await handle.query(QUERY_INCIDENT))["alerts"]["fired"] == 3
        history = await harness.handles[0].fetch_history()
        await command(handle, commands.Close.name, "end", reason="duplicate")
        await handle.result()
    kinds = [event.event_type for event in history.events]
    page = kinds.index(EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
    opening = kinds[:page]
    assert opening.count(EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED) == 1
    # Policy, memory and who is on call, in local activities of one task: one Action on Temporal
    # Cloud.
    assert opening.count(EventType.EVENT_TYPE_MARKER_RECORDED) == 3
    assert len(harness.pager.delivered) == 1


async def test_words_that_come_after_the_close_page_nobody(dev_harness: Harness) -> None:
    harness = dev_harness
    harness.policy = {**ONE_LEVEL, "remember_for": "1h"}
    async with harness.working():
        id = new_id()
        handle = await opened(harness, id)
        await deliver(harness, id, recovers())
        await until(becomes(handle, "closed"))
        await deliver(harness, id, fires(), recovers(), fires(-5))
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await command(handle, commands.Acknowledge.name, "late")
        assert isinstance(refused.value.cause, ApplicationError)
        assert "the incident is closed" in refused.value.cause.message
        again = await command(handle, commands.Close.name, "again", reason="duplicate")
        assert again["changed"] is False
        assert await status_of(handle) == "closed"
        assert len(harness.pager.delivered) == 1

        async def is_listed_as_closed() -> bool:
            return await listed(harness, id) == ["closed"]

        await eventually(is_listed_as_closed, "it is listed as closed")
        assert await listed(harness, id, include_closed=False) == []
        assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING

        first = (await handle.query(QUERY_INCIDENT))["id"]
        await deliver(harness, id, fires(20, key="disk"), fires())
        await until(took(harness, handle, 2))
        second = await handle.query(QUERY_INCIDENT)
        assert second["previous"] == first
        assert second["alerts"]["distinct"] == 1  # what the first one knew came along
        await handle.cancel()


@pytest.mark.recorded("alert-recalled")
async def test_a_redelivery_after_the_memory_is_recognised_by_the_next_run(
    dev_harness: Harness,
) -> None:
    harness = dev_harness
    harness.policy = {**ONE_LEVEL, "remember_for": "1s"}
    async with harness.working():
        id = new_id()
        handle = await opened(harness, id)
        await deliver(harness, id, recovers())
        first = await handle.result()
        assert first["alerts"]["cpu"].keys() == {"fired_at", "recovered_from", "recovered_at"}
        await completed(harness, id, first)

        result = first
        for _ in range(2):
            handle = await deliver(harness, id, fires(), recovers())
            result = await handle.result()
            assert (result["status"], result["title"]) == ("closed", "")
            await completed(harness, id, result)
        assert await listed(harness, id) == ["closed"]
        assert result["alerts"] == first["alerts"]
        assert len(harness.pager.delivered) == 1

        handle = await deliver(harness, id, fires(20))
        await until(took(harness, handle, 2))
        await handle.cancel()


@pytest.mark.recorded("alert-recovered-first")
async def test_a_recovery_that_comes_first_waits_for_its_firing(dev_harness: Harness) -> None:
    harness = dev_harness
    harness.policy = {**ONE_LEVEL, "remember_for": "1h"}
    async with harness.working():
        id = new_id()
        handle = await deliver(harness, id, recovers())
        await until(becomes(handle, "new"))
        await deliver(harness, id, fires(), recovers())
        assert await timeline(handle) == []
        assert await listed(harness, id) == []
        await deliver(harness, id, fires(20))
        await until(says(handle, "Page delivered"))
        assert await status_of(handle) == "open"
        await handle.cancel()


@pytest.mark.parametrize("how", ["terminated", "never"])
async def test_what_no_completed_run_has_left_is_not_known(dev_harness: Harness, how: str) -> None:
    harness = dev_harness
    harness.policy = {**ONE_LEVEL, "remember_for": "1h"}
    async with harness.working():
        id = new_id()
        if how == "terminated":
            handle = await opened(harness, id)
            await deliver(harness, id, recovers())
            await until(says(handle, "Post-incident report written"))
            await handle.terminate()
        before = len(harness.pager.delivered)
        handle = await deliver(harness, id, fires())
        await until(took(harness, handle, before + 1))
        await handle.cancel()


async def test_an_unavailable_visibility_store_is_asked_again(
    dev_harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = dev_harness
    harness.policy = {**ONE_LEVEL, "remember_for": "1s"}
    failures = 2

    async def failing(client: Client, workflow_id: str, run_id: str) -> Any:
        nonlocal failures
        if failures:
            failures -= 1
            raise TemporalUnavailable("no visibility")
        return await last_result(client, workflow_id, run_id)

    async with harness.working():
        id = new_id()
        handle = await deliver(harness, id, fires(), recovers())
        await completed(harness, id, await handle.result())
        pages = len(harness.pager.delivered)
        monkeypatch.setattr(activities, "last_result", failing)
        handle = await deliver(harness, id, fires())
        await handle.result()
        assert failures == 0
        assert len(harness.pager.delivered) == pages


async def test_a_worker_that_may_not_list_opens_and_says_so(
    dev_harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forbidden(client: Client, workflow_id: str, run_id: str) -> Any:
        raise ConfigurationError("not allowed")

    harness = dev_harness
    monkeypatch.setattr(activities, "last_result", forbidden)
    async with harness.working():
        handle = await opened(harness, new_id())
        assert await says(handle, "What was known of its alerts cannot be read: not allowed")()
        await handle.cancel()


@pytest.mark.parametrize(
    "window", ["0s", pytest.param("1h", marks=pytest.mark.recorded("alert-held"))]
)
async def test_an_alert_of_replicas_is_held_and_then_pages(
    dev_harness: Harness, window: str
) -> None:
    harness = dev_harness
    harness.policy = {**ONE_LEVEL, "settle": "1s", "reopen_window": window, "remember_for": "1h"}
    async with harness.working():
        id = new_id()
        handle = await opened(harness, id, replicated=True)
        await deliver(harness, id, recovers(replicated=True))
        await until(says(handle, "Post-incident report written"))
        await deliver(harness, id, fires(replicated=True, labels={"cluster": "eu"}))
        await until(took(harness, handle, 2))
        found = await handle.query(QUERY_INCIDENT)
        assert found["status"] == "open"
        assert (found["labels"] == {"cluster": "eu"}) == (window == "0s")
        assert len({page.key for page, _ in harness.pager.delivered}) == 2
        await handle.cancel()


@pytest.mark.recorded("silent-continued")
async def test_a_silent_workflow_hands_its_memory_to_the_next_run(
    dev_harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = dev_harness
    harness.policy = {**ONE_LEVEL, "remember_for": "1h"}
    harness.continue_as_new_after = 60
    async with harness.working():
        id = new_id()
        handle = await deliver(harness, id, fires(), recovers())
        await until(becomes(handle, "closed"))
        for _ in range(30):
            await handle.signal(SIGNAL_EVENT, [fires(), recovers()])

        async def has_continued() -> bool:
            return len(await runs(harness, id)) > 1

        await until(has_continued)
        assert await status_of(handle) == "closed"
        await handle.signal(SIGNAL_EVENT, [fires()])
        assert await status_of(handle) == "closed"
        assert len(harness.pager.delivered) <= 1
        assert await listed(harness, id, include_closed=False) == []
        for run in await runs(harness, id):
            history = await run.fetch_history()
            assert not failed_tasks(history)
            await replay(history)
        await handle.cancel()


async def test_a_run_continues_as_new_when_its_history_is_large(dev_harness: Harness) -> None:
    harness = dev_harness
    async with harness.working():
        id = new_id()
        handle = await opened(harness, id)
        for number in range(12):  # a task knows the size of the history before it
            wire = fires(number, original={"text": "x" * 300_000})
            await handle.signal(SIGNAL_EVENT, wire)

        async def has_continued() -> bool:
            return len(await runs(harness, id)) > 1

        await until(has_continued)
        await until(says(handle, "Alert fires"))
        found = await handle.query(QUERY_INCIDENT)
        assert found["alerts"]["fired"] == 13
        sizes = []
        for run in await runs(harness, id):
            history = await run.fetch_history()
            sizes.append(len(history.to_json()))
            await replay(history)
        assert len(sizes) > 1
        await handle.cancel()
    assert run_state.HISTORY_BYTES == 2_000_000
    assert len(harness.pager.delivered) == 1


@pytest.mark.parametrize("works", [True, False])
async def test_a_hundred_alerts_of_nearly_a_megabyte_lose_nothing(
    dev_harness: Harness, works: bool
) -> None:
    harness = dev_harness
    id = new_id()
    handle = await deliver(harness, id, fires())
    wires = [
        signalled(Event.from_wire(fires(key=f"disk {number}", original={"x": "y" * 900_000})))
        for number in range(100)
    ]
    if not works:
        for wire in wires:
            await handle.signal(SIGNAL_EVENT, wire)
    async with harness.working():
        if works:
            for wire in wires:
                await handle.signal(SIGNAL_EVENT, wire)

        async def all_counted() -> bool:
            return bool((await handle.query(QUERY_INCIDENT))["alerts"]["distinct"] == 101)

        await until(all_counted)
        assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
        await handle.cancel()


async def test_cancelled_while_it_is_silent_it_ends_immediately(dev_harness: Harness) -> None:
    harness = dev_harness
    harness.policy = {**ONE_LEVEL, "remember_for": "1h"}
    async with harness.working():
        handle = await deliver(harness, new_id(), fires(), recovers())
        await until(becomes(handle, "closed"))
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as ended:
            await handle.result()
        assert isinstance(ended.value.cause, CancelledError)


async def test_a_start_that_no_signal_follows_fails(harness: Harness) -> None:
    async with harness.working():
        handle = await harness.client.start_workflow(
            INCIDENT_WORKFLOW, id=new_id(), task_queue=harness.queue
        )
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.type == "InvalidEvent"
    assert "started without an event" in failed.value.cause.message


BAD_REPORT: Final = Event(
    id="bad", source="q", type=MESSAGE, key="q/bad", data={"severity": "high"}
).to_wire()


async def silence_of(handle: WorkflowHandle[Any, Any]) -> Any:
    return (await handle.query(QUERY_INCIDENT))["silent_until"]


async def test_an_invalid_event_in_the_silence_takes_nothing_from_the_memory(
    dev_harness: Harness,
) -> None:
    harness = dev_harness
    harness.policy = {**ONE_LEVEL, "remember_for": "5s"}
    async with harness.working():
        id = new_id()
        handle = await opened(harness, id)
        await deliver(harness, id, recovers())
        await until(becomes(handle, "closed"))
        await until(says(handle, "Post-incident report written"))
        first, until_then = await handle.query(QUERY_INCIDENT), await silence_of(handle)
        await handle.signal(SIGNAL_EVENT, BAD_REPORT)
        await until(says(handle, "An event brought no report"))
        assert await status_of(handle) == "new"
        assert await silence_of(handle) == until_then
        await handle.signal(SIGNAL_EVENT, [fires(), BAD_REPORT])
        assert await silence_of(handle) == until_then
        result = await handle.result()
        assert list(result["alerts"]) == ["cpu"]
        await completed(harness, id, result)
        handle = await deliver(harness, id, fires())
        await completed(harness, id, await handle.result())
        assert len(harness.pager.delivered) == 1
        assert len(list((harness.root / "quarantine").glob("*.json"))) >= 1
        for run in await runs(harness, id):
            assert not failed_tasks(await run.fetch_history())
    assert first["status"] == "closed"


async def test_after_an_invalid_event_in_the_silence_the_next_incident_follows_the_last(
    dev_harness: Harness,
) -> None:
    harness = dev_harness
    harness.policy = {**ONE_LEVEL, "remember_for": "1h"}
    harness.continue_as_new_after = 60
    async with harness.working():
        id = new_id()
        handle = await opened(harness, id)
        await deliver(harness, id, recovers())
        await until(becomes(handle, "closed"))
        first = (await handle.query(QUERY_INCIDENT))["id"]
        await handle.signal(SIGNAL_EVENT, BAD_REPORT)
        await until(becomes(handle, "new"))
        await until(says(handle, "An event brought no report"))
        known = len(await runs(harness, id))
        for _ in range(30):
            await handle.signal(SIGNAL_EVENT, [fires(), recovers()])

        async def has_continued() -> bool:
            return len(await runs(harness, id)) > known

        await until(has_continued)
        await deliver(harness, id, fires(20))
        await until(took(harness, handle, 2))
        second = await handle.query(QUERY_INCIDENT)
        assert (second["status"], second["previous"]) == ("open", first)
        await handle.cancel()


async def test_an_invalid_event_after_the_close_does_not_lose_a_report_that_waits(
    dev_harness: Harness,
) -> None:
    harness = dev_harness
    slow = Folder()  # of the reports, not of the quarantine
    slow.writable.clear()
    harness.documents = DocumentStores({"file": lambda: slow}, roots=[f"file://{harness.root}/"])
    async with harness.working():
        id = new_id()
        handle = harness.client.get_workflow_handle(id)
        await harness.start(harness.upload('{"title": "Checkout answers 500"}'), id)
        await until(says(handle, "Page delivered"))
        await command(handle, commands.Resolve.name, "end")
        await command(handle, commands.Close.name, "close", reason="resolved")
        await slow.writing.wait()
        await handle.signal(SIGNAL_EVENT, BAD_REPORT)
        await until(says(handle, "An event brought no report"))
        slow.writable.set()
        assert (await handle.result())["status"] == "closed"
    reports = [path.read_text() for path in (harness.root / "reports").rglob("*.md")]
    assert any("closed (resolved)" in report for report in reports)


class WithoutReports(Folder):
    """A store that does not take reports until it is `open`."""

    open = False

    async def write(self, uri: str, *args: Any, **kwargs: Any) -> DocumentRef:
        if "/report" in uri.removeprefix("file:").rpartition("/reports/")[2] and not self.open:
            raise StoreUnavailable(f"{uri}: no answer")
        return await super().write(uri, *args, **kwargs)


async def test_a_closed_incident_whose_report_waits_continues_as_new(
    dev_harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(continue_as_new, "SETTLING", timedelta(seconds=1))
    harness = dev_harness
    harness.policy = {**ONE_LEVEL, "remember_for": "1h"}
    harness.continue_as_new_after = 60
    harness.folder = store = WithoutReports()
    async with harness.working():
        id = new_id()
        handle = await opened(harness, id)
        await command(handle, commands.Close.name, "close", reason="duplicate")
        for _ in range(30):
            await handle.signal(SIGNAL_EVENT, [fires()])

        async def has_continued() -> bool:
            return len(await runs(harness, id)) > 1

        await until(has_continued)
        assert await status_of(handle) == "closed"
        store.open = True
        await until(says(handle, "Post-incident report written"))
        await handle.cancel()
