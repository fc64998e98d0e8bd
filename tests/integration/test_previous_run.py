"""What a closed run leaves to its successor can be read without a worker."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from core.adapters.temporal.previous_run import last_result
from core.errors import TemporalUnavailable
from tests.support.eventually import eventually
from tests.support.workflows import ChildStandIn

AWKWARD = ["plain", "it's", "a:b%3Ac", "100%", "AND ExecutionStatus = 'Running'", "ünï"]


@pytest.fixture
def queue() -> str:
    return f"queue-{uuid4().hex}"


async def finish(client: Client, queue: str, id: str, word: str) -> None:
    """Runs a workflow under this ID to its end, which is a list with one word."""
    worker = Worker(
        client,
        task_queue=queue,
        workflows=[ChildStandIn],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    async with worker:
        handle = await client.start_workflow("TestChild", word, id=id, task_queue=queue)
        await handle.signal("end")
        assert await handle.result() == [word]


async def left(client: Client, id: str, wanted: Any) -> None:
    """Waits until the list, which lags by a moment, has it."""

    async def is_there() -> bool:
        return not await lags(client, id) and bool(await last_result(client, id) == wanted)

    await eventually(is_there, f"{id} has left {wanted}")


@pytest.mark.parametrize("name", AWKWARD)
async def test_the_last_completed_run_is_found_by_its_id(
    temporal_client: Client, queue: str, name: str
) -> None:
    id = f"{name}-{uuid4().hex}"
    await finish(temporal_client, queue, f"{id}x", "another")
    await finish(temporal_client, queue, id, "first")
    await left(temporal_client, id, ["first"])
    await finish(temporal_client, queue, id, "second")
    await left(temporal_client, id, ["second"])


async def test_a_run_that_runs_or_was_terminated_leaves_nothing(
    temporal_client: Client, queue: str
) -> None:
    id = f"run-{uuid4().hex}"
    handle = await temporal_client.start_workflow("TestChild", "word", id=id, task_queue=queue)
    assert await last_result(temporal_client, id, handle.first_execution_run_id) is None
    await handle.terminate("on purpose")
    await left(temporal_client, id, None)


async def test_while_the_list_shows_another_run_as_running_it_is_to_be_asked_again(
    temporal_client: Client, queue: str
) -> None:
    id = f"lags-{uuid4().hex}"
    await finish(temporal_client, queue, id, "first")
    await left(temporal_client, id, ["first"])
    handle = await temporal_client.start_workflow("TestChild", "word", id=id, task_queue=queue)
    await eventually(lambda: lags(temporal_client, id), "the list has the second run")
    assert await last_result(temporal_client, id, handle.first_execution_run_id) == ["first"]
    await handle.terminate("on purpose")
    await left(temporal_client, id, ["first"])


async def lags(client: Client, id: str) -> bool:
    try:
        await last_result(client, id)
    except TemporalUnavailable as error:
        return "the list of workflows lags" in error.message
    return False


async def test_an_id_that_never_ran_has_left_nothing(temporal_client: Client) -> None:
    assert await last_result(temporal_client, f"never-{uuid4().hex}") is None
