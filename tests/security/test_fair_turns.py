"""One noisy sender cannot starve another: calls go in turns by the way in."""

from __future__ import annotations

import asyncio
from pathlib import Path

from core import bootstrap
from core.config.settings import Settings
from core.domain.event import Event
from core.formats.registry import read
from core.formats.shared.delivery import Arrival, Delivery, way_headers, webhook_way
from core.intake.turns import Turns
from core.ports.workflows import Sent
from tests.support.workflows_port import MemoryWorkflows

SLOTS = 4


class StepByStep(MemoryWorkflows):
    """Answers one call whenever `step` is called; `order` has the source of each as it was made."""

    def __init__(self) -> None:
        super().__init__()
        self.order: list[str] = []
        self._open: list[asyncio.Event] = []

    async def orchestrate(self, event: Event, *, table: str) -> Sent:
        self.order.append(event.way)
        answered = asyncio.Event()
        self._open.append(answered)
        await answered.wait()
        return await super().orchestrate(event, table=table)

    async def step(self) -> None:
        self._open.pop(0).set()
        await settled()

    async def drain(self) -> None:
        while self._open:
            await self.step()


async def settled() -> None:
    """Returns when every task has done what it can do now."""
    for _ in range(50):
        await asyncio.sleep(0)


def events(hook: str, count: int, delivery: int = 0) -> list[Arrival]:
    body = b"[%s]" % b",".join(
        b'{"specversion":"1.0","id":"%d-%d","source":"/a","type":"t"}' % (delivery, n)
        for n in range(count)
    )
    headers = way_headers(webhook_way(hook))
    return read(Delivery(format="message", body=body, headers=headers, unique=f"{hook}{delivery}"))


async def test_a_single_event_waits_for_one_call_of_a_delivery_of_a_thousand(
    tmp_path: Path,
) -> None:
    workflows = StepByStep()
    settings = Settings(quarantine=f"file://{tmp_path}", concurrency=SLOTS)
    intake = bootstrap.intake(settings, workflows=workflows)
    noisy = asyncio.create_task(intake.accept(events("noisy", 1000)))
    await settled()
    assert workflows.order == ["webhook:noisy"] * SLOTS
    quiet = asyncio.create_task(intake.accept(events("quiet", 1)))
    await settled()
    await workflows.step()
    assert workflows.order[SLOTS:] == ["webhook:quiet"]
    await workflows.drain()
    assert {receipt.verdict for receipt in await noisy} == {"started"}
    assert [receipt.verdict for receipt in await quiet] == ["started"]


async def test_many_deliveries_of_one_endpoint_do_not_make_another_wait_longer(
    tmp_path: Path,
) -> None:
    workflows = StepByStep()
    settings = Settings(quarantine=f"file://{tmp_path}", concurrency=SLOTS)
    intake = bootstrap.intake(settings, workflows=workflows)
    noisy = [asyncio.create_task(intake.accept(events("noisy", 20, delivery=n))) for n in range(10)]
    await settled()
    quiet = asyncio.create_task(intake.accept(events("quiet", 3)))
    await settled()
    for _ in range(6):
        await workflows.step()
    assert workflows.order[SLOTS:].count("webhook:quiet") == 3
    await workflows.drain()
    await asyncio.gather(quiet, *noisy)


async def test_a_large_delivery_has_no_more_tasks_than_calls_in_flight(tmp_path: Path) -> None:
    workflows = StepByStep()
    settings = Settings(quarantine=f"file://{tmp_path}", concurrency=SLOTS)
    intake = bootstrap.intake(settings, workflows=workflows)
    before = len(asyncio.all_tasks())
    noisy = asyncio.create_task(intake.accept(events("noisy", 1000)))
    await settled()
    assert len(asyncio.all_tasks()) - before == 1 + SLOTS
    await workflows.drain()
    await noisy


async def test_a_slot_is_not_lost_with_whoever_stops_waiting_for_it() -> None:
    turns = Turns(1)

    async def hold(way: str) -> None:
        async with turns.take(way):
            pass

    async with turns.take("a"):
        waiting = [asyncio.create_task(hold(way)) for way in ("a", "b", "b", "c")]
        await settled()
        waiting[1].cancel()  # before its turn
        await settled()
        waiting[3].cancel()  # in the same moment as the release
    waiting[0].cancel()  # its turn has come, and it has not run since
    await asyncio.wait(waiting, timeout=5)
    assert waiting[2].exception() is None
    await asyncio.wait_for(hold("d"), timeout=5)


async def test_the_ways_that_wait_have_their_turns_in_rotation() -> None:
    turns = Turns(1)
    order: list[str] = []

    async def hold(way: str) -> None:
        async with turns.take(way):
            order.append(way)

    async with turns.take("first"):
        waiting = [asyncio.create_task(hold(way)) for way in ("a", "a", "a", "b", "c", "b")]
        await settled()
    await asyncio.wait(waiting, timeout=5)
    assert order == ["a", "b", "c", "a", "b", "a"]
