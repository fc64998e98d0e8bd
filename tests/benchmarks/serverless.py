"""Workers that sleep: how soon they wake, and how many seconds are billed for it.

`measure_wakes` follows alerts from a server's acceptance to the delivered page while no worker
runs, and then the timer of the next level, which wakes one again. Its baselines are an empty
workflow that an invocation of the same shape serves, and a worker in a process that always runs.
`measure_billed` takes incidents from their alert to their end, each word coming when the worker
sleeps, against the SDK's own handler.

Every invocation is a new process on this machine, so every wake is a cold start. Bytecode is
kept, as in a package.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from core.domain.event import Event
from core.domain.incident.commands import Acknowledge
from infra.local.aws.serverless import Invocation
from tests.benchmarks.deliver import alert, event_of
from tests.benchmarks.end_to_end import Incidents, incidents, start_workers
from tests.benchmarks.figures import Figure, alone, compare, p95
from tests.benchmarks.harness import lambda_environment, servers
from tests.benchmarks.naive.bare_worker import TASK_QUEUE, Empty
from tests.support.serverless import Serverless, serverless
from tests.support.web import Quiet, listening

ESCALATION: Final = 15.0
"""Seconds to the second level's page: long enough to sleep in between."""
REMEMBERED: Final = 20.0
"""Seconds for which an incident is remembered: longer than ours is awake."""
SDK_TIMEOUT: Final = 60
IDLE: Final = 2.0
"""The handler's idle timeout by default, in seconds."""
_PATIENCE: Final = 120.0
_SOONEST: Final = 0.1
"""Seconds before its page is due at which a timer's worker must not be awake yet."""


@dataclass(frozen=True, slots=True)
class Wake:
    """When what had come how far, in seconds since the epoch."""

    begun: float
    accepted: float
    called: float
    started: float
    settings: float
    planned: float
    connected: float
    first_task: float
    delivered: float
    due: float
    """When the timer of the second level was due."""
    timer_task: float
    """When the task that the timer caused had a worker."""
    timer_delivered: float
    cpu: float
    """Seconds of CPU until the worker polls."""

    @property
    def shares(self) -> dict[str, float]:
        """The parts of the way to the page, in seconds."""
        return {
            "the call that brings the alert": self.accepted - self.begun,
            "Temporal's call of the function": self.called - self.accepted,
            "the process's start": self.started - self.called,
            "imports": self.settings - self.started,
            "plans, with their modules": self.planned - self.settings,
            "the connection": self.connected - self.planned,
            "to the first task": self.first_task - self.connected,
            "the work, to the page": self.delivered - self.first_task,
        }


def measure_wakes(folder: Path, *, quick: bool) -> list[Figure]:
    rounds = 4 if quick else 15
    marks = folder / "marks.jsonl"
    with ExitStack() as stack:
        pages = stack.enter_context(paged())
        ours = stack.enter_context(
            serverless(
                folder / "ours",
                handler="tests.benchmarks.marked:handler",
                BENCH_MARKS=str(marks),
                TIDEGATE_ACK_TIMEOUT=str(ESCALATION),
                **pages.variables("ours"),
                **kept_bytecode(folder),
            )
        )
        floor = stack.enter_context(
            serverless(
                folder / "floor",
                handler="tests.benchmarks.floor.lambda_worker:handler",
                **kept_bytecode(folder),
            )
        )
        warm = stack.enter_context(always_on(folder / "warm", pages.variables("warm")))
        sleeping = stack.enter_context(incidents(ours.address))
        empty = stack.enter_context(incidents(floor.address))
        wakes, floors, warms = [], [], []
        for number in range(-1, rounds):
            first = partial(_floor, floor, empty)
            second = partial(_delivered, warm, pages, "warm")
            wake, floor_sample, warm_sample = _round(ours, sleeping, pages, marks, first, second)
            if number >= 0:  # the first one also compiles
                wakes.append(wake)
                floors.append(floor_sample)
                warms.append(warm_sample)
    whole = [wake.delivered - wake.begun for wake in wakes]
    waking = [wake.first_task - wake.accepted for wake in wakes]
    late = [wake.timer_task - wake.due for wake in wakes]
    return [
        alone("alert to page, no worker running, p50", whole, unit="s", at_most=2.5),
        alone("alert to page, no worker running, p95", whole, unit="s", statistic=p95),
        *(
            alone(part, [wake.shares[part] for wake in wakes], unit="s", against="its share, p50")
            for part in wakes[0].shares
        ),
        alone("CPU until it polls, p50", [wake.cpu for wake in wakes], unit="s"),
        compare(
            "alert to its first task, p50",
            waking,
            floors,
            against="empty workflow, same way",
            unit="s",
        ),
        compare(
            "alert to page, p50",
            whole,
            warms,
            against="worker that always runs",
            unit="s",
        ),
        compare(
            "lateness of a timer's task, p50",
            late,
            waking,
            against="accepted alert to first task",
            unit="s",
            at_most=1.25,
        ),
        alone("lateness of a timer's page, p95", _late_pages(wakes), unit="s", statistic=p95),
    ]


def _late_pages(wakes: Sequence[Wake]) -> list[float]:
    return [wake.timer_delivered - wake.due for wake in wakes]


def _round(
    ours: Serverless,
    sleeping: Incidents,
    pages: Pages,
    marks: Path,
    floor: Callable[[], float],
    warm: Callable[[], float],
) -> tuple[Wake, float, float]:
    """One wake of each kind, one after another: an alert's, the baselines', a timer's."""
    ours.wait_asleep()
    known = {each.id for each in ours.invocations()}
    id = f"incident:{uuid.uuid4()}"
    begun, event = time.time(), event_of(alert())
    sleeping.signal(event, id=id)
    accepted = time.time()
    delivered = pages.wait("ours/on-call", begun)
    ours.wait_asleep()
    woken = [each for each in ours.invocations() if each.id not in known]
    warm_sample, floor_sample = warm(), floor()
    timer_delivered = pages.wait("ours/escalation", begun)
    ours.wait_asleep()
    history = sleeping.history(id)
    due, task = _timer(history)
    if any(each.ended.timestamp() > due - _SOONEST for each in woken):
        raise RuntimeError("the worker was still awake when the timer was due")
    marked = {line["id"]: line for line in _lines(marks)}
    mine = min((marked[each.id] for each in woken), key=lambda mark: mark["before serve"])
    [called] = [each.started.timestamp() for each in woken if each.id == mine["id"]]
    connecting = mine["after connect"] - mine["before connect"]
    return (
        Wake(
            begun=begun,
            accepted=accepted,
            called=called,
            started=mine["started"],
            settings=mine["settings"],
            planned=mine["before serve"] - connecting,
            connected=mine["before serve"],
            first_task=_when(next(each for each in history if _begins_task(each))),
            delivered=delivered,
            due=due,
            timer_task=task,
            timer_delivered=timer_delivered,
            cpu=mine["cpu"],
        ),
        floor_sample,
        warm_sample,
    )


def _floor(server: Serverless, empty: Incidents) -> float:
    """Seconds from an accepted start to the first task of an empty workflow."""
    server.wait_asleep()
    id = f"empty:{uuid.uuid4()}"
    empty.start(Empty.run, id=id, task_queue=TASK_QUEUE)
    accepted = time.time()
    empty.first_task(id)
    server.wait_asleep()
    return _when(next(each for each in empty.history(id) if _begins_task(each))) - accepted


def _delivered(warm: Incidents, pages: Pages, who: str) -> float:
    """Seconds from an alert to its page."""
    begun = time.time()
    warm.signal(event_of(alert()), id=f"incident:{uuid.uuid4()}")
    return pages.wait(f"{who}/on-call", begun) - begun


def _timer(history: Sequence[HistoryEvent]) -> tuple[float, float]:
    """When the last timer that fired was due, and when its task had a worker."""
    fired = [each for each in history if each.event_type == EventType.EVENT_TYPE_TIMER_FIRED][-1]
    started = next(
        each
        for each in history
        if each.event_id == fired.timer_fired_event_attributes.started_event_id
    )
    timeout = started.timer_started_event_attributes.start_to_fire_timeout
    due = _when(started) + timeout.ToTimedelta().total_seconds()
    task = next(each for each in history if each.event_id > fired.event_id and _begins_task(each))
    return due, _when(task)


# ------------------------------------------------------------------------------- billed seconds


@dataclass(frozen=True, slots=True)
class Billed:
    """An invocation, in seconds. One that came too late for any task has neither parts."""

    seconds: float
    cold_start: float = 0.0
    work: float = 0.0

    @property
    def idle(self) -> bool:
        return not self.cold_start

    @property
    def necessary(self) -> float:
        """What an invocation that ends when it is idle takes: it starts, works, and waits."""
        return 0.0 if self.idle else self.cold_start + self.work + IDLE


def measure_billed(folder: Path, *, quick: bool) -> list[Figure]:
    rounds = 2 if quick else 5
    with ExitStack() as stack:
        pages = stack.enter_context(paged())

        def deployed(name: str, remembered: float, **more: Any) -> Serverless:
            return stack.enter_context(
                serverless(
                    folder / name,
                    timeout=SDK_TIMEOUT,
                    TIDEGATE_POLICIES=str(_policies(folder, name, remembered)),
                    **pages.variables(name),
                    **kept_bytecode(folder),
                    **more,
                )
            )

        ours = deployed("ours", REMEMBERED)
        sdk = deployed(
            "sdk", SDK_TIMEOUT + 10, handler="tests.benchmarks.naive.lambda_worker:handler"
        )
        with ThreadPoolExecutor(2) as pool:
            # The SDK's seconds hardly differ, and take four minutes.
            both = [
                pool.submit(_lives, ours, pages, "ours", rounds + 1),
                pool.submit(_lives, sdk, pages, "sdk", 1),
            ]
            [_, *lives], [theirs] = (each.result() for each in both)  # the first one also compiles
    every = [each for life in lives for each in life]
    used = [each for each in every if not each.idle]
    return [
        compare(
            "billed for an incident's four words",
            [sum(each.seconds for each in life) for life in lives],
            [sum(each.seconds for each in theirs)] * rounds,
            against=f"the SDK's handler, {SDK_TIMEOUT} s",
            unit="s",
            at_most=0.25,
        ),
        compare(
            "billed for an incident's four words",
            [sum(each.seconds for each in life) for life in lives],
            [sum(each.necessary for each in life) for life in lives],
            against=f"cold start, work, {IDLE:g} s",
            unit="s",
            at_most=1.5,
        ),
        alone("cold start, p50", [each.cold_start for each in used], unit="s"),
        alone("work, p50", [each.work for each in used], unit="s"),
        alone("a whole invocation, p50", [each.seconds for each in used], unit="s"),
        compare(
            "invocations for four words",
            [float(len(life)) for life in lives],
            [float(len(theirs))] * rounds,
            against="the SDK's handler",
            unit="",
        ),
    ]


def _lives(server: Serverless, pages: Pages, who: str, rounds: int) -> list[list[Billed]]:
    """What was billed for each of some incidents."""
    with incidents(server.address) as client:
        return [_life(server, client, pages, who) for _ in range(rounds)]


def _life(server: Serverless, client: Incidents, pages: Pages, who: str) -> list[Billed]:
    """An incident that is paged, acknowledged, recovers and is reported, and is forgotten: four
    words, each of which comes when no worker is awake."""
    server.wait_asleep()
    known = {each.id for each in server.invocations()}
    id, key, begun = f"incident:{uuid.uuid4()}", uuid.uuid4().hex, time.time()
    client.signal(event_of(alert(key)), id=id)
    pages.wait(f"{who}/on-call", begun)
    server.wait_asleep()
    command = {"command_id": str(uuid.uuid4()), "actor": "ana", "note": "I am on it"}
    client.update(Acknowledge.name, command, id=id)
    server.wait_asleep()
    client.signal(_recovery(key), id=id)
    client.result(id)
    server.wait_asleep()
    tasks = _tasks_by_worker(client.history(id))
    return [
        _billed(each, tasks.get(each.id, ()))
        for each in server.invocations()
        if each.id not in known
    ]


def _recovery(key: str) -> Event:
    message = alert(key)
    message["data"] |= {"status": "resolved", "ends_at": "2026-03-01T10:30:00Z"}
    return event_of(message)


def _billed(invocation: Invocation, tasks: Sequence[float]) -> Billed:
    """An invocation, and when its tasks began and ended."""
    seconds = invocation.billed_ms / 1000
    if not tasks:
        return Billed(seconds)
    return Billed(seconds, min(tasks) - invocation.started.timestamp(), max(tasks) - min(tasks))


def _tasks_by_worker(history: Sequence[HistoryEvent]) -> Mapping[str, list[float]]:
    """When tasks began and ended, by the ID of the invocation that executed them."""
    found: dict[str, list[float]] = defaultdict(list)
    for event in history:
        attributes = getattr(event, str(event.WhichOneof("attributes")))
        kind = EventType.Name(event.event_type)
        if kind.endswith(("_TASK_STARTED", "_TASK_COMPLETED", "_TASK_FAILED")):
            found[attributes.identity.partition("@")[0]].append(_when(event))
    return found


def _policies(folder: Path, name: str, remembered: float) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(
        "version: 1\n"
        "targets: {on-call: {url_env: TIDEGATE_PAGE_URLS}}\n"
        "policies:\n"
        f"  - {{name: default, levels: [{{after: 0s, targets: [on-call]}}], "
        f"remember_for: {remembered:g}s}}\n"
    )
    return path


# ------------------------------------------------------------------------------- what both need


class Pages:
    """When which page was delivered."""

    def __init__(self) -> None:
        self.url = ""
        self._delivered: list[tuple[str, float]] = []
        self._changed = threading.Condition()

    def variables(self, who: str) -> dict[str, Any]:
        """The settings of whoever pages here under this name."""
        return {
            "TIDEGATE_PAGE_URLS": f"{self.url}/{who}/on-call",
            "TIDEGATE_ESCALATION_URLS": f"{self.url}/{who}/escalation",
        }

    def deliver(self, path: str) -> None:
        with self._changed:
            self._delivered.append((path.strip("/"), time.time()))
            self._changed.notify_all()

    def wait(self, path: str, after: float) -> float:
        """When the first page after a moment came. Raises `RuntimeError` if none does in time."""

        def found() -> float | None:
            times = (at for to, at in self._delivered if to == path and at > after)
            return next(times, None)

        with self._changed:
            if not self._changed.wait_for(lambda: found() is not None, _PATIENCE):
                raise RuntimeError(f"no page for {path} after {_PATIENCE:g} s")
            return found() or 0.0


@contextmanager
def paged() -> Iterator[Pages]:
    pages = Pages()

    class Handler(Quiet, BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            pages.deliver(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with listening(Handler) as port:
        pages.url = f"json://127.0.0.1:{port}"
        yield pages


@contextmanager
def always_on(folder: Path, variables: Mapping[str, str]) -> Iterator[Incidents]:
    """Incidents of a worker that runs all the time, on a server of its own."""
    folder.mkdir()
    with servers(folder) as (processes, server), incidents(server.address) as found:
        env = lambda_environment(folder, server.address) | {
            "TIDEGATE_REPORTS": f"file://{folder}/reports",
            **variables,
        }
        modules = {"incident": "workers.incident.run_worker"}
        start_workers(processes, env, folder / "bytecode", modules)
        yield found


def kept_bytecode(folder: Path) -> dict[str, Any]:
    return {"PYTHONPYCACHEPREFIX": str(folder / "bytecode"), "PYTHONDONTWRITEBYTECODE": ""}


def _begins_task(event: HistoryEvent) -> bool:
    return event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED


def _when(event: HistoryEvent) -> float:
    at: Timestamp = event.event_time
    return at.ToNanoseconds() / 1e9


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
