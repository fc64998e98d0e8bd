"""Workflows that run now must be able to go on under the code of tomorrow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from core.adapters.temporal.connection import data_converter
from workers.root_orchestrator.activities import RootActivities
from workers.root_orchestrator.workflows import RootOrchestratorWorkflow
from workers.runtime.process import sandbox

HISTORIES = Path(__file__).parents[1] / "histories"
RECORDED = sorted(HISTORIES.glob("root-*.json"))


def replayer() -> Replayer:
    return Replayer(
        workflows=[RootOrchestratorWorkflow],
        data_converter=data_converter(),
        workflow_runner=sandbox([RootActivities.validate_and_route]),
    )


def recorded(name: str, change: Callable[[str], str] = str) -> WorkflowHistory:
    return WorkflowHistory.from_json(name, change((HISTORIES / f"{name}.json").read_text()))


def test_there_is_a_history_of_each_way_that_an_event_can_go() -> None:
    assert [path.stem for path in RECORDED] == [
        "root-no-route",
        "root-rejected",
        "root-signalled",
        "root-started-new",
        "root-started-reject",
        "root-started-signal",
        "root-started-start-new",
    ]


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
async def test_a_recorded_root_orchestrator_replays(path: Path) -> None:
    history = recorded(path.stem)
    await replayer().replay_workflow(history)


async def test_a_history_that_went_another_way_does_not() -> None:
    """So that the tests above can fail."""
    history = recorded("root-signalled", lambda text: text.replace('"TestChild"', '"OtherChild"'))
    with pytest.raises(NondeterminismError):
        await replayer().replay_workflow(history)
