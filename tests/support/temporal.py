"""The calls that a Temporal server has received, by its own count."""

from __future__ import annotations

import asyncio
import os
import re
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from core.domain.event import TABLE_ATTRIBUTE
from infra.local.processes import Processes
from infra.local.temporal import NAMESPACE, TemporalServer, start_temporal
from tests.support.eventually import eventually

_METRICS = re.compile(r"Temporal Metrics:\s+http://\S+?:(\d+)/metrics")
_REQUESTS = re.compile(r"^service_requests\{(?P<labels>[^}]*)\} (?P<count>\d+)", re.MULTILINE)


_WORKERS = re.compile("Poll|Respond|Heartbeat|ShutdownWorker")
"""The calls that workers, the server's own included, make all the time."""

SENTINEL = "CountWorkflowExecutions"


async def calls(server: TemporalServer, client: Client) -> Counter[str]:
    """How often clients, without workers, have called each operation of the server's frontend.

    The server publishes all its counts together, now and then. A call that nothing else makes shows
    when they include everything before it.
    """

    async def announced() -> bool:
        return bool(_METRICS.search(server.child.output()))

    await eventually(announced, "the server to log the address of its metrics")
    before = _published(server)[SENTINEL]
    await client.count_workflows()

    async def with_sentinel() -> Counter[str] | None:
        counts = await asyncio.to_thread(_published, server)
        return counts if counts[SENTINEL] > before else None

    return await eventually(with_sentinel, "the server to publish its counts")


def _published(server: TemporalServer) -> Counter[str]:
    port = _METRICS.search(server.child.output())
    assert port, server.child.output()
    url = f"http://127.0.0.1:{port[1]}/metrics"
    with urllib.request.urlopen(url, timeout=30) as answer:
        text = answer.read().decode()
    counts: Counter[str] = Counter()
    for match in _REQUESTS.finditer(text):
        labels = dict(re.findall(r'(\w+)="([^"]*)"', match["labels"]))
        operation = labels["operation"]
        ours = labels["service_name"] == "frontend" and labels["namespace"] == NAMESPACE
        if ours and not _WORKERS.search(operation):
            counts[operation] += int(match["count"])
    return counts


@contextmanager
def own_server(folder: Path) -> Iterator[TemporalServer]:
    """A Temporal server with a database, for a test that stops and restarts it. It may not answer
    yet: `wait` for it."""
    processes = Processes(folder / "logs")
    try:
        yield start_temporal(processes, os.environ, database=folder / "temporal.db")
    finally:
        processes.stop()


async def started(client: Client, workflow_id: str) -> Any:
    """The argument that a workflow was started with, by its ID; None if there is no such one. From
    an event the digest of the listener's routing table is taken away: what remains is the event."""
    try:
        history = await client.get_workflow_handle(workflow_id).fetch_history()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    first = history.events[0].workflow_execution_started_event_attributes
    [argument] = await client.data_converter.decode(first.input.payloads)
    if isinstance(argument, dict):
        argument.pop(TABLE_ATTRIBUTE, None)
    return argument
