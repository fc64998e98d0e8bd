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
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from core.contracts import (
    INCIDENT_TASK_QUEUE,
    INCIDENT_WORKFLOW,
    SIGNAL_EVENT,
    STATUS_ATTRIBUTE,
)
from core.domain.event import DOCUMENT_CREATED, Event
from core.domain.signalled import signalled
from core.formats.registry import read
from core.formats.shared.delivery import Delivery, way_headers
from infra.local.environment import outside_environment
from infra.local.processes import Processes, python, wait_until
from infra.local.workers import is_ready
from tests.benchmarks.figures import Figure, compare, take_turns
from tests.benchmarks.harness import batch, context, lambda_environment, servers, settled
from tests.benchmarks.naive.listener import NaiveListener

BATCH: Final = 10
_PATIENCE: Final = 120.0
WORKERS: Final = {
    "root": "workers.root_orchestrator.run_worker",
    "incident": "workers.incident.run_worker",
    "naive-root": "tests.benchmarks.naive.run_worker",
    "naive-activities": "tests.benchmarks.naive.run_activity_worker",
}

T = TypeVar("T")
Handle = Callable[[Sequence[dict[str, Any]]], None]


def measure(folder: Path, *, quick: bool) -> list[Figure]:
    """Latency one event at a time; throughput of bursts, until the last incident is open."""
    singles, bursts, size = (20, 3, 30) if quick else (60, 5, 100)
    with servers(folder) as (processes, server):
        env = lambda_environment(folder, server.address) | {
            "TIDEGATE_DOCUMENTS": f"file://{folder}/incidents",
            "TIDEGATE_REPORTS": f"file://{folder}/reports",
            "TIDEGATE_TRUSTED_TYPES": DOCUMENT_CREATED,
        }
        os.environ.update(env)
        start_workers(processes, env, folder / "bytecode", WORKERS)
        with incidents(server.address) as opened, naive(server.address, event_of) as theirs:
            cases = {"ours": _ours, "naive": theirs}

            def latency(handle: Handle) -> float:
                [event], begun = _messages(folder, 1), time.time()
                handle([event])
                return (opened.opened([_incident(event)]) - begun) * 1000

            def throughput(handle: Handle) -> float:
                events, begun = _messages(folder, size), time.time()
                for first in range(0, size, BATCH):
                    handle(events[first : first + BATCH])
                return size / (opened.opened(list(map(_incident, events))) - begun)

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
def naive(address: str, read_event: Callable[[dict[str, Any]], Event]) -> Iterator[Handle]:
    """The naive pattern's listener; `read_event` makes an event of a message."""
    listener = NaiveListener(address)
    try:
        yield lambda messages: listener.handle([read_event(message) for message in messages])
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


def event_of(message: dict[str, Any]) -> Event:
    """The event that the message listener makes of it."""
    headers = way_headers("queue:tidegate-events", trusted=(DOCUMENT_CREATED,))
    body = json.dumps(message).encode()
    delivery = Delivery(format="message", body=body, headers=headers, unique="1")
    [arrival] = read(delivery)
    assert isinstance(arrival.item, Event)
    return arrival.item


def _incident(message: dict[str, Any]) -> str:
    return f"incident:{event_of(message).key}"


class Incidents:
    """Reads from the server when workflows came to where they are waited for, in seconds since the
    epoch."""

    def __init__(self, runner: asyncio.Runner, client: Client) -> None:
        self._runner = runner
        self._client = client

    def opened(self, ids: Sequence[str]) -> float:
        """When the last of these incidents opened."""
        return max(self._runner.run(self._time_of(id, _sets_status)) for id in ids)

    def first_task(self, id: str) -> float:
        """When the first task of the workflow was completed."""
        return self._runner.run(self._time_of(id, _completes_task))

    def start(self, workflow: Any, *arguments: object, id: str, task_queue: str) -> None:
        """Start a workflow with a bare client."""
        self._runner.run(
            self._client.start_workflow(workflow, args=arguments, id=id, task_queue=task_queue)
        )

    def signal(self, event: Event, *, id: str) -> None:
        """Bring an event to an incident, as the listener's call does."""
        self._runner.run(
            self._client.start_workflow(
                INCIDENT_WORKFLOW,
                id=id,
                task_queue=INCIDENT_TASK_QUEUE,
                start_signal=SIGNAL_EVENT,
                start_signal_args=[[signalled(event)]],
            )
        )

    def update(self, name: str, argument: dict[str, Any], *, id: str) -> None:
        """Have an incident execute a command."""
        handle = self._client.get_workflow_handle(id)
        self._runner.run(handle.execute_update(name, argument, id=argument["command_id"]))

    def result(self, id: str) -> None:
        """Return when a workflow has ended."""
        self._runner.run(self._client.get_workflow_handle(id).result())

    def history(self, id: str) -> Sequence[HistoryEvent]:
        return self._runner.run(self._client.get_workflow_handle(id).fetch_history()).events

    def run(self, call: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
        """What the call returns when it is given the client."""
        return self._runner.run(call(self._client))

    async def _time_of(self, id: str, is_it: Callable[[HistoryEvent], bool]) -> float:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if (found := await self._look(id, is_it)) is not None:
                return found
            await asyncio.sleep(0.02)
        raise RuntimeError(f"{id} had not come so far after {_PATIENCE:g} s")

    async def _look(self, id: str, is_it: Callable[[HistoryEvent], bool]) -> float | None:
        try:
            async for event in self._client.get_workflow_handle(id).fetch_history_events():
                if is_it(event):
                    return event.event_time.ToNanoseconds() / 1e9
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
        return None


def _sets_status(event: HistoryEvent) -> bool:
    if event.event_type != EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES:
        return False
    fields = event.upsert_workflow_search_attributes_event_attributes
    return STATUS_ATTRIBUTE in fields.search_attributes.indexed_fields


def _completes_task(event: HistoryEvent) -> bool:
    return event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED


@contextmanager
def incidents(address: str) -> Iterator[Incidents]:
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        yield Incidents(runner, runner.run(Client.connect(address)))


def start_workers(
    processes: Processes, env: Mapping[str, str], bytecode: Path, modules: Mapping[str, str]
) -> None:
    """Workers run from bytecode, as deployed: the workflow sandbox loads modules for every
    workflow, and would otherwise compile their source each time."""
    base = {**outside_environment(), **env, "PYTHONPYCACHEPREFIX": str(bytecode)}
    base.pop("PYTHONDONTWRITEBYTECODE", None)
    base["TIDEGATE_HEALTH_ADDRESS"] = "127.0.0.1:0"
    for name, module in modules.items():
        processes.start(name, python(module), base)
    for name in modules:
        ready = partial(is_ready, processes[name])
        wait_until(ready, 60, f"{name} to be ready", check=processes.check)
