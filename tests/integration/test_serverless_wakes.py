"""What wakes a worker that sleeps, and what it costs: a Temporal server that invokes the function
by itself, and processes that end when they are idle."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.cli import Tidegate
from tests.support.sleepers import Sleepers, end, unique, until
from tests.support.soak import SOAKING

pytestmark = pytest.mark.slow
log = logging.getLogger(__name__)

CLOCKS = timedelta(seconds=0.1)
"""By how much the server's timer and the clock of an invocation may differ."""
RESERVED = 2
"""The concurrency that a burst has to do with."""


async def test_an_event_an_update_a_timer_and_a_query_each_wake_the_worker_and_nothing_else_does(
    sleepers: Sleepers, tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A snoozed incident wakes nobody until its snooze ends, and then pages as late as a worker
    takes to start."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", sleepers.up.address)
    length = 60 if SOAKING else 8
    client = await sleepers.client()
    name = unique("woken")
    handle = await sleepers.alert(client, name)
    await sleepers.paged(name)

    async def answer(*words: str) -> Any:
        await sleepers.asleep()
        begun = time.monotonic()
        done = await asyncio.to_thread(tidegate, "incident", *words, "--json")
        assert done.code == 0, done
        log.info("incident %s was answered after %.1f s", words[0], time.monotonic() - begun)
        return done.json

    due = datetime.fromisoformat((await answer("snooze", handle.id, f"{length}s"))["snoozed_until"])
    await asyncio.to_thread(sleepers.up.wait_asleep)
    fell_asleep = datetime.now(UTC)
    await sleepers.paged(name, 2)
    late = (datetime.now(UTC) - due).total_seconds()
    log.info("the page at the end of a snooze of %d s was %.1f s late", length, late)
    assert (await answer("show", handle.id))["incident"]["status"] == "open"
    await end(handle)
    await sleepers.asleep()
    begun = [wake.started for wake in sleepers.up.invocations()]
    assert any(at >= due - CLOCKS for at in begun)
    assert [at for at in begun if fell_asleep < at < due - CLOCKS] == []
    assert {wake.outcome for wake in sleepers.up.invocations()} <= {"succeeded", "killed"}
    assert len(sleepers.pages(name)) == 2


@pytest.mark.soak
@pytest.mark.skipif(not SOAKING, reason="one event proves what the others do: make soak")
async def test_events_at_any_moment_of_a_workers_end_are_all_answered(sleepers: Sleepers) -> None:
    """An event may come while the worker works, waits, drains, has just ended, or sleeps."""
    chance = random.Random(14)  # noqa: S311  # the same moments in each run
    client = await sleepers.client()
    late = []
    for _ in range(60):
        name = unique("moment")
        begun = time.monotonic()
        handle = await sleepers.alert(client, name)
        await sleepers.paged(name)
        late.append(time.monotonic() - begun)
        await end(handle)
        await asyncio.sleep(chance.uniform(0.5, 3.5))  # it is idle for a second, and then ends
        assert len(sleepers.pages(name)) == 1
    late.sort()
    p50, p100 = late[len(late) // 2], late[-1]
    log.info("%d events: p50 %.1f s, p100 %.1f s", len(late), p50, p100)


@pytest.mark.soak
async def test_a_burst_drains_within_the_reserved_concurrency(sleepers: Sleepers) -> None:
    """Two invocations share the work, or one finds none and ends; others are refused."""
    client = await sleepers.client()
    await sleepers.asleep()
    names = [unique("burst") for _ in range(500 if SOAKING else 20)]
    begun = time.monotonic()
    with sleepers.counting() as wakes, sleepers.up.reserving(RESERVED):
        await asyncio.to_thread(sleepers.invoke)
        handles = await asyncio.gather(*(sleepers.alert(client, name) for name in names))
        await until(
            lambda: all(sleepers.pages(name) for name in names), "a page for each", patience=600
        )
        took = time.monotonic() - begun
        await asyncio.gather(*(end(handle) for handle in handles))
        await sleepers.asleep()
    assert all(len(sleepers.pages(name)) == 1 for name in names)
    assert len(wakes) >= 2
    most = most_concurrent([(wake.started, wake.ended) for wake in wakes])
    log.info(
        "%d events in %.0f s, %d invocations, %d concurrently", len(names), took, len(wakes), most
    )
    assert most <= RESERVED


def most_concurrent(spans: list[tuple[datetime, datetime]]) -> int:
    """How many spans there are at the moment that most share."""
    moments = sorted([(at, 1) for at, _ in spans] + [(at, -1) for _, at in spans])
    most = now = 0
    for _, change in moments:
        now += change
        most = max(most, now)
    return most
