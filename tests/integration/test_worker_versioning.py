"""Builds of the workers that run concurrently: which one gets which work during a rollout.

The commands are those of docs/workers.md, run by Temporal's own command line.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio.api.enums.v1 import EventType, RoutingConfigUpdateState
from temporalio.api.workflowservice.v1 import DescribeWorkerDeploymentRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from core.adapters.temporal.connection import data_converter
from core.config.settings import Settings
from core.contracts import (
    INCIDENT_TASK_QUEUE,
    INCIDENT_WORKFLOW,
    QUERY_INCIDENT,
    ROOT_WORKFLOW,
)
from core.domain.alert import AlertStatus
from core.domain.event import ALERT, DOCUMENT_CREATED, DocumentRef, Event
from core.domain.incident import commands
from infra.local.processes import Processes, program
from infra.local.temporal import TemporalServer, start_temporal
from tests.support.eventually import PATIENCE, eventually
from workers.incident import run_worker as incident
from workers.root_orchestrator import run_worker as root
from workers.runtime import process as runtime

_KNOWN = RoutingConfigUpdateState.ROUTING_CONFIG_UPDATE_STATE_COMPLETED
pytestmark = pytest.mark.slow

OLD, NEW = "1.0.0-aaaaaaa", "1.1.0-bbbbbbb"

_QUICK = (
    "matching.wv.VersionDrainageStatusVisibilityGracePeriod",
    "matching.wv.VersionDrainageStatusRefreshInterval",
)
"""How long a server waits before it checks whether a build without new work is drained."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TemporalServer]:
    processes = Processes(tmp_path_factory.mktemp("logs"))
    options = [part for name in _QUICK for part in ("--dynamic-config-value", f'{name}="1s"')]
    try:
        found = start_temporal(processes, os.environ, options=options)
        found.wait()
        yield found
    finally:
        processes.stop()


@dataclass(frozen=True, slots=True)
class Deployment:
    """One worker's builds: a task queue of the test's own, and the deployment named after it."""

    server: TemporalServer
    client: Client
    plan: runtime.Plan

    @property
    def name(self) -> str:
        return self.plan.task_queue

    def worker(self, build: str | None, plan: runtime.Plan | None = None) -> Worker:
        return runtime.worker(self.client, plan or self.plan, build_id=build)

    def on(self, task_queue: str) -> Deployment:
        return replace(self, plan=replace(self.plan, task_queue=task_queue))

    async def start(self, name: str, event: Event) -> WorkflowHandle[Any, Any]:
        return await self.client.start_workflow(
            name, event.to_wire(), id=f"{name}:{uuid4()}", task_queue=self.name
        )

    async def make_current(self, *build: str) -> None:
        """Retries until the build's worker polls; `--unversioned` for none."""
        await self._command("set-current-version", *_build(build))
        await self._propagated()

    async def ramp(self, build: str, percentage: int) -> None:
        await self._command(
            "set-ramping-version", "--build-id", build, "--percentage", str(percentage)
        )
        await self._propagated()

    async def _propagated(self) -> None:
        """Wait until a change has reached all partitions of the task queue."""
        request = DescribeWorkerDeploymentRequest(namespace="default", deployment_name=self.name)

        async def known() -> bool:
            answer = await self.client.workflow_service.describe_worker_deployment(request)
            return answer.worker_deployment_info.routing_config_update_state == _KNOWN

        await eventually(known, "the change to reach the task queue")

    async def drainage(self, build: str) -> str:
        """`draining` while workflows that are pinned to the build run, then `drained`."""
        out = await self._command("describe-version", "--build-id", build, "--output", "json")
        return str(json.loads(out)["drainageInfo"]["drainageStatus"])

    async def _command(self, name: str, *arguments: str) -> str:
        async def succeeds() -> str | None:
            where = ["--address", self.server.address, "--deployment-name", self.name]
            if name.startswith("set-"):
                where.append("--yes")
            return await temporal("worker", "deployment", name, *where, *arguments)

        return await eventually(succeeds, f"{name} {arguments}")


async def temporal(*arguments: str) -> str | None:
    """The output of Temporal's command, or None when it fails."""
    process = await asyncio.create_subprocess_exec(
        program("temporal"),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    return (out.decode() or "done") if process.returncode == 0 else None


def _build(build: Sequence[str]) -> list[str]:
    return ["--unversioned"] if build == ("--unversioned",) else ["--build-id", *build]


@pytest.fixture
async def client(server: TemporalServer) -> Client:
    return await Client.connect(server.address, data_converter=data_converter())


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    where = f"file://{tmp_path}"
    return Settings(quarantine=f"{where}/quarantine/", reports=f"{where}/reports/")


@pytest.fixture
def incidents(server: TemporalServer, client: Client, settings: Settings) -> Deployment:
    plan = replace(incident.plan(settings), task_queue=f"incident-{uuid4()}")
    return Deployment(server, client, plan)


@pytest.fixture
def roots(server: TemporalServer, client: Client, settings: Settings) -> Deployment:
    plan = replace(root.plan(settings), task_queue=f"root-{uuid4()}")
    return Deployment(server, client, plan)


def alert() -> Event:
    id = str(uuid4())
    data = {"key": id, "title": "Disk full", "source": "test", "status": AlertStatus.FIRING.value}
    key = f"ce:/test#{id}"
    return Event(id=id, source="/test", type=ALERT, key=key, scope="command:test", data=data)


def upload() -> Event:
    document = DocumentRef(uri="file:///documents/incidents/a.md")
    data = {"document": document.to_wire()}
    return Event(
        id="1",
        source="s",
        type=DOCUMENT_CREATED,
        subject="incidents/a.md",
        key=f"file:{uuid4()}",
        data=data,
    )


async def builds(handle: WorkflowHandle[Any, Any]) -> list[str]:
    """The builds that completed the workflow's tasks, oldest first; "" for unversioned workers."""
    found: list[str] = []
    async for event in handle.fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            done = event.workflow_task_completed_event_attributes
            found.append(done.deployment_version.build_id)
    return list(dict.fromkeys(found))


async def last_build(handle: WorkflowHandle[Any, Any]) -> str:
    """The build that completed the workflow's last task."""
    info = (await handle.describe()).raw_description.workflow_execution_info
    return str(info.versioning_info.deployment_version.build_id)


async def opened(handle: WorkflowHandle[Any, Any]) -> None:
    async def asked() -> Any:
        shown = await handle.query(QUERY_INCIDENT)
        return shown["opened_at"]

    await eventually(asked, "the incident to open")


async def command(handle: WorkflowHandle[Any, Any], name: str) -> dict[str, Any]:
    argument = {"command_id": str(uuid4()), "actor": "ana", "note": "a note"}
    async with asyncio.timeout(PATIENCE):
        answer: dict[str, Any] = await handle.execute_update(name, argument)
    return answer


async def action(handle: WorkflowHandle[Any, Any]) -> str:
    """The action in a root orchestrator's result."""
    async with asyncio.timeout(PATIENCE):
        return str((await handle.result())["action"])


@asynccontextmanager
async def side_by_side(*workers: Worker) -> AsyncIterator[None]:
    async with workers[0]:
        if workers[1:]:
            async with side_by_side(*workers[1:]):
                yield
        else:
            yield


async def test_without_a_build_id_a_worker_is_not_versioned(incidents: Deployment) -> None:
    async with incidents.worker(None):
        handle = await incidents.start(INCIDENT_WORKFLOW, alert())
        await opened(handle)
        assert await builds(handle) == [""]


async def test_a_first_build_takes_over_from_workers_without_one_and_back(
    incidents: Deployment,
) -> None:
    async with incidents.worker(None):
        handle = await incidents.start(INCIDENT_WORKFLOW, alert())
        await opened(handle)
        async with incidents.worker(OLD):
            other = await incidents.start(INCIDENT_WORKFLOW, alert())
            await opened(other)
            assert await builds(other) == [""]  # the build polls, and gets nothing
            await incidents.make_current(OLD)
            await command(handle, commands.Acknowledge.name)
            assert await builds(handle) == ["", OLD]
            await incidents.make_current("--unversioned")
            await command(handle, commands.Comment.name)
        assert (await command(handle, commands.Comment.name))["status"] == "acknowledged"
        assert await last_build(handle) == ""


async def test_an_incident_moves_to_the_new_build_and_back_with_a_rollback(
    incidents: Deployment,
) -> None:
    async with side_by_side(incidents.worker(OLD), incidents.worker(NEW)):
        await incidents.make_current(OLD)
        handle = await incidents.start(INCIDENT_WORKFLOW, alert())
        await opened(handle)
        assert await builds(handle) == [OLD]

        await incidents.ramp(NEW, 100)
        await command(handle, commands.Acknowledge.name)
        assert await builds(handle) == [OLD, NEW]
        young = await incidents.start(INCIDENT_WORKFLOW, alert())
        await opened(young)
        assert await builds(young) == [NEW]

        await incidents.ramp(NEW, 0)
        assert (await command(young, commands.Comment.name))["status"] == "open"
        assert await builds(young) == [NEW, OLD]


async def test_each_worker_has_builds_of_its_own_whoever_starts_its_workflows(
    roots: Deployment, incidents: Deployment
) -> None:
    incidents = incidents.on(INCIDENT_TASK_QUEUE)  # where the route leads

    async def child() -> WorkflowHandle[Any, Any]:
        started = await roots.start(ROOT_WORKFLOW, alert())
        async with asyncio.timeout(PATIENCE):
            handle = roots.client.get_workflow_handle((await started.result())["child_id"])
        await opened(handle)
        assert await builds(started) == [NEW]
        return handle

    async with roots.worker(NEW):
        await roots.make_current(NEW)
        async with incidents.worker(None):
            assert await builds(await child()) == [""]
        async with incidents.worker(OLD):
            await incidents.make_current(OLD)
            assert await builds(await child()) == [OLD]


async def test_a_root_orchestrator_ends_on_its_build_which_is_drained_only_then(
    roots: Deployment, settings: Settings
) -> None:
    able = replace(
        root.plan(replace(settings, documents=("file:///documents/",))), task_queue=roots.name
    )
    async with roots.worker(NEW, able):
        async with roots.worker(OLD):
            await roots.make_current(OLD)
            waiting = await roots.start(ROOT_WORKFLOW, upload())  # OLD lacks TIDEGATE_DOCUMENTS

            async def tried() -> Any:
                return (await waiting.describe()).raw_description.pending_activities

            await eventually(tried, "the activity to be retried")
            await roots.make_current(NEW)
            assert await action(await roots.start(ROOT_WORKFLOW, upload())) == "started"
            assert await builds(waiting) == [OLD]

            async def draining() -> bool:
                return await roots.drainage(OLD) == "draining"

            await eventually(draining, "the old build to drain")
        async with roots.worker(OLD, able):  # the same build, with the missing setting
            assert await action(waiting) == "started"

        async def drained() -> bool:
            return await roots.drainage(OLD) == "drained"

        await eventually(drained, "the old build to be drained")
    assert await builds(waiting) == [OLD]


async def test_a_workflow_stuck_on_a_build_can_be_moved_to_the_new_one(
    roots: Deployment, settings: Settings
) -> None:
    able = replace(
        root.plan(replace(settings, documents=("file:///documents/",))), task_queue=roots.name
    )
    async with side_by_side(roots.worker(OLD), roots.worker(NEW, able)):
        await roots.make_current(OLD)
        waiting = await roots.start(ROOT_WORKFLOW, upload())

        async def tried() -> Any:
            return (await waiting.describe()).raw_description.pending_activities

        await eventually(tried, "the activity to be retried")
        await roots.make_current(NEW)
        assert await temporal(
            *("workflow", "update-options", "--address", roots.server.address),
            *("--workflow-id", waiting.id, "--versioning-override-behavior", "auto_upgrade"),
        )
        assert await action(waiting) == "started"
    assert await builds(waiting) == [OLD, NEW]
