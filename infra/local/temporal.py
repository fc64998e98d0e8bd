"""The Temporal development server as a child, and a synchronous view of what runs on it.

The server is the real one, in one process. With a database file its state survives any crash;
without one it is lost at every stop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from core.adapters.temporal.connection import data_converter
from core.contracts import SEARCH_ATTRIBUTES
from infra.local.loopback import HOST, TEMPORAL_PORT, UI_PORT
from infra.local.processes import Child, Processes, program, wait_until
from infra.local.servers import Program

NAMESPACE = "default"
TEMPORAL = "temporal"
"""The name of the child, and of its port."""

_START_TIMEOUT = 120.0
_RPC_TIMEOUT = timedelta(seconds=5)

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class TemporalServer:
    """A development server. Its addresses are final once `wait` has returned."""

    program: Program

    @property
    def child(self) -> Child:
        return self.program.child

    @property
    def port(self) -> int:
        return self.program.ports[0]

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def ui(self) -> str | None:
        """The URL of its UI, or None where it runs without one."""
        ports = self.program.ports
        return f"http://{HOST}:{ports[1]}" if len(ports) > 1 else None

    def wait(self) -> None:
        """Return when it answers. Raises `LocalStackError` when it dies or does not in time."""
        self.program.wait()
        wait_until(
            lambda: _answers(self.address),
            _START_TIMEOUT,
            f"the Temporal server to answer at {self.address}",
            check=self.child.check,
            fix=self.child.see_log,
        )

    def restart(self) -> None:
        """Restart it on the same ports, and wait for it."""
        self.child.restart()
        self.wait()


def start_temporal(
    processes: Processes,
    env: Mapping[str, str],
    *,
    ui: bool = False,
    database: Path | None = None,
    options: Sequence[str] = (),
    search_attributes: Sequence[str] = SEARCH_ATTRIBUTES,
) -> TemporalServer:
    """Start the server with keyword search attributes and further `options`; it may not answer yet:
    see `TemporalServer.wait`."""
    fixed = ["--ip", HOST, "--log-level", "warn", *([] if ui else ["--headless"]), *options]
    for attribute in search_attributes:
        fixed += ["--search-attribute", f"{attribute}=Keyword"]
    if database is not None:
        database.parent.mkdir(parents=True, exist_ok=True)
        fixed += ["--db-filename", str(database)]

    def command(port: int, ui_port: int | None = None) -> list[str]:
        ports = ["--port", str(port), *(["--ui-port", str(ui_port)] if ui_port else [])]
        return [program("temporal"), "server", "start-dev", *fixed, *ports]

    return TemporalServer(
        Program(
            processes,
            TEMPORAL,
            env,
            ports=(TEMPORAL_PORT, UI_PORT) if ui else (TEMPORAL_PORT,),
            command=command,
            listens="Temporal Server:",
        )
    )


def workflow_page(ui: str) -> str:
    """The template of a workflow's page in Temporal's UI, as TIDEGATE_INCIDENT_URL takes it."""
    return f"{ui}/namespaces/{NAMESPACE}/workflows/{{workflow_id}}/{{run_id}}/history"


@dataclass(frozen=True, slots=True)
class Workflow:
    """One execution as the server knows it."""

    id: str
    type: str
    run_id: str
    status: str

    @property
    def open(self) -> bool:
        return self.status == "RUNNING"


class Temporal:
    """What runs on a server, for synchronous code; see `temporal_view`."""

    def __init__(self, runner: asyncio.Runner, client: Client) -> None:
        self._runner = runner
        self._client = client

    def start(
        self, name: str, *, id: str, task_queue: str, argument: Mapping[str, Any] | None = None
    ) -> None:
        """Start a workflow by its name."""
        arguments = [] if argument is None else [argument]
        started = self._client.start_workflow(name, args=arguments, id=id, task_queue=task_queue)
        self._run(started)

    def find(self, workflow_id: str) -> Workflow | None:
        """The latest execution with this ID, or None."""
        try:
            execution = self._run(
                self._client.get_workflow_handle(workflow_id).describe(rpc_timeout=_RPC_TIMEOUT)
            )
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise
        return Workflow(
            execution.id, execution.workflow_type, execution.run_id, _status(execution.status)
        )

    def list(self, query: str = "") -> list[Workflow]:
        """All executions that match a visibility query; new ones appear with a short delay."""

        async def collect() -> list[Workflow]:
            listed = self._client.list_workflows(query or None, rpc_timeout=_RPC_TIMEOUT)
            return [
                Workflow(w.id, w.workflow_type, w.run_id, _status(w.status)) async for w in listed
            ]

        return self._run(collect())

    def result(self, workflow_id: str) -> Any:
        """The workflow's result, once it has one. Raises `WorkflowFailureError`."""
        return self._run(self._client.get_workflow_handle(workflow_id).result())

    def query(self, workflow_id: str, name: str, *, timeout: timedelta = _RPC_TIMEOUT) -> Any:
        """The result of a query, as JSON."""
        handle = self._client.get_workflow_handle(workflow_id)
        return self._run(handle.query(name, rpc_timeout=timeout))

    def update(self, workflow_id: str, name: str, argument: Mapping[str, Any]) -> Any:
        """The result of an update; `command_id` is its ID, so that a retry is deduplicated."""
        handle = self._client.get_workflow_handle(workflow_id)
        return self._run(handle.execute_update(name, argument, id=argument["command_id"]))

    def ask(self, call: Callable[[Client], Coroutine[Any, Any, Answer]]) -> Answer:
        """What a function of the client returns."""
        return self._run(call(self._client))

    def _run(self, call: Coroutine[Any, Any, Answer]) -> Answer:
        return self._runner.run(call)


@contextmanager
def temporal_view(address: str) -> Iterator[Temporal]:
    """A view of the server at this address, for as long as the block lasts."""
    # Our own loop factory, or the runner would unset the thread's current loop when it closes.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        connect = Client.connect(address, namespace=NAMESPACE, data_converter=data_converter())
        yield Temporal(runner, runner.run(connect))


def _answers(address: str) -> bool:
    async def ask() -> bool:
        client = await Client.connect(address, namespace=NAMESPACE)
        await client.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace=NAMESPACE), timeout=_RPC_TIMEOUT
        )
        return True

    try:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            return runner.run(ask())
    except (RPCError, RuntimeError):  # the client raises RuntimeError when it cannot connect
        return False


def _status(status: WorkflowExecutionStatus | None) -> str:
    return status.name if status is not None else "UNKNOWN"
