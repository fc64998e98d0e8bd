"""The OnCall workflow in worker processes that are killed."""

from __future__ import annotations

import asyncio
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from core.adapters.temporal import on_call
from infra.local.temporal import TemporalServer
from tests.support.eventually import eventually
from tests.support.on_call import OnCallHarness
from tests.support.worker_process import Start


async def test_commands_whose_worker_is_killed_are_done_once(
    start: Start, temporal_server: TemporalServer, temporal_client: Client
) -> None:
    """Their senders retry with the same command ID, as the command does."""
    harness = OnCallHarness(temporal_client)
    first_run = await harness.start_anew()
    settings = {
        "TEMPORAL_ADDRESS": temporal_server.address,
        "TIDEGATE_CONTINUE_AS_NEW_AFTER": "50",
    }
    first = start(**settings)
    first.wait_for("/readyz", 200)

    async def add(number: int) -> str:
        fields = {
            "command_id": f"{run}-{number}",
            "actor": "ana",
            "incident": f"incident:{number}",
            "until": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
            "why": "w",
        }
        answer = await on_call.send(temporal_client, "add_silence", fields)
        return str(answer["silences"][0]["id"])

    run = uuid4()
    adding = [asyncio.create_task(add(number)) for number in range(8)]
    await asyncio.wait(adding, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.to_thread(first.stop, signal.SIGKILL)
    second = start(**settings)
    await asyncio.to_thread(second.wait_for, "/readyz", 200)
    ids = await asyncio.gather(*adding)
    again = await asyncio.gather(*(add(number) for number in range(8)))
    state = await on_call.read_state(temporal_client)
    assert again == ids
    assert sorted(each.id for each in state.silences) == sorted(ids)
    assert [
        each["level"] for each in second.lines if each["level"] not in ("INFO", "WARNING")
    ] == []
    await harness.end(first_run, None)


async def test_a_worker_begins_the_workflow_where_handovers_are_announced(
    start: Start, temporal_server: TemporalServer, temporal_client: Client, tmp_path: Path
) -> None:
    """Also where nobody has ever added anything."""
    harness = OnCallHarness(temporal_client)
    await harness.terminate()
    file = tmp_path / "oncall.yaml"
    file.write_text(
        """\
version: 1
people:
  ana: {name: Ana, time_zone: UTC}
schedules:
  checkout:
    time_zone: UTC
    announce_handovers: true
    layers:
      - name: all
        rotation: {people: [ana], every: day, start: 2026-01-05}
"""
    )
    settings = {"TEMPORAL_ADDRESS": temporal_server.address, "TIDEGATE_ONCALL": str(file)}
    worker = start(**settings)
    await asyncio.to_thread(worker.wait_for, "/readyz", 200)

    async def runs() -> bool:
        try:
            run = await harness.handle.describe()
        except RPCError:
            return False
        return run.status is WorkflowExecutionStatus.RUNNING

    await eventually(runs, "the workflow to run")
    assert await on_call.take_turn(temporal_client, "web", "incident:a") == 0
    await harness.terminate()
