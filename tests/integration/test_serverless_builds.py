"""A new build of the function is deployed while incidents are open: which build gets which task."""

from __future__ import annotations

from uuid import uuid4

import pytest
from temporalio.client import WorkflowFailureError

from core.contracts import ROOT_TASK_QUEUE, ROOT_WORKFLOW
from core.domain.event import DOCUMENT_CREATED, DocumentRef, Event
from core.domain.incident import commands
from tests.integration.test_worker_versioning import builds, last_build
from tests.support.eventually import eventually
from tests.support.incidents import command
from tests.support.serverless import FIRST_BUILD
from tests.support.sleepers import Sleepers, end, unique

pytestmark = pytest.mark.slow

OLD, NEW = "build-old", "build-new"


def refused() -> Event:
    """An upload to a place that no build may read: it is quarantined."""
    document = DocumentRef(uri="file:///elsewhere/a.md")
    key = f"file:{uuid4()}"
    data = {"document": document.to_wire()}
    return Event(id="1", source="s", type=DOCUMENT_CREATED, subject="a.md", key=key, data=data)


async def test_a_root_run_ends_on_its_build_and_an_incident_moves_and_moves_back(
    sleepers: Sleepers,
) -> None:
    up, client = sleepers.up, await sleepers.client()
    in_the_way = sleepers.folder / "in-the-way"
    in_the_way.touch()
    quarantine = f"file://{in_the_way}/quarantine/"
    up.deploy(OLD, TIDEGATE_QUARANTINE=quarantine)
    up.promote(OLD)
    try:
        event = refused()
        root = await client.start_workflow(
            ROOT_WORKFLOW, event.to_wire(), id=event.key, task_queue=ROOT_TASK_QUEUE
        )
        name = unique("rollout")
        incident = await sleepers.alert(client, name)
        await sleepers.paged(name)

        async def tried() -> bool:
            waiting = (await root.describe()).raw_description.pending_activities
            return any(activity.attempt > 1 for activity in waiting)

        async def moves_to(build: str) -> None:
            """Temporal tells its task queues of a promotion a moment after it has answered."""

            async def moved() -> bool:
                await command(incident, commands.Comment.name, unique("c"), note="Who is at work?")
                return await last_build(incident) == build

            await eventually(moved, f"the incident to move to {build}")

        await eventually(tried, "the quarantine to be retried")

        up.deploy(NEW)
        up.promote(NEW)
        await moves_to(NEW)
        assert await builds(incident) == [OLD, NEW]
        in_the_way.unlink()
        with pytest.raises(WorkflowFailureError):
            await root.result()
        assert await builds(root) == [OLD]
        assert len(list((in_the_way / "quarantine").glob("*.json"))) == 1

        up.promote(OLD)
        await moves_to(OLD)
        await end(incident)
        assert len(sleepers.pages(name)) == 1
    finally:
        up.promote(FIRST_BUILD)
    await sleepers.asleep()
    assert {wake.version for wake in up.invocations()} == {"1", "2", "3"}
