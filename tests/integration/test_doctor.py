"""`tidegate doctor` against a real Temporal server: what it checks, and what it says of builds."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest
from temporalio import workflow
from temporalio.client import Client

from core.adapters.temporal import heartbeats
from core.adapters.temporal.connection import data_converter
from core.config.settings import Settings
from core.contracts import SEARCH_ATTRIBUTES
from core.operations.doctor.checks import Check, Code
from core.operations.doctor.examine import examine
from infra.local.processes import Processes, program
from infra.local.temporal import TemporalServer, start_temporal
from tests.support.eventually import eventually
from workers.root_orchestrator import run_worker as root
from workers.runtime.process import Plan, worker

OLD, NEW = "1.0.0-aaaaaaa", "1.1.0-bbbbbbb"
LITTLE: Final = frozenset({"settings", "routes", "quarantine", "temporal", "task-queue"})
"""The codes of an installation without incidents, uploads and webhooks that are not skipped."""


@workflow.defn(name="Order", sandboxed=False)
class Order:
    """A workflow of somebody's own."""

    @workflow.run
    async def run(self, event: dict[str, object]) -> None:
        raise NotImplementedError


@pytest.fixture(scope="module")
def temporal_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TemporalServer]:
    """A server of this module's own: `doctor` looks at everything that polls, and that has."""
    with ExitStack() as closing:
        processes = Processes(tmp_path_factory.mktemp("doctor"))
        closing.callback(processes.stop)
        server = start_temporal(processes, os.environ)
        server.wait()
        yield server


@pytest.fixture(scope="module")
async def temporal_client(temporal_server: TemporalServer) -> Client:
    return await Client.connect(temporal_server.address, data_converter=data_converter())


@pytest.fixture
def queue(temporal_settings: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A task queue to which the only route leads, in an environment that has no more than that."""
    queue = f"orders-{uuid4()}"
    routes = tmp_path / "routes.yaml"
    routes.write_text(
        "version: 1\n"
        "routes:\n"
        f"  - {{name: orders, match: {{exact: {{type: order}}}}, workflow: Order, "
        f"task_queue: {queue}}}\n"
    )
    monkeypatch.setenv("TIDEGATE_ROUTES", str(routes))
    monkeypatch.setenv("TIDEGATE_QUARANTINE", f"file://{tmp_path}/quarantine/")
    return queue


@asynccontextmanager
async def polling(client: Client, plan: Plan, build: str | None = None) -> AsyncIterator[None]:
    async with worker(client, plan, build_id=build):
        yield


def orders(queue: str) -> Plan:
    return Plan(task_queue=queue, workflows=[Order], activities=[])


async def checks() -> list[Check]:
    return [check async for check in examine()]


async def when(code: Code, holds: Callable[[Check], bool]) -> Check:
    """The check of a kind, once it is as expected: pollers and builds are known with a delay."""

    async def look() -> Check | None:
        return next((each for each in await checks() if each.code is code and holds(each)), None)

    return await eventually(look, f"{code} to change")


async def test_an_installation_without_incidents_is_healthy(
    temporal_client: Client, queue: str
) -> None:
    ours = root.plan(Settings.from_env())
    async with polling(temporal_client, ours), polling(temporal_client, orders(queue)):
        await when(Code.TASK_QUEUE, lambda check: queue in check.name and check.outcome == "ok")
        found = await checks()
    assert {each.outcome for each in found} == {"ok", "skipped"}
    made = {each.code.value for each in found if each.outcome == "ok"}
    assert made == {*LITTLE, "routing-tables"}
    skipped = {each.name for each in found if each.outcome == "skipped"}
    assert skipped == {"incident-worker", "webhooks"}


async def test_a_build_that_nobody_made_current_is_named_with_the_command_that_does(
    temporal_server: TemporalServer, temporal_client: Client, queue: str
) -> None:
    async def run(command: str) -> None:
        name, *arguments = shlex.split(command)
        process = await asyncio.create_subprocess_exec(
            *(program(name), *arguments, "--address", temporal_server.address),
            stdout=asyncio.subprocess.DEVNULL,
        )
        assert await process.wait() == 0

    async with polling(temporal_client, orders(queue), OLD):
        waits = await when(Code.BUILD, lambda check: check.outcome == "failed")
        assert waits.detail == (
            "new work waits: no build is current; what polls is build 1.0.0-aaaaaaa"
        )
        await run(waits.fix)
        current = await when(Code.BUILD, lambda check: check.outcome == "ok")
        assert current.detail == "new work goes to build 1.0.0-aaaaaaa"

        async with polling(temporal_client, orders(queue), NEW):
            idle = await when(Code.BUILD, lambda check: check.outcome == "warning")
            assert idle.detail == (
                "build 1.1.0-bbbbbbb polls and gets no new work: nobody made it current"
            )
            await run(idle.fix)
            moved = await when(Code.BUILD, lambda check: check.outcome == "ok")
            assert moved.detail == (
                "new work goes to build 1.1.0-bbbbbbb; what began on build 1.0.0-aaaaaaa ends there"
            )


@pytest.mark.parametrize(
    ("variable", "value", "detail", "fix"),
    [
        ("TEMPORAL_ADDRESS", "localhost", "has no port: 'localhost'", "localhost:7233"),
        ("TEMPORAL_NAMESPACE", "nope", "has no namespace 'nope'", "TEMPORAL_NAMESPACE"),
    ],
)
async def test_what_is_wrong_with_the_settings_of_temporal_is_named(
    queue: str, variable: str, value: str, detail: str, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    [check] = [each for each in await checks() if each.code is Code.TEMPORAL]
    assert check.outcome == "failed"
    assert detail in check.detail
    assert fix in check.fix
    assert "doctor" not in check.fix


async def test_what_was_added_to_on_call_and_whether_heartbeats_have_begun(
    temporal_client: Client, queue: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "oncall.yaml").write_text(
        "version: 1\nheartbeats:\n  backup: {every: 1d}\n  mail: {every: 1h}\n"
    )
    monkeypatch.setenv("TIDEGATE_ONCALL", str(tmp_path / "oncall.yaml"))
    monkeypatch.delenv("TIDEGATE_ROUTES")  # the shipped routes lead to the incident worker
    await heartbeats.begin(temporal_client, ["mail"])
    missing = await when(Code.HEARTBEATS, lambda check: "mail" not in check.detail)
    assert (missing.outcome, missing.detail, missing.fix) == (
        "warning",
        "nobody is paged if one of these is missed: backup",
        "tidegate heartbeats sync",
    )
    await heartbeats.begin(temporal_client, ["backup"])
    begun = await when(Code.HEARTBEATS, lambda check: check.outcome == "ok")
    assert begun.detail == "2 heartbeats, all begun"
    [state] = [each for each in await checks() if each.code is Code.ONCALL_STATE]
    assert (state.outcome, state.detail) == ("ok", "0 overrides, 0 silences")


async def test_search_attributes_of_routes_that_the_namespace_lacks_are_named(
    temporal_server: TemporalServer,
    queue: str,
    tmp_path: Path,
) -> None:
    """With the command that registers one; the other has another type."""
    routes = tmp_path / "routes.yaml"
    routes.write_text(
        routes.read_text().rstrip().removesuffix("}")
        + ", search_attributes: {DoctorOrder: {int: data.id}, "
        + f"{SEARCH_ATTRIBUTES[0]}: {{bool: data.a}}}}}}\n"
    )

    async def look() -> Check:
        return next(each for each in await checks() if each.code is Code.ROUTE_ATTRIBUTES)

    check = await look()
    assert (check.outcome, check.detail) == (
        "failed",
        "DoctorOrder (Int, route orders): the namespace does not have it; "
        f"{SEARCH_ATTRIBUTES[0]} (Bool, route orders): the namespace has it as Keyword",
    )
    command, other = check.fix.split("; ")
    assert other == "fix its type in route orders"
    name, *arguments = shlex.split(command)
    process = await asyncio.create_subprocess_exec(
        program(name),
        *(*arguments, "--address", temporal_server.address),
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == 0
    routes.write_text(routes.read_text().replace(f", {SEARCH_ATTRIBUTES[0]}: {{bool: data.a}}", ""))

    async def is_registered() -> bool:
        found = await look()
        return (found.outcome, found.detail) == ("ok", "DoctorOrder")

    await eventually(is_registered, "the search attribute to be known")
