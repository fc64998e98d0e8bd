"""The incident worker as a process: killed during an activity, and what it logs."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle

from core.adapters.notifiers.apprise import KEY_HEADER
from core.contracts import (
    INCIDENT_TASK_QUEUE,
    INCIDENT_WORKFLOW,
    QUERY_INCIDENT,
)
from core.domain.incident import commands
from core.domain.incident.model import folder_name
from infra.local.processes import wait_until
from infra.local.temporal import TemporalServer
from tests.support.documents import place
from tests.support.web import Site
from tests.support.worker_process import PATIENCE, Start, upload
from workers.runtime.process import DRAINED


async def opened(
    client: Client, folder: Path, content: str = "# Disk full\n"
) -> WorkflowHandle[Any, Any]:
    return await client.start_workflow(
        INCIDENT_WORKFLOW,
        upload(folder, content),
        id=f"incident:{uuid4()}",
        task_queue=INCIDENT_TASK_QUEUE,
    )


async def test_a_page_whose_worker_is_killed_is_sent_again_under_the_same_key(
    start: Start,
    temporal_server: TemporalServer,
    temporal_client: Client,
    site: Site,
    tmp_path: Path,
) -> None:
    site.answering.clear()
    settings = {
        "TEMPORAL_ADDRESS": temporal_server.address,
        "TIDEGATE_PAGE_URLS": f"{site.apprise_url()}?rto=60",
    }
    first = start(**settings)
    first.wait_for("/readyz", 200)
    handle = await opened(temporal_client, tmp_path)
    wait_until(lambda: len(site.got) == 1, PATIENCE, "the page", check=first.must_run)
    first.stop(signal.SIGKILL)

    site.answering.set()
    second = start(**settings)
    second.wait_for("/readyz", 200)
    wait_until(
        second.says("Page delivered to on-call"), PATIENCE, "its delivery", check=second.must_run
    )
    keys = [headers[KEY_HEADER] for _, headers, _ in site.got]
    assert len(keys) == 2
    assert keys[0] == keys[1]
    await handle.execute_update(commands.Resolve.name, {"command_id": "c1", "actor": "ana"})
    assert (await handle.result())["status"] == "closed"
    pages = [headers[KEY_HEADER] for _, headers, _ in site.got].count(keys[0])
    assert (pages, len(site.got)) == (2, 3)  # the third says that it is resolved


async def test_a_report_whose_worker_is_killed_is_written_once_by_the_next(
    start: Start, temporal_server: TemporalServer, temporal_client: Client, tmp_path: Path
) -> None:
    settings = {"TEMPORAL_ADDRESS": temporal_server.address}
    first = start(**settings)
    first.wait_for("/readyz", 200)
    handle = await opened(temporal_client, tmp_path)
    wait_until(first.says("Nobody to page"), PATIENCE, "the opening", check=first.must_run)
    id = (await handle.query(QUERY_INCIDENT))["id"]
    folder = tmp_path / "reports" / folder_name(id)
    folder.mkdir(parents=True)
    # The activity reads the file that exists already, and blocks for ever on a pipe.
    os.mkfifo(folder / "report.json")
    await handle.execute_update(commands.Resolve.name, {"command_id": "c1", "actor": "ana"})
    wait_until((folder / "report.md").exists, PATIENCE, "half a report", check=first.must_run)
    half = (folder / "report.md").read_text()
    first.stop(signal.SIGKILL)

    (folder / "report.json").unlink()
    second = start(**settings)
    result = await handle.result()
    assert result["status"] == "closed"
    assert await place(f"file://{folder}/").names() == ["report.json", "report.md"]
    assert result["reports"] == [f"file://{folder}/report.md", f"file://{folder}/report.json"]
    assert (folder / "report.md").read_text() == half
    assert json.loads((folder / "report.json").read_text())["incident_id"] == id
    assert second.stop() == DRAINED


async def test_an_event_that_is_given_up_is_one_line_in_the_log(
    start: Start, temporal_server: TemporalServer, temporal_client: Client, tmp_path: Path
) -> None:
    worker = start(TEMPORAL_ADDRESS=temporal_server.address)
    worker.wait_for("/readyz", 200)
    handle = await opened(temporal_client, tmp_path, "no title")
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    assert worker.stop() == DRAINED
    [warning] = [line for line in worker.lines if line["level"] != "INFO"]
    [record] = (tmp_path / "quarantine").glob("*.json")
    assert warning["message"].startswith("given up (InvalidReport): ")
    assert f"kept as file://{record}" in warning["message"]
    assert warning["workflow_id"] == handle.id
