"""The root orchestrator in tests: its worker as in production, and stand-ins for its children."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.common import WorkflowIDReusePolicy
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from core.config.settings import Settings
from core.contracts import ROOT_WORKFLOW
from core.domain.event import Event
from core.domain.identity import workflow_id
from tests.support.workflows import ChildStandIn
from workers.root_orchestrator.run_worker import plan
from workers.runtime import process


def _route(name: str, children: str, **fields: Any) -> dict[str, Any]:
    """Takes events of type `test.NAME`; the child's ID is the rule's name and the subject."""
    return {
        "name": name,
        "match": {"exact": {"type": f"test.{name}"}},
        "workflow": "TestChild",
        "task_queue": children,
        "child_id": "{route}:{subject}",
        **fields,
    }


def _routes(children: str, more: Mapping[str, Mapping[str, Any]], otherwise: str) -> dict[str, Any]:
    routes = [
        _route("reject", children),
        _route("signal", children, when_running="signal", signal="event"),
        _route("start_new", children, when_running="start_new"),
        _route("terminate_existing", children, when_running="terminate_existing"),
        _route("ignore", children, when_running="ignore"),
        _route("timed", children, timeouts={"execution": "90d", "run": "12h", "task": "30s"}),
        _route("once", children, deliver="start", child_id="once:{tidegatekey}"),
        _route("keyed", children, deliver="signal", signal="event"),
        _route(
            "running",
            children,
            deliver="signal",
            signal="event",
            when_missing="quarantine",
            child_id="keyed:{subject}",
        ),
        _route("no-id", children, child_id="child:{data.nowhere}"),
        _route("unserved", "nobody-serves-this"),
        *(_route(name, children, **fields) for name, fields in more.items()),
    ]
    return {"version": 1, "otherwise": otherwise, "routes": routes}


@dataclass(frozen=True, slots=True)
class Harness:
    """A client, and the task queues that the workers poll; their files are in `folder`."""

    client: Client
    settings: Settings
    task_queue: str
    children: str
    folder: Path

    async def start(self, wire: Any, *, id: str | None = None) -> WorkflowHandle[Any, Any]:
        """Starts the root orchestrator as the listeners do, by name."""
        if id is None:
            id = workflow_id(wire["tidegatekey"])
        return await self.client.start_workflow(
            ROOT_WORKFLOW,
            wire,
            id=id,
            task_queue=self.task_queue,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
        )

    async def run(self, event: Event) -> dict[str, Any]:
        """The orchestrator's result. Raises `WorkflowFailureError`."""
        result: dict[str, Any] = await (await self.start(event.to_wire())).result()
        return result

    def child(self, id: str) -> WorkflowHandle[Any, Any]:
        return self.client.get_workflow_handle(id)

    async def status(self, id: str) -> WorkflowExecutionStatus | None:
        return (await self.child(id).describe()).status

    async def end(self, id: str) -> list[dict[str, Any]]:
        """Ends a child; returns the events that it received."""
        await self.child(id).signal("end")
        wires: list[dict[str, Any]] = await self.child(id).result()
        return wires


def new_event(route: str, *, subject: str | None = None, **changes: Any) -> Event:
    """An event for a route, about a subject that no other test has."""
    id = uuid4().hex
    event = Event(
        id=id, source="/tests", type=f"test.{route}", key=f"test:{id}", subject=subject or id
    )
    return replace(event, **changes)


@asynccontextmanager
async def harness(
    client: Client,
    folder: Path,
    *activities: Callable[..., Any],
    documents: tuple[str, ...] = ("s3://docs/",),
    max_event_bytes: int = 1_048_576,
    more: Mapping[str, Mapping[str, Any]] = {},
    otherwise: str = "quarantine",
) -> AsyncIterator[Harness]:
    """Runs both workers on new task queues; the orchestrator's also serves `activities`. `more` are
    further routes by name."""
    routes = folder / "routes.yaml"
    task_queue, children = f"root-{uuid4().hex}", f"children-{uuid4().hex}"
    routes.write_text(json.dumps(_routes(children, more, otherwise)))  # JSON is YAML
    settings = Settings(
        routes=routes,
        documents=documents,
        quarantine=f"file://{folder}/quarantine/",
        max_event_bytes=max_event_bytes,
    )
    root = plan(settings)
    root = replace(root, task_queue=task_queue, activities=[*root.activities, *activities])
    child_worker = Worker(
        client,
        task_queue=children,
        workflows=[ChildStandIn],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    async with process.worker(client, root), child_worker:
        yield Harness(client, settings, task_queue, children, folder)


async def has_failed_task(handle: WorkflowHandle[Any, Any]) -> bool:
    """Whether one of its workflow tasks has failed; the server would retry it for ever."""
    history = await handle.fetch_history()
    return any(e.HasField("workflow_task_failed_event_attributes") for e in history.events)
