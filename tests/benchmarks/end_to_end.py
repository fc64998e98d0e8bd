"""End to end: from an event at the listener to an open incident, against the naive pattern.

Times are the server's own: an incident counts as open at the time of the history event that sets
its status, so nothing needs to poll while the clock runs. Documents are in a folder; for both
patterns the same worker reads them.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from core.contracts import STATUS_ATTRIBUTE
from core.domain.event import DOCUMENT_CREATED, Event
from core.formats.registry import read
from core.formats.shared.delivery import Delivery
from infra.local.environment import outside_environment
from infra.local.processes import Processes, python, wait_until
from infra.local.workers import is_ready
from tests.benchmarks.figures import Figure, compare, take_turns
from tests.benchmarks.harness import batch, context, lambda_environment, servers, settled
from tests.benchmarks.naive.listener import NaiveListener

_BATCH: Final = 10
_PATIENCE: Final = 120.0
_WORKERS: Final = {
    "root": "workers.root_orchestrator.run_worker",
    "incident": "workers.incident.run_worker",
    "naive-root": "tests.benchmarks.naive.run_worker",
    "naive-activities": "tests.benchmarks.naive.run_activity_worker",
}

Handle = Callable[[Sequence[dict[str, Any]]], None]


def measure(folder: Path, *, quick: bool) -> list[Figure]:
    """Latency one event at a time; throughput of bursts, until the last incident is open."""
    singles, bursts, size = (20, 3, 30) if quick else (60, 5, 100)
    with servers(folder) as (processes, server):
        env = lambda_environment(folder, server.address) | {
            "TIDEGATE_DOCUMENTS": f"file://{folder}/incidents",
            "TIDEGATE_REPORTS": f"file://{folder}/reports",
        }
        os.environ.update(env)
        _start_workers(processes, env, folder / "bytecode")
        with _incidents(server.address) as incidents, _naive(server.address) as naive:
            cases = {"ours": _ours, "naive": naive}

            def latency(handle: Handle) -> float:
                [event], begun = _messages(folder, 1), time.time()
                handle([event])
                return (incidents.opened([event]) - begun) * 1000

            def throughput(handle: Handle) -> float:
                events, begun = _messages(folder, size), time.time()
                for first in range(0, size, _BATCH):
                    handle(events[first : first + _BATCH])
                return size / (incidents.opened(events) - begun)

            def turns(case: Callable[[Handle], float], rounds: int) -> dict[str, list[float]]:
                return take_turns(
                    {name: partial(case, handle) for name, handle in cases.items()},
                    rounds,
                )

            waits, rates = turns(latency, singles), turns(throughput, bursts)
    return [
        compare(
            "to open incident, p50",
            waits["ours"],
            waits["naive"],
            against="naive pattern",
            unit="ms",
            at_most=0.5,
        ),
        compare(
            f"bursts of {size}",
            rates["ours"],
            rates["naive"],
            against="naive pattern",
            unit="events/s",
            at_least=1.5,
        ),
    ]


def _ours(events: Sequence[dict[str, Any]]) -> None:
    from functions_aws.message_listener import handler

    settled(handler(batch(list(events)), context()))


@contextmanager
def _naive(address: str) -> Iterator[Handle]:
    listener = NaiveListener(address)
    try:
        yield lambda events: listener.handle([_event(event) for event in events])
    finally:
        listener.close()


def _messages(folder: Path, count: int) -> list[dict[str, Any]]:
    """This many CloudEvents, each about a new report of its own."""
    found = []
    for _ in range(count):
        path = folder / "incidents" / f"{uuid.uuid4()}.json"
        path.parent.mkdir(exist_ok=True)
        report = {"title": "Checkout is down", "severity": "high", "service": "checkout"}
        path.write_text(json.dumps(report))
        found.append(
            {
                "specversion": "1.0",
                "id": path.stem,
                "source": "benchmark",
                "type": DOCUMENT_CREATED,
                "subject": f"incidents/{path.name}",
                "data": {"document": {"uri": f"file://{path}"}},
            }
        )
    return found


def _event(message: dict[str, Any]) -> Event:
    delivery = Delivery(format="message", body=json.dumps(message).encode(), unique="1")
    [arrival] = read(delivery)
    assert isinstance(arrival.item, Event)
    return arrival.item


class _Incidents:
    """Reads from the server when incidents opened."""

    def __init__(self, runner: asyncio.Runner, client: Client) -> None:
        self._runner = runner
        self._client = client

    def opened(self, events: Sequence[dict[str, Any]]) -> float:
        """When the last incident of these events opened, in seconds since the epoch."""
        ids = [f"incident:{_event(event).key}" for event in events]
        return max(self._runner.run(self._opened(id)) for id in ids)

    async def _opened(self, id: str) -> float:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if (found := await self._status_set(id)) is not None:
                return found
            await asyncio.sleep(0.02)
        raise RuntimeError(f"{id} was not open after {_PATIENCE:g} s")

    async def _status_set(self, id: str) -> float | None:
        wanted = EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES
        try:
            async for event in self._client.get_workflow_handle(id).fetch_history_events():
                if event.event_type == wanted:
                    fields = event.upsert_workflow_search_attributes_event_attributes
                    if STATUS_ATTRIBUTE in fields.search_attributes.indexed_fields:
                        return event.event_time.ToNanoseconds() / 1e9
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
        return None


@contextmanager
def _incidents(address: str) -> Iterator[_Incidents]:
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        yield _Incidents(runner, runner.run(Client.connect(address)))


def _start_workers(processes: Processes, env: dict[str, str], bytecode: Path) -> None:
    """Workers run from bytecode, as deployed: the workflow sandbox loads modules for every
    workflow, and would otherwise compile their source each time."""
    base = outside_environment() | env | {"PYTHONPYCACHEPREFIX": str(bytecode)}
    base.pop("PYTHONDONTWRITEBYTECODE", None)
    base["TIDEGATE_HEALTH_ADDRESS"] = "127.0.0.1:0"
    for name, module in _WORKERS.items():
        processes.start(name, python(module), base)
    for name in _WORKERS:
        ready = partial(is_ready, processes[name])
        wait_until(ready, 60, f"{name} to be ready", check=processes.check)
