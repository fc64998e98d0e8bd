from __future__ import annotations

import logging
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client

from core.adapters import temporal_admin
from tests.support.eventually import eventually
from workers import backlog


@pytest.fixture
def task_queue() -> str:
    return f"queue-{uuid4().hex}"


def reports(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [vars(record) for record in caplog.records if record.message == "backlog"]


async def test_a_worker_says_how_much_work_waits_on_its_queue(
    temporal_client: Client, task_queue: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="tidegate.worker")
    for number in range(3):
        await temporal_client.start_workflow(
            "Nobody", id=f"{task_queue}-{number}", task_queue=task_queue
        )

    async def all_wait() -> bool:
        return (await temporal_admin.backlog(temporal_client, task_queue)).tasks == 3

    await eventually(all_wait, "three tasks that wait")
    await backlog.report(temporal_client, task_queue)
    [said] = reports(caplog)
    assert said["task_queue"] == task_queue
    assert said["backlog"] == 3
    assert said["backlog_age_seconds"] >= 0


async def test_a_queue_without_work_has_no_backlog(
    temporal_client: Client, task_queue: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="tidegate.worker")
    await backlog.report(temporal_client, task_queue)
    [said] = reports(caplog)
    assert (said["backlog"], said["backlog_age_seconds"]) == (0, 0)
