"""A whole installation in one process: the workers as they are deployed, on their own task queues,
with an on-call file, a quarantine and reports in a folder.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from temporalio.client import Client
from temporalio.service import RPCError

from core import bootstrap
from core.adapters.temporal import heartbeats
from core.config.settings import Settings
from core.contracts import INCIDENT_TASK_QUEUE, ROOT_TASK_QUEUE
from core.errors import PermanentError
from core.formats.registry import read
from core.formats.shared.delivery import Delivery, way_headers
from infra.local.environment import LINK_KEYS
from tests.support.on_call import OnCallHarness
from workers.incident import run_worker as incident
from workers.root_orchestrator import run_worker as root
from workers.runtime import process

ONCALL: Final = """
version: 1
people:
  ana: {name: Ana, time_zone: UTC}
  ben: {name: Ben, time_zone: UTC}
schedules:
  checkout:
    time_zone: UTC
    layers: [{name: all, rotation: {people: [ana, ben], every: week, start: 2026-01-05}}]
  nights:
    time_zone: Europe/Berlin
    layers: [{name: ana, rotation: {people: [ana], every: week, start: 2026-01-05}}]
heartbeats:
  backup: {every: 1d, service: shop}
  export: {every: 1d}
"""
APP_URL: Final = "http://127.0.0.1:8080"


@dataclass(frozen=True, slots=True)
class Office:
    """Where things are, and the settings by which an application finds them."""

    client: Client
    folder: Path
    environment: Mapping[str, str]

    @property
    def settings(self) -> Settings:
        return Settings.from_env(self.environment)

    async def refuse(
        self, error: PermanentError, *, way: str = "webhook:prod", unique: str = "u"
    ) -> str:
        """Quarantine a report with that error, which opens an incident once it is replayed; returns
        the record's ID."""
        body = (
            b'{"specversion": "1.0", "type": "com.tidegate.incident.reported", "source": "tests", '
            b'"id": "%s", "data": {"title": "it burns", "secret": "do not tell"}}' % unique.encode()
        )
        delivery = Delivery(format="message", body=body, headers=way_headers(way), unique=unique)
        [arrival] = read(delivery)
        uri = await bootstrap.quarantine(self.settings).keep(arrival, error)
        return uri.rpartition("/")[2].removesuffix(".json")


@asynccontextmanager
async def working(client: Client, address: str, folder: Path) -> AsyncIterator[Office]:
    """An installation that begins with nothing, and whose work does not outlive it."""
    (folder / "oncall.yaml").write_text(ONCALL)
    environment = {
        **LINK_KEYS,
        "TEMPORAL_ADDRESS": address,
        "TIDEGATE_APP_URL": APP_URL,
        "TIDEGATE_ONCALL": str(folder / "oncall.yaml"),
        "TIDEGATE_QUARANTINE": f"file://{folder}/quarantine/",
        "TIDEGATE_REPORTS": f"file://{folder}/reports/",
    }
    office = Office(client, folder, environment)
    await _end_all(client)
    on_call = OnCallHarness(client)
    await on_call.start_anew()
    workers = [process.worker(client, plan(office.settings)) for plan in (root.plan, incident.plan)]
    try:
        async with workers[0], workers[1]:
            await heartbeats.begin(client, ["backup", "export"])
            yield office
    finally:
        await _end_all(client)
        await on_call.start_anew()  # what was silenced here would be silenced elsewhere
        await on_call.terminate()


async def _end_all(client: Client) -> None:
    queues = f"TaskQueue IN ('{ROOT_TASK_QUEUE}', '{INCIDENT_TASK_QUEUE}')"
    async for run in client.list_workflows(f"{queues} AND ExecutionStatus = 'Running'"):
        with suppress(RPCError):  # the list may lag: it has ended meanwhile
            await client.get_workflow_handle(run.id).terminate("of another test")
