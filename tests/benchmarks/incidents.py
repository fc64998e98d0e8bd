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

from core.contracts import INCIDENT_TASK_QUEUE, INCIDENT_WORKFLOW, STATUS_ATTRIBUTE
from core.domain.event import Event
from infra.local.environment import outside_environment
from infra.local.processes import python
from tests.benchmarks.figures import Figure, p50
from tests.benchmarks.harness import lambda_environment, servers

_STEPS: Final = 4
_IN_FLIGHT: Final = 50
_COMMENTS: Final = 100
_PATIENCE: Final = 240.0

Look = tuple[float, list[float]]
"""The worker's resident memory in MiB, and the milliseconds of each comment."""


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
        looks = asyncio.run(_fill(server.address, worker.pid or 0, total))
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


async def _fill(address: str, pid: int, total: int) -> list[Look]:
    """Opens this many incidents in steps; looks at the worker before the first and after each."""
    client = await Client.connect(address)
    ids = [await _open(client)]
    await _all_open(client, 1)
    looks = [(_resident(pid), await _comment(client, ids))]
    for step in range(1, _STEPS + 1):
        wanted = total * step // _STEPS - len(ids)
        for begin in range(0, wanted, _IN_FLIGHT):
            count = min(_IN_FLIGHT, wanted - begin)
            ids += await asyncio.gather(*(_open(client) for _ in range(count)))
        await _all_open(client, len(ids))
        looks.append((_resident(pid), await _comment(client, ids)))
    return looks


async def _open(client: Client) -> str:
    key = f"benchmark:{uuid.uuid4()}"
    event = Event(
        id=key,
        source="benchmark",
        type="com.example.incident.reported",
        key=key,
        data={"title": "Checkout is down", "severity": "high", "service": "checkout"},
    )
    id = f"incident:{key}"
    await client.start_workflow(
        INCIDENT_WORKFLOW, event.to_wire(), id=id, task_queue=INCIDENT_TASK_QUEUE
    )
    return id


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


def _resident(pid: int) -> float:
    """A process's resident memory in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} has no resident memory")
