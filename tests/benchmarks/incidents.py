"""Open incidents: what thousands of them cost one worker in memory and latency.

The incidents stay open and nobody is paged. After each quarter, the worker's resident memory is
read and comments are sent to open incidents at random.
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from temporalio.client import Client

from core.contracts import (
    INCIDENT_TASK_QUEUE,
    INCIDENT_WORKFLOW,
    QUERY_INCIDENT,
    SIGNAL_EVENT,
    STATUS_ATTRIBUTE,
)
from core.domain.event import ALERT, Event
from core.domain.signalled import signalled
from infra.local.environment import outside_environment
from infra.local.processes import python
from tests.benchmarks.figures import Figure, p50
from tests.benchmarks.harness import lambda_environment, servers

_STEPS: Final = 4
_IN_FLIGHT: Final = 50
_COMMENTS: Final = 100
_PATIENCE: Final = 240.0

_JOINED: Final = 1_000

Look = tuple[float, list[float]]
"""The worker's resident memory in MiB, and the milliseconds of each comment."""
Histories = tuple[list[float], float]
"""Bytes of the history of each of some open incidents, and of one more alert that joins one."""


def measure(folder: Path, *, quick: bool) -> list[Figure]:
    total = 400 if quick else 2000
    with servers(folder) as (processes, server):
        env = lambda_environment(folder, server.address) | {
            "TIDEGATE_HEALTH_ADDRESS": "127.0.0.1:0",
            "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
        }
        base = outside_environment() | env
        base.pop("PYTHONDONTWRITEBYTECODE", None)
        worker = processes.start("incident", python("workers.incident.run_worker"), base)
        looks, histories = asyncio.run(
            _measure(server.address, worker.pid or 0, total, 100 if quick else _JOINED)
        )
    memory = [look[0] for look in looks]
    first, last = looks[1][1], looks[-1][1]
    middle = _STEPS // 2
    return [
        _figure(
            f"memory for the second {total // 2:,}",
            memory[-1] - memory[middle],
            memory[middle] - memory[0],
            against=f"for the first {total // 2:,}",
            unit="MiB",
            at_most=1.25,
            samples=total,
        ),
        _figure(
            f"a comment with {total:,} open, p50",
            p50(last),
            p50(first),
            against=f"with {total // _STEPS:,} open",
            unit="ms",
            samples=len(last),
        ),
        Figure(
            what="history of an open incident, p50",
            against="",
            unit="bytes",
            ours=p50(histories[0]),
            samples=len(histories[0]),
        ),
        Figure(
            what="history of an alert that joins",
            against="",
            unit="bytes",
            ours=histories[1],
            samples=100 if quick else _JOINED,
        ),
    ]


def _figure(
    what: str,
    ours: float,
    baseline: float,
    *,
    against: str,
    unit: str,
    samples: int,
    at_most: float | None = None,
) -> Figure:
    ratio = ours / baseline
    return Figure(
        what=what,
        against=against,
        unit=unit,
        ours=ours,
        baseline=baseline,
        ratio=ratio,
        low=ratio,
        high=ratio,
        at_most=at_most,
        samples=samples,
    )


async def _measure(address: str, pid: int, total: int, joined: int) -> tuple[list[Look], Histories]:
    client = await Client.connect(address)
    ids: list[str] = []
    looks = await _fill(client, ids, pid, total)
    some = [float(await _bytes(client, id)) for id in ids[:_COMMENTS]]
    return looks, (some, await _growth(client, joined))


async def _fill(client: Client, ids: list[str], pid: int, total: int) -> list[Look]:
    """Opens this many incidents in steps; looks at the worker before the first and after each."""
    ids.append(await open_incident(client))
    await _all_open(client, 1)
    looks = [(resident(pid), await _comment(client, ids))]
    for step in range(1, _STEPS + 1):
        wanted = total * step // _STEPS - len(ids)
        for begin in range(0, wanted, _IN_FLIGHT):
            count = min(_IN_FLIGHT, wanted - begin)
            ids += await asyncio.gather(*(open_incident(client) for _ in range(count)))
        await _all_open(client, len(ids))
        looks.append((resident(pid), await _comment(client, ids)))
    return looks


async def open_incident(client: Client) -> str:
    """The workflow ID of an incident that is about to open."""
    id = f"incident:benchmark:{uuid.uuid4()}"
    await _signal(client, id)
    return id


async def _signal(client: Client, id: str) -> None:
    """What the listeners do with an alert: a signal, which starts the incident."""
    key = f"benchmark:{uuid.uuid4()}"
    event = Event(
        id=key,
        source="benchmark",
        type=ALERT,
        key=key,
        way="queue:benchmark",
        scope="queue:benchmark",
        data={
            "key": id,
            "status": "firing",
            "title": "Checkout is down",
            "severity": "high",
            "service": "checkout",
            "starts_at": "2026-03-01T10:00:00Z",
            "labels": {"cluster": "eu-1", "alertname": "CheckoutDown"},
        },
    )
    await client.start_workflow(
        INCIDENT_WORKFLOW,
        id=id,
        task_queue=INCIDENT_TASK_QUEUE,
        start_signal=SIGNAL_EVENT,
        start_signal_args=[[signalled(event)]],
    )


async def _growth(client: Client, count: int) -> float:
    """Bytes of history for each of this many alerts, repeated to one incident one after another."""
    id = await open_incident(client)
    handle = client.get_workflow_handle(id)
    await handle.query(QUERY_INCIDENT)
    before = await _bytes(client, id)
    for _ in range(count):
        await _signal(client, id)
    deadline = time.monotonic() + _PATIENCE
    while (await handle.query(QUERY_INCIDENT))["alerts"]["fired"] <= count:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{count} alerts were not taken after {_PATIENCE:g} s")
    return (await _bytes(client, id) - before) / count


async def _bytes(client: Client, id: str) -> int:
    return (await client.get_workflow_handle(id).describe()).raw_info.history_size_bytes


async def _all_open(client: Client, count: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    while (await client.count_workflows(f"{STATUS_ATTRIBUTE} = 'open'")).count < count:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{count} incidents were not open after {_PATIENCE:g} s")
        await asyncio.sleep(0.1)


async def _comment(client: Client, ids: Sequence[str]) -> list[float]:
    taken = []
    for _ in range(_COMMENTS):
        handle = client.get_workflow_handle(random.choice(ids))  # noqa: S311  no secret
        command: dict[str, Any] = {"command_id": uuid.uuid4().hex, "actor": "ana", "note": "seen"}
        begun = time.perf_counter()
        await handle.execute_update("comment", command)
        taken.append((time.perf_counter() - begun) * 1000)
    return taken


def resident(pid: int) -> float:
    """A process's resident memory in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} has no resident memory")
