"""Fixtures of these tests: a deployed function's settings, workers, a web server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment

from core.adapters.temporal.connection import data_converter
from core.config.settings import Settings
from core.contracts import INCIDENT_TASK_QUEUE, SEARCH_ATTRIBUTES
from infra.local.processes import program
from infra.local.temporal import TemporalServer
from tests.support.incidents import Harness, check_histories
from tests.support.listeners import fresh_process
from tests.support.office import Office, working
from tests.support.payloads import BUCKET
from tests.support.sleepers import Sleepers, sleeping
from tests.support.web import Site, serving
from tests.support.worker_process import Start, starting


@pytest.fixture
def function_settings(
    temporal_server: TemporalServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Settings]:
    """A function's settings, in a process that has not read its environment yet."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_server.address)
    monkeypatch.setenv("TIDEGATE_DOCUMENTS", f"s3://{BUCKET}/")
    monkeypatch.setenv("TIDEGATE_QUARANTINE", f"file://{tmp_path}/quarantine/")
    monkeypatch.setenv("TIDEGATE_MAX_EVENT_BYTES", "8192")
    with fresh_process():
        yield Settings.from_env()


@pytest.fixture
async def server() -> AsyncIterator[WorkflowEnvironment]:
    """A time-skipping server of the test's own: a workflow that is terminated while it has a task
    to do would hold the clock of those after it."""
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=program("temporal-test-server"),
        data_converter=data_converter(),
    ) as environment:
        # `register_search_attributes` lists them first, which this server cannot do.
        keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
        await environment.client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(
                namespace="default", search_attributes=dict.fromkeys(SEARCH_ATTRIBUTES, keyword)
            )
        )
        yield environment


@pytest.fixture
async def harness(
    server: WorkflowEnvironment, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Harness]:
    harness = Harness(server.client, tmp_path)
    yield harness
    await check_histories(harness, request.node.get_closest_marker("recorded"))


@pytest.fixture
async def dev_harness(
    temporal_client: Client, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Harness]:
    """On the development server: the time-skipping one cannot search, and may record an update as
    later than a signal that came after it."""
    harness = Harness(temporal_client, tmp_path)
    yield harness
    await check_histories(harness, request.node.get_closest_marker("recorded"))


@pytest.fixture
async def start(tmp_path: Path, temporal_client: Client) -> AsyncIterator[Start]:
    """Starts incident workers, each in a process of its own. They find no work of other tests:
    alerts that a listener delivered there wait for a worker, and would page here."""
    waiting = f"TaskQueue = '{INCIDENT_TASK_QUEUE}' AND ExecutionStatus = 'Running'"
    async for execution in temporal_client.list_workflows(waiting):
        try:
            await temporal_client.get_workflow_handle(execution.id).terminate("of another test")
        except RPCError as error:  # the list may lag: it has ended meanwhile
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
    with starting(tmp_path) as start_worker:
        yield start_worker


@pytest.fixture(scope="module")
async def office(
    temporal_client: Client,
    temporal_server: TemporalServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Office]:
    """A whole installation, for a module's tests."""
    folder = tmp_path_factory.mktemp("office")
    async with working(temporal_client, temporal_server.address, folder) as office:
        yield office


@pytest.fixture
def site() -> Iterator[Site]:
    """A web server that receives pages and follow-ups."""
    with serving() as site:
        yield site


@pytest.fixture(scope="session")
def sleepers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sleepers]:
    """A Temporal server of its own that invokes the workers' function, shared by the session: tests
    need unique names, and leave no incident that pages later."""
    with sleeping(tmp_path_factory.mktemp("sleepers")) as found:
        yield found
