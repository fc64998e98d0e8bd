"""What an incident that lasts a year asks of its worker: a wake for each word about it and each of
its deadlines, and none in between. A worker that sleeps in between costs nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from core.contracts import SIGNAL_EVENT
from core.domain.incident import commands
from tests.support.incidents import ON_CALL, Harness, alert, command, says, until

DAY = 86_400
TASK = EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED
TIMER = EventType.EVENT_TYPE_TIMER_FIRED
TOGETHER = timedelta(minutes=1)
"""Tasks that are no further apart are done by one wake: a page takes several."""


async def wakes(handle: WorkflowHandle[Any, Any]) -> list[datetime]:
    """When a worker that sleeps would have been woken for this incident."""
    found: list[datetime] = []
    last: datetime | None = None
    async for event in handle.fetch_history_events():
        if event.event_type == TASK:
            now = event.event_time.ToDatetime()
            if last is None or now - last > TOGETHER:
                found.append(now)
            last = now
    return found


async def timers(handle: WorkflowHandle[Any, Any]) -> int:
    return len([e async for e in handle.fetch_history_events() if e.event_type == TIMER])


@pytest.fixture
def year(harness: Harness) -> Harness:
    harness.policy = {"levels": [{"after": "0s", "targets": [ON_CALL]}]}
    return harness


async def opened(harness: Harness) -> WorkflowHandle[Any, Any]:
    handle = await harness.start(alert())
    await until(says(handle, "Page delivered"))
    return handle


async def test_an_acknowledged_incident_wakes_nobody_for_a_year(
    year: Harness, server: WorkflowEnvironment
) -> None:
    async with year.working():
        handle = await opened(year)
        await command(handle, commands.Acknowledge.name, "c1")
        before = await wakes(handle)
        await server.sleep(360 * DAY)
        assert await wakes(handle) == before
        await handle.signal(SIGNAL_EVENT, alert(status="resolved", number=1))
        await handle.result()
    assert len(await wakes(handle)) <= len(before) + 2  # the recovery, and the end of its window


async def test_a_year_of_snoozes_is_a_wake_for_each_word_and_each_timer(
    year: Harness, server: WorkflowEnvironment
) -> None:
    async with year.working():
        handle = await opened(year)
        before, fired = len(await wakes(handle)), await timers(handle)
        for month in range(11):
            await server.sleep(29 * DAY)
            await command(handle, commands.Snooze.name, f"c{month}", **{"for": 30 * DAY})
        await server.sleep(31 * DAY)
        await until(lambda: len(year.pager.delivered) == 2)
        fired = await timers(handle) - fired
        assert len(await wakes(handle)) == before + 11 + fired
        assert fired <= 11  # a deadline that a word postpones keeps its timer
        await command(handle, commands.Close.name, "end", reason="false_alarm")
        await handle.result()


async def test_an_incident_that_is_repaged_every_month_wakes_once_for_each_page(
    year: Harness, server: WorkflowEnvironment
) -> None:
    year.policy["repage_every"] = "30d"
    async with year.working():
        handle = await opened(year)
        before = len(await wakes(handle))
        for page in range(11):
            await server.sleep(30 * DAY + 60)
            await until(lambda page=page: len(year.pager.delivered) == page + 2)
        assert len(await wakes(handle)) == before + 11
        await command(handle, commands.Close.name, "end", reason="false_alarm")
        await handle.result()
