"""Edge and batch: what the S3 handler adds to the unavoidable start calls.

The baseline calls `client.start_workflow` with the same payload on the same server. Only that call
is timed: it reads, checks, logs and counts nothing.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from temporalio.client import Client

from core.contracts import ROOT_TASK_QUEUE, ROOT_WORKFLOW
from tests.benchmarks.figures import Figure, compare, p99, take_turns
from tests.benchmarks.harness import (
    as_event,
    batch,
    context,
    lambda_environment,
    notification,
    servers,
    settled,
)


class Bare:
    """Plain start calls with one client on one event loop."""

    def __init__(self, address: str) -> None:
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._client = self._runner.run(Client.connect(address))

    def start(self, count: int) -> float:
        """Starts this many workflows concurrently; returns the seconds."""
        wires = [as_event(notification()).to_wire() for _ in range(count)]
        return self._runner.run(self._start(wires))

    def close(self) -> None:
        self._runner.close()

    async def _start(self, wires: list[dict[str, Any]]) -> float:
        begun = time.perf_counter()
        if len(wires) == 1:
            await self._start_one(wires[0])
        else:
            await asyncio.gather(*map(self._start_one, wires))
        return time.perf_counter() - begun

    async def _start_one(self, wire: dict[str, Any]) -> None:
        await self._client.start_workflow(
            ROOT_WORKFLOW,
            wire,
            id=f"{wire['tidegatekey']}{uuid.uuid4()}",
            task_queue=ROOT_TASK_QUEUE,
        )


def handle(count: int) -> float:
    """Invokes the S3 handler once with this many messages; returns the seconds."""
    from functions_aws.s3_listener import handler

    event, invocation = batch([notification() for _ in range(count)]), context()
    begun = time.perf_counter()
    answer = handler(event, invocation)
    taken = time.perf_counter() - begun
    settled(answer)
    return taken


def measure_edge(folder: Path, *, quick: bool) -> list[Figure]:
    """One record per invocation."""
    samples = _measure(folder, 1, rounds=200 if quick else 1000)
    unit, against = "ms", "bare start"
    ours, bare = ([seconds * 1000 for seconds in samples[name]] for name in ("ours", "bare"))
    return [
        compare("per event, p50", ours, bare, against=against, unit=unit, at_most=1.10),
        compare("per event, p99", ours, bare, against=against, unit=unit, statistic=p99),
    ]


def measure_batch(folder: Path, *, quick: bool) -> list[Figure]:
    """Batches through the handler against as many concurrent starts."""
    found = []
    for count, rounds in ((10, 50 if quick else 400), (100, 10 if quick else 60)):
        samples = _measure(folder, count, rounds=rounds)
        ours, bare = ([count / taken for taken in samples[name]] for name in ("ours", "bare"))
        what = f"batches of {count}"
        found.append(
            compare(what, ours, bare, against="gathered starts", unit="events/s", at_least=0.95)
        )
    return found


def _measure(folder: Path, count: int, *, rounds: int) -> dict[str, list[float]]:
    with servers(folder) as (_, server):
        os.environ.update(lambda_environment(folder, server.address))
        bare = Bare(server.address)
        cases: dict[str, Callable[[], float]] = {
            "bare": lambda: bare.start(count),
            "ours": lambda: handle(count),
        }
        try:
            return take_turns(cases, rounds, warm_up=max(3, 30 // count))
        finally:
            bare.close()
