"""The Temporal development server as a child, and a plain view of what runs on it.

The server is the real one, in one process, with its UI. With a database file its state survives any
death; without one it forgets at every stop.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine, Iterator, Mapping
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
from infra.local.processes import Child, Processes, program, wait_until

NAMESPACE = "default"

_START_TIMEOUT = 60.0
_RPC_TIMEOUT = timedelta(seconds=5)

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class TemporalServer:
    """Where the server listens. `ui` is None when it runs without one."""

    child: Child
    port: int
    ui_port: int | None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def ui(self) -> str | None:
        return None if self.ui_port is None else f"http://127.0.0.1:{self.ui_port}"

    def wait(self) -> None:
        """Return when the server answers. Raises `LocalStackError` when it dies or does not."""
        wait_until(
            lambda: _listens(self.port) and _answers(self.address),
            _START_TIMEOUT,
            f"the Temporal server to answer on {self.address}",
            check=self.child.check,
        )

    def restart(self) -> None:
        """Start it again on the same ports, and wait for it."""
        self.child.restart()
        self.wait()


def start_temporal(
    processes: Processes,
    env: Mapping[str, str],
    *,
    port: int,
    ui_port: int | None = None,
    database: Path | None = None,
) -> TemporalServer:
    """Start the server; it may not answer yet (see `TemporalServer.wait`)."""
    command = [program("temporal"), "server", "start-dev", "--ip", "127.0.0.1", "--port", str(port)]
    command += ["--headless"] if ui_port is None else ["--ui-port", str(ui_port)]
    command += ["--log-level", "warn"]
    for attribute in SEARCH_ATTRIBUTES:
        command += ["--search-attribute", f"{attribute}=Keyword"]
    if database is not None:
        database.parent.mkdir(parents=True, exist_ok=True)
        command += ["--db-filename", str(database)]
    return TemporalServer(processes.start("temporal", command, env), port, ui_port)


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
    """What runs on a server, for scripts that are not asynchronous; see `temporal_view`."""

    def __init__(self, runner: asyncio.Runner, client: Client) -> None:
        self._runner = runner
        self._client = client

    def start(self, name: str, *, id: str, task_queue: str) -> None:
        """Start a workflow by its name, without an argument."""
        self._run(self._client.start_workflow(name, id=id, task_queue=task_queue))

    def find(self, workflow_id: str) -> Workflow | None:
        """The execution with this ID that started last, or None."""
        try:
            found = self._run(
                self._client.get_workflow_handle(workflow_id).describe(rpc_timeout=_RPC_TIMEOUT)
            )
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise
        return Workflow(found.id, found.workflow_type, found.run_id, _status(found.status))

    def list(self, query: str = "") -> list[Workflow]:
        """All executions that match a visibility query; new ones take a moment to show."""

        async def collect() -> list[Workflow]:
            listed = self._client.list_workflows(query or None, rpc_timeout=_RPC_TIMEOUT)
            return [
                Workflow(w.id, w.workflow_type, w.run_id, _status(w.status)) async for w in listed
            ]

        return self._run(collect())

    def result(self, workflow_id: str) -> Any:
        """The workflow's result, once it has one. Raises `WorkflowFailureError`."""
        return self._run(self._client.get_workflow_handle(workflow_id).result())

    def query(self, workflow_id: str, name: str) -> Any:
        """The answer of a query, as the JSON it travelled as."""
        handle = self._client.get_workflow_handle(workflow_id)
        return self._run(handle.query(name, rpc_timeout=_RPC_TIMEOUT))

    def update(self, workflow_id: str, name: str, argument: Mapping[str, Any]) -> Any:
        """The answer of an update; `command_id` is the update's ID, so that it may be repeated."""
        handle = self._client.get_workflow_handle(workflow_id)
        return self._run(handle.execute_update(name, argument, id=argument["command_id"]))

    def _run(self, call: Coroutine[Any, Any, Answer]) -> Answer:
        return self._runner.run(call)


@contextmanager
def temporal_view(address: str) -> Iterator[Temporal]:
    """A view of the server at this address, for as long as the block lasts."""
    # A loop factory of our own, or the runner would take the thread's current loop away with it.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        connect = Client.connect(address, namespace=NAMESPACE, data_converter=data_converter())
        yield Temporal(runner, runner.run(connect))


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


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
