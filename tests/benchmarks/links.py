"""Links in pages: how long it takes from the tap to an incident that nobody else is paged for.

The application is a process of its own, asked over HTTP as a browser does it. Paging has stopped
when the incident has published that it is acknowledged. The baseline is the same command as an
update, by a client with credentials, until the worker's answer.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from temporalio.client import Client, WorkflowHandle
from temporalio.common import SearchAttributeKey

from core.contracts import INCIDENT_ID_ATTRIBUTE, STATUS_ATTRIBUTE
from core.domain.incident.commands import Acknowledge
from core.domain.incident.status import Status
from infra.local.application import start_application
from infra.local.environment import LINK_KEYS, outside_environment
from infra.local.processes import python
from tests.benchmarks.figures import Figure, alone, compare, take_turns
from tests.benchmarks.harness import lambda_environment, servers
from tests.benchmarks.incidents import open_incident
from tests.support.links import Browser, link

_STATUS: Final = SearchAttributeKey.for_keyword(STATUS_ATTRIBUTE)
_ID: Final = SearchAttributeKey.for_keyword(INCIDENT_ID_ATTRIBUTE)
_PATIENCE: Final = 30.0
_WARM_UP: Final = 1


def measure(folder: Path, *, quick: bool) -> list[Figure]:
    rounds = 20 if quick else 100
    with servers(folder) as (processes, server), asyncio.Runner() as runner:
        env = outside_environment() | lambda_environment(folder, server.address) | LINK_KEYS
        env |= {"TIDEGATE_HEALTH_ADDRESS": "127.0.0.1:0"}
        worker = processes.start("incident", python("workers.incident.run_worker"), env)
        application = start_application(processes, env)
        application.wait("/healthz")
        client = runner.run(Client.connect(server.address))
        browser = Browser(application.url)
        incidents = runner.run(_opened(client, 3 * (rounds + _WARM_UP)))

        def timed(act: Callable[[str, str], Coroutine[Any, Any, None]]) -> Callable[[], float]:
            def once() -> float:
                incident = incidents.pop()
                begun = time.perf_counter()
                runner.run(act(*incident))
                return (time.perf_counter() - begun) * 1000

            return once

        async def tap(workflow_id: str, incident_id: str) -> None:
            answer = await browser.post(await browser.path(link(incident_id)))
            if answer.status != 202:
                raise RuntimeError(f"the application answered {answer.status}: {answer.text}")

        async def tap_and_wait(workflow_id: str, incident_id: str) -> None:
            await tap(workflow_id, incident_id)
            await _become(client.get_workflow_handle(workflow_id), Status.ACKNOWLEDGED)

        async def update(workflow_id: str, incident_id: str) -> None:
            command = {"command_id": uuid.uuid4().hex, "actor": "ana"}
            handle = client.get_workflow_handle(workflow_id)
            await handle.execute_update(Acknowledge.name, command)

        awake = take_turns({"link": timed(tap_and_wait), "update": timed(update)}, rounds)
        worker.stop()
        asleep = take_turns({"link": timed(tap)}, rounds)
    return [
        alone("from a tap to no more pages, p50", awake["link"], unit="ms", at_most=150),
        compare(
            "from a tap to no more pages",
            awake["link"],
            awake["update"],
            against="the command as an update",
            unit="ms",
        ),
        alone(
            "from a tap to its answer without a worker, p50",
            asleep["link"],
            unit="ms",
            at_most=1000,
        ),
    ]


async def _opened(client: Client, count: int) -> list[tuple[str, str]]:
    """The workflow IDs and own IDs of so many open incidents."""
    opened = []
    for _ in range(count):
        id = await open_incident(client)
        opened.append((id, await _become(client.get_workflow_handle(id), Status.OPEN)))
    return opened


async def _become(handle: WorkflowHandle[object, object], status: Status) -> str:
    """The own ID of an incident, once it has published this status."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        attributes = (await handle.describe()).typed_search_attributes
        if attributes.get(_STATUS) == status:
            return attributes[_ID]
    raise RuntimeError(f"{handle.id} was not {status} after {_PATIENCE:g} s")
