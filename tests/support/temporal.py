"""What a Temporal server has seen: its own count of the calls it got."""

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

from infra.local.processes import Processes
from infra.local.temporal import NAMESPACE, TemporalServer, start_temporal
from tests.support.eventually import eventually

_METRICS = re.compile(r"Temporal Metrics:\s+http://\S+?:(\d+)/metrics")
_REQUESTS = re.compile(r"^service_requests\{(?P<labels>[^}]*)\} (?P<count>\d+)", re.MULTILINE)


_WORKERS = re.compile("Poll|Respond|Heartbeat|ShutdownWorker")
"""What workers call without end, the server's own among them."""

SENTINEL = "CountWorkflowExecutions"


async def calls(server: TemporalServer, client: Client) -> Counter[str]:
    """How often clients have called each operation of the server's frontend, as it counts them;
    workers' calls left out.

    The server publishes its counts now and then, all at once: a call that nobody else makes tells
    when what came before it is in them.
    """

    async def announced() -> bool:
        return bool(_METRICS.search(server.child.output()))

    await eventually(announced, "the server to say where its counts are")
    before = _published(server)[SENTINEL]
    await client.count_workflows()

    async def with_sentinel() -> Counter[str] | None:
        found = await asyncio.to_thread(_published, server)
        return found if found[SENTINEL] > before else None

    return await eventually(with_sentinel, "the server to publish its counts")


def _published(server: TemporalServer) -> Counter[str]:
    port = _METRICS.search(server.child.output())
    assert port, server.child.output()
    url = f"http://127.0.0.1:{port[1]}/metrics"
    with urllib.request.urlopen(url, timeout=30) as answer:
        text = answer.read().decode()
    found: Counter[str] = Counter()
    for match in _REQUESTS.finditer(text):
        labels = dict(re.findall(r'(\w+)="([^"]*)"', match["labels"]))
        operation = labels["operation"]
        ours = labels["service_name"] == "frontend" and labels["namespace"] == NAMESPACE
        if ours and not _WORKERS.search(operation):
            found[operation] += int(match["count"])
    return found


@contextmanager
def own_server(folder: Path) -> Iterator[TemporalServer]:
    """A Temporal server with a database, for a test that stops and starts it. It may not
    answer yet: `wait` for it."""
    processes = Processes(folder / "logs")
    try:
        yield start_temporal(processes, os.environ, database=folder / "temporal.db")
    finally:
        processes.stop()


async def started(client: Client, workflow_id: str) -> Any:
    """What the workflow with this ID was started with, or None where there is none."""
    try:
        history = await client.get_workflow_handle(workflow_id).fetch_history()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    first = history.events[0].workflow_execution_started_event_attributes
    [argument] = await client.data_converter.decode(first.input.payloads)
    return argument
