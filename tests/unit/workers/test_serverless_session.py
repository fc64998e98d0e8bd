"""When a serverless worker ends: what its slots know, and the limits that are held against it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from temporalio.worker import SlotPermit

from core.config.settings import Settings
from core.contracts import SERVERLESS_RESERVE
from core.errors import SettingsError
from workers.runtime import process
from workers.serverless import session
from workers.serverless.session import Limits, serve
from workers.serverless.slots import Kind, Sizes, Work, _Slots


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def work(clock: Clock) -> Work:
    return Work(clock)


LIMITS = Limits(idle=2, first_task=5, drain=25, cut_at=225)


def test_before_the_first_task_it_waits_longer(clock: Clock, work: Work) -> None:
    assert LIMITS.time_left(work, clock.now) == 5
    clock.now += 4
    assert LIMITS.time_left(work, clock.now) == 1
    clock.now += 1
    assert LIMITS.time_left(work, clock.now) == 0


def test_after_a_task_it_waits_for_the_idle_timeout(clock: Clock, work: Work) -> None:
    task = SlotPermit()
    work.begin(task, Kind.WORKFLOW)
    clock.now += 0.5
    work.end(task)
    clock.now += 1.5
    assert LIMITS.time_left(work, clock.now) == 0.5


def test_while_something_runs_it_is_not_idle(clock: Clock, work: Work) -> None:
    page, task = SlotPermit(), SlotPermit()
    work.begin(page, Kind.ACTIVITY)
    work.begin(task, Kind.WORKFLOW)
    work.end(task)
    clock.now += 60
    assert LIMITS.time_left(work, clock.now) == 2
    work.end(page)
    clock.now += 2
    assert LIMITS.time_left(work, clock.now) == 0


def test_near_the_deadline_it_stops_whatever_runs(clock: Clock, work: Work) -> None:
    work.begin(SlotPermit(), Kind.ACTIVITY)
    clock.now = 199.5
    assert LIMITS.time_left(work, clock.now) == 0.5
    clock.now = 200.5
    assert LIMITS.time_left(work, clock.now) < 0


def test_a_slot_that_was_never_used_is_no_task(clock: Clock, work: Work) -> None:
    clock.now += 3
    work.end(SlotPermit())
    assert LIMITS.time_left(work, clock.now) == 2
    assert not work.done


def test_the_busy_time_counts_tasks_that_overlap_once(clock: Clock, work: Work) -> None:
    first, second = SlotPermit(), SlotPermit()
    work.begin(first, Kind.WORKFLOW)
    clock.now += 1
    work.begin(second, Kind.LOCAL_ACTIVITY)
    clock.now += 1
    work.end(first)
    clock.now += 1
    work.end(second)
    clock.now += 7
    assert work.busy_for() == 3
    assert dict(work.done) == {Kind.WORKFLOW: 1, Kind.LOCAL_ACTIVITY: 1}


async def test_slots_are_as_many_as_configured_and_a_freed_one_is_used(work: Work) -> None:
    slots = _Slots(work, Kind.ACTIVITY, 2)
    first, _ = await slots.reserve_slot(None), await slots.reserve_slot(None)  # type: ignore[arg-type]
    assert slots.try_reserve_slot(None) is None  # type: ignore[arg-type]
    waiting = asyncio.create_task(slots.reserve_slot(None))  # type: ignore[arg-type]
    for _ in range(3):
        await asyncio.sleep(0)
    assert not waiting.done()
    released = type("Released", (), {"permit": first})()
    await asyncio.to_thread(slots.release_slot, released)
    await asyncio.wait_for(waiting, 5)


async def nothing(*_: object) -> None:
    """In place of the check of the namespace."""


class OneTask:
    """A worker that gets one task, and then none."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        for _ in range(20):  # until the session waits, and nothing else will wake it
            await asyncio.sleep(0)
        task = SlotPermit()
        self._work.begin(task, Kind.WORKFLOW)
        self._work.end(task)
        await self._stopping.wait()

    async def shutdown(self) -> None:
        self._stopping.set()


async def test_a_session_ends_by_the_idle_timeout_once_a_first_task_has_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work = Work()
    monkeypatch.setattr(session, "_check", nothing)
    monkeypatch.setattr(process, "worker", lambda *_, **__: OneTask(work))
    now = time.monotonic()
    plan = process.Plan(task_queue="queue", workflows=[], activities=[])
    async with asyncio.timeout(30):
        await serve(
            SimpleNamespace(),  # type: ignore[arg-type]
            [plan],
            build_id="b1",
            identity="",
            limits=Limits(idle=0.1, first_task=600, drain=0, cut_at=now + 600),
            work=work,
            sizes=Sizes(1, 1, 1),
        )


SETTINGS = replace(Settings(), drain_timeout=20, first_task_timeout=5)


def test_polling_stops_the_drain_timeout_before_the_deadline() -> None:
    limits = Limits.of(SETTINGS, deadline=1060, now=1000)
    assert limits.time_left(Work(), 1060 - SERVERLESS_RESERVE - 20) == 0
    assert limits.cut_at == 1060 - SERVERLESS_RESERVE


def test_a_function_whose_timeout_is_too_short_is_refused() -> None:
    with pytest.raises(SettingsError) as refused:
        Limits.of(SETTINGS, deadline=1026, now=1000)
    assert "it needs 27, which are TIDEGATE_DRAIN_TIMEOUT=20" in str(refused)


def test_of_two_retries_that_are_due_the_later_one_is_waited_for(clock: Clock, work: Work) -> None:
    work.expect(clock.now + 9)
    work.expect(clock.now + 3)
    assert work.due_in() == 9


def test_a_slot_that_is_released_has_done_its_task(work: Work) -> None:
    async def use() -> None:
        slots = _Slots(work, Kind.ACTIVITY, 1)
        context = SimpleNamespace(permit=await slots.reserve_slot(None))  # type: ignore[arg-type]
        slots.mark_slot_used(context)  # type: ignore[arg-type]
        assert (work.running(), work.idle_for()) == (1, 0)
        slots.release_slot(context)  # type: ignore[arg-type]

    asyncio.run(use())
    assert (work.running(), dict(work.done)) == (0, {Kind.ACTIVITY: 1})


def test_a_retry_that_is_due_is_waited_for(clock: Clock, work: Work) -> None:
    task = SlotPermit()
    work.begin(task, Kind.ACTIVITY)
    work.expect(clock.now + 2.5)
    work.end(task)
    clock.now += 2
    assert LIMITS.time_left(work, clock.now) == 0.5
    clock.now += 0.5
    assert LIMITS.time_left(work, clock.now) == 0
