"""Recorded histories: runs that every later version of the workflows must replay.

A test with the marker `recorded("NAME")` writes the histories of its incidents while a folder is
named by `RECORD_HISTORIES_IN`; `python -m tests.record_histories` records all of them.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

from temporalio.client import Client, WorkflowHandle, WorkflowHistory
from temporalio.worker import Replayer

from core.adapters.temporal.connection import data_converter
from workers.heartbeat.activities import HeartbeatActivities
from workers.heartbeat.workflows import HeartbeatWorkflow
from workers.incident.activities import IncidentActivities
from workers.incident.workflows import IncidentWorkflow
from workers.oncall.activities import OnCallActivities
from workers.oncall.workflows import OnCallWorkflow
from workers.root_orchestrator.activities import RootActivities
from workers.root_orchestrator.workflows import RootOrchestratorWorkflow
from workers.runtime.process import sandbox

HISTORIES: Final = Path(__file__).parents[1] / "histories"
FOLDER_VARIABLE: Final = "RECORD_HISTORIES_IN"


def replayer() -> Replayer:
    """Replays a history of any workflow, in the sandbox that production uses."""
    activities: list[Any] = [
        RootActivities.validate_and_route,
        IncidentActivities.page,
        OnCallActivities.announce,
        HeartbeatActivities.alert,
    ]
    return Replayer(
        workflows=[RootOrchestratorWorkflow, IncidentWorkflow, OnCallWorkflow, HeartbeatWorkflow],
        data_converter=data_converter(),
        workflow_runner=sandbox(activities),
    )


def recorded(name: str, change: Callable[[str], str] = str) -> WorkflowHistory:
    """A recorded history; `change` is applied to its JSON first."""
    return WorkflowHistory.from_json(name, change((HISTORIES / f"{name}.json").read_text()))


async def record(client: Client, first: WorkflowHandle[Any, Any], name: str, place: Path) -> None:
    """Write the histories of a run and of those that it continues in, where a folder is named;
    `place` is what the test calls /documents."""
    if folder := os.environ.get(FOLDER_VARIABLE):
        number = 1
        async for history in runs(client, first):
            suffix = f"-run-{number}" if number > 1 else ""
            write(history, Path(folder) / f"{name}{suffix}.json", place)
            number += 1


def write(history: WorkflowHistory, path: Path, place: Path) -> None:
    """Write a history without what depends on the machine and is not replayed."""
    text = json.dumps(_without_machine(history.to_json_dict()), indent=1, sort_keys=True)
    path.write_text(text.replace(str(place), "/documents") + "\n")


async def runs(client: Client, first: WorkflowHandle[Any, Any]) -> AsyncIterator[WorkflowHistory]:
    """The histories of a run and of those that it continues in."""
    run_id = first.run_id
    while run_id:
        history = await client.get_workflow_handle(first.id, run_id=run_id).fetch_history()
        yield history
        last = history.events[-1]
        run_id = last.workflow_execution_continued_as_new_event_attributes.new_execution_run_id


def _without_machine(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_machine(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {name: _without_machine(item) for name, item in value.items() if name != "stackTrace"}
    return kept | ({"identity": "recorded"} if "identity" in kept else {})
