"""Floods to one key: what senders were told is accepted is in the incident, and its run lives.

Eight senders signal as fast as Temporal takes it, and try again what is not accepted, as carriers
do. The incident worker is a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from core import bootstrap
from core.config.settings import Settings
from core.contracts import QUERY_INCIDENT
from core.domain.event import ALERT
from core.formats.registry import read
from core.formats.shared.delivery import Delivery, way_headers
from core.intake.accept import Intake
from core.intake.receipts import Verdict
from infra.local.temporal import TemporalServer
from tests.support.eventually import eventually
from tests.support.soak import SOAKING
from tests.support.worker_process import Start, WorkerProcess, starting

pytestmark = [pytest.mark.slow, pytest.mark.soak]

SENDERS: Final = 8
SIGNALS: Final = 1_400 if SOAKING else 60
"""Of each sender. Together they are more than one run of a workflow takes, in `make soak`."""
LARGE: Final = 100 if SOAKING else 15
LARGE_BYTES: Final = 900_000
MOST_HISTORY: Final = 10_000_000
"""Bytes: a fifth of what Temporal terminates a run for."""
QUEUE: Final = "queue:flood"
PAUSE: Final = 0.5


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with starting(tmp_path) as start_worker:
        yield start_worker


@pytest.fixture
def intake(
    temporal_server: TemporalServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Intake:
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_server.address)
    monkeypatch.setenv("TIDEGATE_QUARANTINE", f"file://{tmp_path}/quarantine/")
    return bootstrap.intake(Settings.from_env())


def start_ready(start: Start, server: TemporalServer) -> WorkerProcess:
    worker = start(TEMPORAL_ADDRESS=server.address)
    worker.wait_for("/readyz", 200)
    return worker


def alert(key: str, **fields: Any) -> Delivery:
    """One message with an alert that fires, under a delivery ID of its own."""
    id = uuid.uuid4().hex
    event = {
        "specversion": "1.0",
        "type": ALERT,
        "source": "/monitoring",
        "id": id,
        "data": {"key": key, "status": "firing", "starts_at": "2026-01-02T03:04:05Z", **fields},
    }
    return Delivery(
        format="message",
        body=json.dumps(event).encode(),
        headers={"message-id": id, **way_headers(QUEUE, trusted=(ALERT,))},
        unique=id,
    )


async def send(intake: Intake, delivery: Delivery) -> int:
    """Send until it is accepted; returns how often it was not."""
    refused = 0
    while True:
        [receipt] = await intake.accept(read(delivery))
        if receipt.verdict in (Verdict.STARTED, Verdict.DELIVERED):
            return refused
        assert receipt.verdict is Verdict.RETRY, receipt
        refused += 1
        await asyncio.sleep(PAUSE)  # as long as a carrier waits at least


async def alerts_of(client: Client, key: str, wanted: int) -> int:
    """How many alerts the incident has counted, once there are as many as wanted."""
    handle = client.get_workflow_handle(f"incident:{QUEUE}:{key}")
    found: int = 0

    async def all_there() -> bool:
        nonlocal found
        try:
            found = int((await handle.query(QUERY_INCIDENT))["alerts"]["fired"])
        except RPCError:  # no worker took it in time
            return False
        return found >= wanted

    with suppress(AssertionError):  # the caller says what is missing
        await eventually(all_there, f"{wanted} alerts")
    return found


async def runs(client: Client, key: str) -> AsyncIterator[Any]:
    async for run in client.list_workflows(f"WorkflowId = 'incident:{QUEUE}:{key}'"):
        yield await client.get_workflow_handle(run.id, run_id=run.run_id).describe()


async def assert_nothing_was_terminated(client: Client, key: str) -> None:
    found = [run async for run in runs(client, key)]
    expected = (WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.CONTINUED_AS_NEW)
    assert {run.status for run in found} <= set(expected)
    assert max(run.raw_info.history_size_bytes for run in found) < MOST_HISTORY


async def test_a_flood_to_one_key_loses_nothing_and_ends_no_run(
    start: Start, intake: Intake, temporal_server: TemporalServer, temporal_client: Client
) -> None:
    start_ready(start, temporal_server)
    key = f"flood-{uuid.uuid4().hex[:8]}"

    async def sender() -> int:
        return sum([await send(intake, alert(key)) for _ in range(SIGNALS)])

    refused = await asyncio.gather(*(sender() for _ in range(SENDERS)))
    # One that was refused when time ran out may have arrived, and counts twice then.
    found = await alerts_of(temporal_client, key, SENDERS * SIGNALS)
    assert SENDERS * SIGNALS <= found <= SENDERS * SIGNALS + sum(refused)
    await assert_nothing_was_terminated(temporal_client, key)


@pytest.mark.parametrize("is_alive", [True, False], ids=["worker alive", "worker stopped"])
async def test_large_alerts_lose_nothing(
    start: Start,
    intake: Intake,
    temporal_server: TemporalServer,
    temporal_client: Client,
    is_alive: bool,
) -> None:
    if is_alive:
        start_ready(start, temporal_server)
    key = f"large-{uuid.uuid4().hex[:8]}"
    for _ in range(LARGE):
        labels = {f"label-{n}": "x" * 9_000 for n in range(LARGE_BYTES // 9_000 - 1)}
        await send(intake, alert(key, summary="y" * 9_000, labels=labels))
    if not is_alive:
        start_ready(start, temporal_server)
    assert await alerts_of(temporal_client, key, LARGE) == LARGE
    await assert_nothing_was_terminated(temporal_client, key)
