"""Heartbeats: how late beats and alarms are, and what they take of a worker and of Actions.

Each beats at a phase of its own, as jobs of many machines do. After a while some stop: the
incidents of their alerts say how late a miss alarms. Actions are counted from histories.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHistory
from temporalio.service import RPCError

from core.adapters.temporal.connection import data_converter
from core.contracts import (
    HEARTBEAT_WORKFLOW,
    INCIDENT_TASK_QUEUE,
    QUERY_HEARTBEAT,
    SIGNAL_EVENT,
)
from core.domain.event import HEARTBEAT, Event
from core.domain.heartbeat.model import Heartbeat
from core.domain.heartbeat.names import workflow_id
from infra.local.environment import outside_environment
from infra.local.processes import python
from tests.benchmarks.figures import Figure, p50
from tests.benchmarks.harness import lambda_environment, servers
from tests.benchmarks.incidents import resident

STOPPED: Final = 20
"""How many stop."""
_READ: Final = 100
"""How many histories are read."""
_EVERY: Final = 60.0
"""Seconds of a period, and of a grace: then witnesses can say something before it ends."""
_PERIODS: Final = 3
"""After which the heartbeats stop that are to alarm."""
_PATIENCE: Final = 300.0
_SLOWEST: Final = 5_000.0
"""Milliseconds; see `_figure`."""
_ACTIONS: Final = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED: "signals",
    EventType.EVENT_TYPE_TIMER_STARTED: "timers",
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: "activities",
    EventType.EVENT_TYPE_MARKER_RECORDED: "local activities",
    EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES: "upserts",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW: "continued",
}
"""What Temporal Cloud bills. The start is one with the first signal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Milliseconds that beats waited for their worker, the first of each heartbeat by themselves,
    and alarms after their deadlines; the worker's memory in MiB before and after; its CPU in
    milliseconds for each beat after the first; Actions of the read histories."""

    firsts: Sequence[float]
    beats: Sequence[float]
    alarms: Sequence[float]
    memory: tuple[float, float]
    cpu: float
    actions: Counter[str]


def measure(folder: Path, *, quick: bool) -> list[Figure]:
    count = 100 if quick else 1_000
    return _figures(count, run(folder, count))


def measure_many(folder: Path, *, quick: bool) -> list[Figure]:
    count = 500 if quick else 5_000
    return _figures(count, run(folder, count))


def run(folder: Path, count: int) -> Result:
    """Try so many, on a server and a worker of their own."""
    names = [f"job-{number:05}" for number in range(count)]
    file = folder / "oncall.yaml"
    rule = dict.fromkeys(("every", "grace"), f"{_EVERY:.0f}s")
    file.write_text(json.dumps({"version": 1, "heartbeats": dict.fromkeys(names, rule)}))
    with servers(folder) as (processes, server):
        env = lambda_environment(folder, server.address) | {
            "TIDEGATE_HEALTH_ADDRESS": "127.0.0.1:0",
            "TIDEGATE_ONCALL": str(file),
            "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
        }
        base = outside_environment() | env
        base.pop("PYTHONDONTWRITEBYTECODE", None)
        worker = processes.start("incident", python("workers.incident.run_worker"), base)
        return asyncio.run(_run(server.address, worker.pid or 0, names))


async def _run(address: str, pid: int, names: Sequence[str]) -> Result:
    client = await Client.connect(address, data_converter=data_converter())
    await _beat(client, "first")
    await _served(client, "first")
    before = resident(pid)
    stopped = set(random.sample(names, min(STOPPED, len(names) // 2)))
    patience = time.time() + (_PERIODS + 3) * _EVERY + _PATIENCE
    alarmed, sent = asyncio.Event(), Counter[int]()
    beating = [
        asyncio.create_task(_beats(client, name, alarmed, sent, stops=name in stopped))
        for name in names
    ]
    await asyncio.sleep(_EVERY)  # all have begun
    spent, so_far = _cpu(pid), sent.total()
    incidents = {name: await _alarm_of(client, name, patience) for name in sorted(stopped)}
    alarmed.set()
    memory = resident(pid)
    spent = _cpu(pid) - spent
    beats = sent.total() - so_far
    await asyncio.gather(*beating)
    grace = timedelta(seconds=_EVERY)
    alarms = [await _lateness(client, name, at, grace) for name, at in incidents.items()]
    read = random.sample(
        [each for each in names if each not in stopped], min(_READ, len(names) // 2)
    )
    histories = [
        await client.get_workflow_handle(workflow_id(name)).fetch_history() for name in read
    ]
    waits = [_waits(history) for history in histories]
    return Result(
        firsts=[each[0] for each in waits],
        beats=[wait for each in waits for wait in each[1:]],
        alarms=alarms,
        memory=(before, memory),
        cpu=spent * 1000 / beats,
        actions=_actions(histories),
    )


async def _served(client: Client, name: str) -> None:
    """Wait until a worker serves."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            await client.get_workflow_handle(workflow_id(name)).query(QUERY_HEARTBEAT)
        except RPCError:
            if time.monotonic() > deadline:
                raise
        else:
            return


async def _beats(
    client: Client,
    name: str,
    alarmed: asyncio.Event,
    sent: Counter[int],
    *,
    stops: bool,
) -> None:
    """Beats at a phase of its own; for ever, or for so many periods."""
    await asyncio.sleep(random.random() * _EVERY)  # noqa: S311  # no secret
    period = 0
    while not alarmed.is_set() and not (stops and period >= _PERIODS):
        began = time.monotonic()
        try:
            await _beat(client, name)
        except RPCError:  # as its sender would
            continue
        sent[period] += 1
        period += 1
        try:
            left = _EVERY - (time.monotonic() - began)
            await asyncio.wait_for(alarmed.wait(), max(left, 0))
        except TimeoutError:
            continue


async def _beat(client: Client, name: str) -> None:
    """What the listeners do with a beat: a signal, which starts the heartbeat."""
    id = uuid.uuid4().hex
    event = Event(
        id=id,
        source="webhook:beats",
        type=HEARTBEAT,
        key=f"heartbeat:webhook:beats#{id}",
        subject=name,
        data={"status": "ok"},
    )
    await client.start_workflow(
        HEARTBEAT_WORKFLOW,
        id=workflow_id(name),
        task_queue=INCIDENT_TASK_QUEUE,
        start_signal=SIGNAL_EVENT,
        start_signal_args=[[event.to_wire()]],
    )


async def _alarm_of(client: Client, name: str, until: float) -> datetime:
    """When the incident of the heartbeat began."""
    handle = client.get_workflow_handle(f"incident:tidegate:{workflow_id(name)}")
    while time.time() < until:
        try:
            return (await handle.describe()).start_time
        except RPCError:
            await asyncio.sleep(0.5)
    raise RuntimeError(f"{name} has not alarmed")


async def _lateness(client: Client, name: str, began: datetime, grace: timedelta) -> float:
    state: Heartbeat = await client.get_workflow_handle(workflow_id(name)).query(
        QUERY_HEARTBEAT, result_type=Heartbeat
    )
    if state.alarm is None:
        raise RuntimeError(f"the alert of {name} does not fire")
    return (began - (state.alarm.since + grace)).total_seconds() * 1000


def _cpu(pid: int) -> float:
    """Seconds of CPU that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _waits(history: WorkflowHistory) -> list[float]:
    """Milliseconds from each beat to the end of the task that took it."""
    waits: list[float] = []
    waiting: list[Any] = []
    for event in history.events:
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
            waiting.append(event.event_time.ToDatetime())
        elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            done = event.event_time.ToDatetime()
            waits += [(done - at).total_seconds() * 1000 for at in waiting]
            waiting.clear()
    return waits


def _actions(histories: Sequence[WorkflowHistory]) -> Counter[str]:
    return Counter(
        _ACTIONS[event.event_type]
        for history in histories
        for event in history.events
        if event.event_type in _ACTIONS
    )


def p99(samples: Sequence[float]) -> float:
    return sorted(samples)[max(0, -(-len(samples) * 99 // 100) - 1)]


def _figures(count: int, result: Result) -> list[Figure]:
    about = f"{count:,} heartbeats every {_EVERY:.0f} s"
    kept = {name: result.actions[name] for name in ("signals", "timers", "continued")}
    return [
        _figure(
            f"{about}: the first beat is handled, p99",
            p99(result.firsts),
            "ms",
            len(result.firsts),
        ),
        _figure(f"{about}: a beat is handled, p50", p50(result.beats), "ms", len(result.beats)),
        _figure(
            f"{about}: a beat is handled, p99",
            p99(result.beats),
            "ms",
            len(result.beats),
            at_most=_SLOWEST,
        ),
        _figure(
            f"{about}: an alarm after its deadline, p99",
            p99(result.alarms),
            "ms",
            len(result.alarms),
            at_most=_SLOWEST,
        ),
        _figure(
            f"{about}: memory for each",
            (result.memory[1] - result.memory[0]) * 1024 / count,
            "KiB",
            count,
        ),
        _figure(f"{about}: CPU of the worker for each beat", result.cpu, "ms", count),
        _figure(
            f"{about}: Actions for each beat",
            sum(kept.values()) / kept["signals"],
            "Actions",
            kept["signals"],
        ),
    ]


def _figure(
    what: str, ours: float, unit: str, samples: int, *, at_most: float | None = None
) -> Figure:
    return Figure(what=what, against="", unit=unit, ours=ours, at_most=at_most, samples=samples)
