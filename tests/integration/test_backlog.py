from __future__ import annotations

import logging
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client

from core.adapters.temporal import admin
from core.contracts import INCIDENT_TASK_QUEUE, INCIDENT_WORKFLOW
from infra.local.processes import wait_until
from infra.local.temporal import TemporalServer
from tests.support.eventually import eventually
from tests.support.worker_process import PATIENCE, Start, upload
from workers.runtime import backlog, process


@pytest.fixture
def task_queue() -> str:
    return f"queue-{uuid4().hex}"


def reports(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [vars(record) for record in caplog.records if record.message == "backlog"]


async def test_a_worker_logs_the_backlog_of_its_task_queue(
    temporal_client: Client, task_queue: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="tidegate.worker")
    for number in range(3):
        await temporal_client.start_workflow(
            "Nobody", id=f"{task_queue}-{number}", task_queue=task_queue
        )

    async def all_wait() -> bool:
        return (await admin.backlog(temporal_client, task_queue)).tasks == 3

    await eventually(all_wait, "three tasks that wait")
    await backlog.report(temporal_client, task_queue)
    [line] = reports(caplog)
    assert line["task_queue"] == task_queue
    assert line["backlog"] == 3
    assert line["backlog_age_seconds"] >= 0


async def test_a_queue_without_work_has_no_backlog(
    temporal_client: Client, task_queue: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="tidegate.worker")
    await backlog.report(temporal_client, task_queue)
    [line] = reports(caplog)
    assert (line["backlog"], line["backlog_age_seconds"]) == (0, 0)


async def test_the_log_has_what_scaling_and_alarms_read(
    start: Start,
    temporal_server: TemporalServer,
    temporal_client: Client,
    tmp_path: Path,
    closed_port: int,
) -> None:
    nowhere = f"json://127.0.0.1:{closed_port}/"
    worker = start(TEMPORAL_ADDRESS=temporal_server.address, TIDEGATE_PAGE_URLS=nowhere)
    wait_until(worker.says("backlog"), PATIENCE, "the backlog", check=worker.must_run)
    [line, *_] = worker.says("backlog")()
    assert line["backlog"] >= 0
    assert line["backlog_age_seconds"] >= 0

    handle = await temporal_client.start_workflow(
        INCIDENT_WORKFLOW,
        upload(tmp_path),
        id=f"incident:{uuid4()}",
        task_queue=INCIDENT_TASK_QUEUE,
    )

    def pages_that_failed() -> list[dict[str, Any]]:
        # As the filter PageFailures in infra/aws/workers.yaml has it.
        return [
            line
            for line in worker.lines
            if line.get("activity_type") == "page" and line["level"] == "WARNING"
        ]

    wait_until(pages_that_failed, PATIENCE, "a page that fails", check=worker.must_run)
    await handle.terminate()
    assert worker.stop() == process.DRAINED
