"""The deliveries: what each adds to the one call that it makes, and how soon an alert opens its
incident.

`measure` hands one SQS message at a time to the message listener, and one request to the webhook
listener, against the same call by the SDK's client with the same payload. `measure_open` follows
alerts to open incidents, against the naive pattern and against the floor: the first completed task
of an empty workflow that a bare client starts.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from temporalio.client import Client

from core.config.routing_table import SHIPPED_ROUTES
from core.contracts import (
    INCIDENT_TASK_QUEUE,
    INCIDENT_WORKFLOW,
    ROOT_TASK_QUEUE,
    ROOT_WORKFLOW,
    SIGNAL_EVENT,
)
from core.domain.event import ALERT, Event
from core.domain.signalled import signalled
from core.formats.registry import read
from core.formats.shared.delivery import Delivery, way_headers
from tests.benchmarks import end_to_end
from tests.benchmarks.end_to_end import Handle, Incidents
from tests.benchmarks.figures import Figure, compare, p99, take_turns
from tests.benchmarks.floor.workflows import TASK_QUEUE as FLOOR_TASK_QUEUE
from tests.benchmarks.floor.workflows import Floor
from tests.benchmarks.harness import batch, context, lambda_environment, servers, settled

WAY: Final = "queue:tidegate-events"
"""The way of what `harness.batch` makes."""
STARTED: Final = "com.example.started"
_ROUTES: Final = """
routes:
  - name: started
    match: {exact: {type: com.example.started}}
    deliver: start
    workflow: Incident
    task_queue: tidegate-incident
    child_id: "incident:started:{tidegatekey}"

  - name: orchestrated
    match: {exact: {type: com.example.orchestrated}}
    workflow: Incident
    task_queue: tidegate-incident
    child_id: "incident:orchestrated:{tidegatekey}"
"""
_TOKEN: Final = "a-token-of-the-benchmark"
_WEBHOOKS: Final = """
version: 1
hooks:
  bench: {format: alertmanager, verify: {scheme: bearer, secrets: ["env:BENCH_TOKEN"]}}
"""

Message = dict[str, Any]


def alert(key: str | None = None) -> Message:
    """A CloudEvent with an alert that fires: of a key of its own, if none is given."""
    key = key or f"{uuid.uuid4().hex}"
    return _message(
        ALERT,
        {
            "key": key,
            "status": "firing",
            "title": "Checkout p99 above 8 s",
            "source": "monitoring",
            "severity": "critical",
            "service": "checkout",
            "starts_at": "2026-03-01T10:00:00Z",
            "labels": {"cluster": "eu-1", "alertname": "CheckoutSlow"},
        },
    )


def _report(type: str) -> Message:
    return _message(type, {"title": "Checkout is down", "severity": "high", "service": "checkout"})


def _message(type: str, data: Message) -> Message:
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "benchmark",
        "type": type,
        "subject": "checkout",
        "data": data,
    }


def event_of(message: Message) -> Event:
    """The event that the message listener makes of it."""
    headers = {"message-id": str(message["id"]), **way_headers(WAY, trusted=(ALERT,))}
    body = json.dumps(message).encode()
    [arrival] = read(Delivery(format="message", body=body, headers=headers, unique="1"))
    assert isinstance(arrival.item, Event)
    return arrival.item


def handle(messages: Sequence[Message]) -> None:
    """Invokes the message listener once, with one SQS message for each."""
    from functions_aws.message_listener import handler

    settled(handler(batch(list(messages)), context()))


# What a delivery adds to its call


class _Bare:
    """The same calls by the SDK's client, on one event loop."""

    def __init__(self, address: str) -> None:
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._client = self._runner.run(Client.connect(address))

    def close(self) -> None:
        self._runner.close()

    def orchestrate(self, message: Message) -> float:
        return self._start(message, ROOT_WORKFLOW, ROOT_TASK_QUEUE)

    def start(self, message: Message) -> float:
        return self._start(message, INCIDENT_WORKFLOW, INCIDENT_TASK_QUEUE)

    def signal(self, message: Message, id: str | None = None) -> float:
        wire = signalled(event_of(message))
        return self._timed(
            lambda: self._client.start_workflow(
                INCIDENT_WORKFLOW,
                id=id or f"bare:{uuid.uuid4()}",
                task_queue=INCIDENT_TASK_QUEUE,
                start_signal=SIGNAL_EVENT,
                start_signal_args=[[wire]],
            )
        )

    def _start(self, message: Message, workflow: str, task_queue: str) -> float:
        wire = event_of(message).to_wire()
        return self._timed(
            lambda: self._client.start_workflow(
                workflow, wire, id=f"bare:{uuid.uuid4()}", task_queue=task_queue
            )
        )

    def _timed(self, call: Callable[[], Any]) -> float:
        async def timed() -> float:
            begun = time.perf_counter()
            await call()
            return (time.perf_counter() - begun) * 1000

        return self._runner.run(timed())


def measure(folder: Path, *, quick: bool) -> list[Figure]:
    """One event per invocation, by each delivery."""
    rounds = 200 if quick else 1000
    with servers(folder) as (_, server):
        os.environ.update(_environment(folder, server.address))
        bare = _Bare(server.address)
        ours, theirs = (f"{who}-{uuid.uuid4().hex}" for who in ("ours", "bare"))
        cases: dict[str, Callable[[], float]] = {
            "orchestrate": lambda: _timed(_report("com.example.orchestrated")),
            "orchestrate, bare": lambda: bare.orchestrate(_report("com.example.orchestrated")),
            "start": lambda: _timed(_report(STARTED)),
            "start, bare": lambda: bare.start(_report(STARTED)),
            "signal": lambda: _timed(alert()),
            "signal, bare": lambda: bare.signal(alert()),
            "join": lambda: _timed(alert(ours)),
            "join, bare": lambda: bare.signal(alert(theirs), f"bare:{theirs}"),
            "webhook": _post,
        }
        try:
            samples = take_turns(cases, rounds, warm_up=30)
        finally:
            bare.close()
    found = []
    for what, baseline, name, target in (
        ("orchestrate", "orchestrate", "bare start", 1.10),
        ("start", "start", "bare start", 1.10),
        ("signal, opens", "signal", "bare signal-with-start", 1.10),
        ("signal, joins", "join", "bare signal-with-start", 1.10),
        ("webhook, signal", "signal", "bare signal-with-start", 1.10),
    ):
        case = {"webhook, signal": "webhook"}.get(what, baseline)
        figure = partial(
            compare, ours=samples[case], baseline=samples[f"{baseline}, bare"], unit="ms"
        )
        found += [
            figure(f"{what}, p50", against=name, at_most=target),
            figure(f"{what}, p99", against=name, statistic=p99),
        ]
    return found


def _environment(folder: Path, address: str) -> dict[str, str]:
    routes, hooks = folder / "routes.yaml", folder / "webhooks.yaml"
    shipped = SHIPPED_ROUTES.read_text(encoding="utf-8")
    routes.write_text(shipped.replace("\nroutes:\n", f"{_ROUTES}\n", 1), encoding="utf-8")
    hooks.write_text(_WEBHOOKS)
    return {
        **lambda_environment(folder, address),
        "TIDEGATE_ROUTES": str(routes),
        "TIDEGATE_TRUSTED_TYPES": ALERT,
        "TIDEGATE_WEBHOOKS": str(hooks),
        "BENCH_TOKEN": _TOKEN,
    }


def _timed(message: Message) -> float:
    """Milliseconds of one invocation of the message listener."""
    from functions_aws.message_listener import handler

    event, invocation = batch([message]), context()
    begun = time.perf_counter()
    answer = handler(event, invocation)
    taken = (time.perf_counter() - begun) * 1000
    settled(answer)
    return taken


def _post() -> float:
    """Milliseconds of one request to the webhook listener, with an alert of its own."""
    from functions_aws.webhook_listener import handler

    body = {
        "version": "4",
        "alerts": [
            {
                "status": "firing",
                "fingerprint": uuid.uuid4().hex[:16],
                "labels": {"alertname": "CheckoutSlow", "severity": "critical"},
                "annotations": {"summary": "Checkout p99 above 8 s"},
                "startsAt": "2026-03-01T10:00:00Z",
            }
        ],
    }
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/hooks/bench",
        "rawQueryString": "",
        "headers": {"content-type": "application/json", "authorization": f"Bearer {_TOKEN}"},
        "requestContext": {
            "stage": "$default",
            "requestId": str(uuid.uuid4()),
            "http": {"method": "POST", "path": "/hooks/bench", "sourceIp": "192.0.2.10"},
        },
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }
    invocation = context()
    begun = time.perf_counter()
    answer = handler(event, invocation)
    taken = (time.perf_counter() - begun) * 1000
    if answer["statusCode"] != 202:
        raise RuntimeError(f"not accepted: {answer}")
    return taken


# How soon an alert opens its incident

_WORKERS: Final = {
    **end_to_end.WORKERS,
    "floor": "tests.benchmarks.floor.run_worker",
}


def measure_open(folder: Path, *, quick: bool) -> list[Figure]:
    """Alerts of their own keys, one at a time and in bursts."""
    singles, bursts, size = (20, 3, 30) if quick else (60, 5, 100)
    with servers(folder) as (processes, server):
        env = _environment(folder, server.address) | {
            "TIDEGATE_REPORTS": f"file://{folder}/reports",
        }
        os.environ.update(env)
        end_to_end.start_workers(processes, env, folder / "bytecode", _WORKERS)
        with (
            end_to_end.incidents(server.address) as incidents,
            end_to_end.naive(server.address, event_of) as naive,
        ):
            patterns: dict[str, Handle] = {"ours": handle, "naive": naive}

            def latency(send: Handle) -> float:
                message, begun = alert(), time.time()
                send([message])
                return (incidents.opened([_incident(message)]) - begun) * 1000

            def floor() -> float:
                begun = time.time()
                return (incidents.first_task(_start_floor(incidents)) - begun) * 1000

            def throughput(send: Handle) -> float:
                messages, begun = [alert() for _ in range(size)], time.time()
                for first in range(0, size, end_to_end.BATCH):
                    send(messages[first : first + end_to_end.BATCH])
                return size / (incidents.opened([_incident(each) for each in messages]) - begun)

            waits = take_turns(
                {name: partial(latency, send) for name, send in patterns.items()}
                | {"floor": floor},
                singles,
                warm_up=3,
            )
            rates = take_turns(
                {name: partial(throughput, send) for name, send in patterns.items()}, bursts
            )
    what, opened = "alert to open incident, p50", waits["ours"]
    return [
        compare(what, opened, waits["naive"], against="naive pattern", unit="ms", at_most=0.15),
        compare(
            what,
            opened,
            waits["floor"],
            against="an empty workflow's first task",
            unit="ms",
            at_most=2.0,
        ),
        compare(
            f"bursts of {size} alerts",
            rates["ours"],
            rates["naive"],
            against="naive pattern",
            unit="alerts/s",
            at_least=2.0,
        ),
    ]


def _incident(message: Message) -> str:
    return f"incident:{WAY}:{message['data']['key']}"


def _start_floor(incidents: Incidents) -> str:
    id = f"floor:{uuid.uuid4()}"
    wire = event_of(alert()).to_wire()
    incidents.start(Floor.run, wire, id=id, task_queue=FLOOR_TASK_QUEUE)
    return id
