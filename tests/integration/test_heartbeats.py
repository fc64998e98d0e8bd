"""Heartbeats on Temporal's time-skipping server: what is missed alarms, and an outage does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.testing import WorkflowEnvironment

from core.contracts import SIGNAL_EVENT, UPDATE_PAUSE, UPDATE_RESUME
from core.domain.heartbeat.model import Heartbeat, Status
from core.domain.heartbeat.names import workflow_id
from tests.support.eventually import eventually
from tests.support.heartbeats import Harness, rules
from workers.heartbeat import activities
from workers.heartbeat.workflows import HISTORY_EVENTS

MISSED, RECOVERED = "heartbeat:backup firing", "heartbeat:backup resolved"
OFTEN = ("cron", "ping", "probe")
ALL_SILENT, HEARD_AGAIN = "heartbeats firing", "heartbeats resolved"


@pytest.fixture
async def hearts(
    server: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> AsyncIterator[Harness]:
    """A heartbeat of an hour. What the worker remembers by its own clock is forgotten: hours pass
    here in no time."""
    monkeypatch.setattr(activities, "HEED_FOR", 0.0)
    monkeypatch.setattr(activities, "REPEATED_AFTER", 0.0)
    harness = Harness(server.client, rules(backup={"every": "1h", "grace": "10m"}))
    yield harness
    await harness.end(request.node.get_closest_marker("recorded"))


async def hours(server: WorkflowEnvironment, count: float) -> None:
    """Let hours pass, in several calls: one takes as long as all that happens meanwhile."""
    for _ in range(round(count * 4)):
        await server.sleep(900)


async def until(harness: Harness, name: str, status: Status) -> Heartbeat:
    async def has_it() -> Heartbeat | None:
        state = await harness.state(name)
        return state if state.status is status else None

    return await eventually(has_it, f"{name} is {status}")


async def test_what_is_heard_in_time_does_not_alarm(
    hearts: Harness, server: WorkflowEnvironment
) -> None:
    async with hearts.working():
        for _ in range(5):
            await hearts.beat("backup")
            await server.sleep(3600 + 599)
        state = await until(hearts, "backup", Status.UP)
    assert (state.beats, hearts.intake.alerts) == (5, [])


@pytest.mark.recorded("missed")
async def test_what_is_missed_alarms_until_it_is_heard(
    hearts: Harness, server: WorkflowEnvironment
) -> None:
    async with hearts.working():
        await hearts.beat("backup")
        await server.sleep(3600 + 601)
        await hearts.alerted(MISSED)
        assert (await hearts.state("backup")).status is Status.MISSED
        await server.sleep(86_400)
        await hearts.beat("backup")
        await hearts.alerted(MISSED, RECOVERED)
        assert (await hearts.state("backup")).status is Status.UP


async def test_what_was_never_heard_alarms(hearts: Harness, server: WorkflowEnvironment) -> None:
    async with hearts.working():
        await hearts.sync("backup")
        await until(hearts, "backup", Status.WAITING)
        await server.sleep(3600 + 601)
        await hearts.alerted(MISSED)
    assert hearts.intake.events[0].data["title"] == "Heartbeat backup was never heard"


async def test_a_failed_beat_alarms_immediately(hearts: Harness) -> None:
    async with hearts.working():
        await hearts.beat("backup", status="failed", exit_code=3)
        await hearts.alerted(MISSED)
        await hearts.beat("backup")
        await hearts.alerted(MISSED, RECOVERED)
    title = hearts.intake.events[0].data["title"]
    assert title == "Heartbeat backup failed: it ended with exit code 3"


async def test_an_alarm_that_cannot_be_accepted_waits(
    hearts: Harness, server: WorkflowEnvironment
) -> None:
    hearts.intake.broken = True
    async with hearts.working():
        await hearts.beat("backup", status="failed")
        await server.sleep(1800)
        hearts.intake.broken = False
        await server.sleep(120)
        await hearts.alerted(MISSED)
    assert hearts.intake.attempts > 5


@pytest.mark.recorded("paused")
async def test_a_paused_heartbeat_alarms_once_it_is_resumed(
    hearts: Harness, server: WorkflowEnvironment
) -> None:
    pause: dict[str, Any] = {"by": "ana", "why": "the database moves"}
    async with hearts.working():
        handle = await hearts.beat("backup", status="failed")
        await hearts.alerted(MISSED)
        await handle.execute_update(UPDATE_PAUSE, pause)
        await hearts.alerted(MISSED, RECOVERED)
        await server.sleep(86_400)
        assert (await until(hearts, "backup", Status.PAUSED)).pause
        await handle.execute_update(UPDATE_RESUME)
        await server.sleep(3600 + 601)
        await hearts.alerted(MISSED, RECOVERED, MISSED)


@pytest.mark.parametrize("is_declared", [True, False])
async def test_a_pause_waits_for_a_declaration_that_is_not_read_yet(
    hearts: Harness, is_declared: bool
) -> None:
    """As after `heartbeats sync`, while workers sleep."""
    if not is_declared:
        hearts.heartbeats = {}
    handle = await hearts.beat("backup")
    pausing = asyncio.create_task(handle.execute_update(UPDATE_PAUSE, {"by": "ana"}))
    async with hearts.working():
        if is_declared:
            await pausing
            await until(hearts, "backup", Status.PAUSED)
        else:
            with pytest.raises(WorkflowUpdateFailedError) as refused:
                await pausing
            assert "not in the on-call file" in str(refused.value.cause)
            await until(hearts, "backup", Status.UNDECLARED)


async def test_a_pause_that_waited_is_not_lost_where_its_run_continues_as_a_new_one(
    hearts: Harness,
) -> None:
    handle = await hearts.beat("backup")
    for _ in range(HISTORY_EVENTS // 50):
        await asyncio.gather(*(handle.signal(SIGNAL_EVENT, []) for _ in range(50)))
    pausing = asyncio.create_task(handle.execute_update(UPDATE_PAUSE, {"by": "ana"}))
    async with hearts.working():
        await pausing
        await until(hearts, "backup", Status.PAUSED)
        now = await hearts.client.get_workflow_handle(handle.id).describe()
        assert now.run_id != handle.result_run_id


async def test_a_pause_ends_by_itself(hearts: Harness, server: WorkflowEnvironment) -> None:
    async with hearts.working():
        handle = await hearts.beat("backup")
        until_then = (await server.get_current_time()).timestamp() + 7200
        pause = {"by": "ana", "until": until_then}
        await handle.execute_update(UPDATE_PAUSE, pause)
        await server.sleep(7200 + 3600 + 590)
        assert hearts.intake.alerts == []
        await server.sleep(20)
        await hearts.alerted(MISSED)


@pytest.mark.recorded("removed")
async def test_what_leaves_the_file_resolves_its_alert_and_ends(hearts: Harness) -> None:
    # Without a cache: this server offers no task to another worker while it waits for the first.
    async with hearts.working(max_cached_workflows=0):
        handle = await hearts.beat("backup", status="failed")
        await hearts.alerted(MISSED)
    hearts.heartbeats = {}
    async with hearts.working():
        await hearts.sync("backup")
        await hearts.alerted(MISSED, RECOVERED)
        assert (await handle.result())["over"]


async def test_what_is_not_declared_is_listed_for_a_day(
    hearts: Harness, server: WorkflowEnvironment
) -> None:
    async with hearts.working():
        handle = await hearts.beat("restore", status="failed")
        await server.sleep(3600 * 23)
        state = await until(hearts, "restore", Status.UNDECLARED)
        assert state.beat
        assert state.beat.failed
        await server.sleep(3600 * 2)
        assert (await handle.result())["beats"] == 1
    assert hearts.intake.alerts == []


async def test_what_is_declared_later_is_expected_from_then_on(
    hearts: Harness, server: WorkflowEnvironment
) -> None:
    async with hearts.working(max_cached_workflows=0):
        await hearts.beat("restore")
        await until(hearts, "restore", Status.UNDECLARED)
    hearts.heartbeats |= rules(restore={"every": "1h"})
    async with hearts.working():
        await server.sleep(1860)
        await until(hearts, "restore", Status.UP)
        await server.sleep(3600 + 61)
        await hearts.alerted("heartbeat:restore firing")


def with_witnesses(**more: Any) -> Any:
    """The heartbeat, and three others that are expected more often: its witnesses, and each
    other's."""
    return rules(
        backup={"every": "1h", "grace": "10m"},
        cron={"every": "5m", "grace": "50m"},
        ping={"every": "1m", "grace": "50m"},
        probe={"every": "1m", "grace": "50m"},
        **more,
    )


@asynccontextmanager
async def during_an_outage(hearts: Harness, server: WorkflowEnvironment) -> AsyncIterator[None]:
    """A worker, and heartbeats of which none was heard for an hour and a quarter. They ask each
    other every minute from when they are missed, and none may continue as a new run meanwhile: a
    query of a run that ends holds the clock of a time-skipping server for ever."""
    hearts.heartbeats = with_witnesses()
    async with hearts.working():
        for name in hearts.heartbeats:
            await hearts.beat(name)
        await hours(server, 1.25)
        yield


@pytest.mark.recorded("suspect")
async def test_while_nothing_is_heard_one_alert_speaks_for_all(
    hearts: Harness, server: WorkflowEnvironment
) -> None:
    async with during_an_outage(hearts, server):
        assert set(hearts.intake.alerts) == {ALL_SILENT}
        assert (await hearts.state("backup")).status is Status.SUSPECT
        for name in OFTEN:
            await hearts.beat(name)
        await server.sleep(120)
        await until(hearts, "backup", Status.UP)
        assert set(hearts.intake.alerts) == {ALL_SILENT, HEARD_AGAIN}
        await hearts.beat("backup")
        await server.sleep(60)
        assert set(hearts.intake.alerts) == {ALL_SILENT, HEARD_AGAIN}


async def test_what_stays_missing_after_an_outage_alarms(
    hearts: Harness, server: WorkflowEnvironment
) -> None:
    async with during_an_outage(hearts, server):
        for _ in range(25):
            for name in OFTEN:
                await hearts.beat(name)
            await server.sleep(60)
        assert hearts.intake.alerts.count(MISSED) == 1
        assert "heartbeat:probe firing" not in hearts.intake.alerts


async def test_what_is_missed_alarms_while_others_are_heard(
    hearts: Harness, server: WorkflowEnvironment
) -> None:
    hearts.heartbeats = with_witnesses()
    async with hearts.working():
        await hearts.beat("backup")
        for _ in range(72):
            for name in OFTEN:
                await hearts.beat(name)
            await server.sleep(60)
        await hearts.alerted(MISSED)


async def test_a_beat_counts_for_when_it_was_received(
    hearts: Harness, server: WorkflowEnvironment
) -> None:
    async with hearts.working():
        await hearts.sync("backup")
        await until(hearts, "backup", Status.WAITING)
        await server.sleep(1800)
        await hearts.beat("backup", at=await server.get_current_time() - timedelta(minutes=20))
        await until(hearts, "backup", Status.UP)
        await server.sleep(3000 + 1)
        await hearts.alerted(MISSED)


async def test_beats_cost_no_timer_and_the_history_stays_short(
    hearts: Harness, server: WorkflowEnvironment
) -> None:
    async with hearts.working():
        handle = await hearts.beat("backup")
        for _ in range(50):
            await hearts.beat("backup")
        await server.sleep(60)
        assert (await until(hearts, "backup", Status.UP)).beats == 51
        history = await handle.fetch_history()
        timers = [
            event for event in history.events if event.HasField("timer_started_event_attributes")
        ]
        assert len(timers) == 1


def test_the_workflow_ids_are_those_of_the_route() -> None:
    assert workflow_id("backup") == "heartbeat:backup"
