"""Records the histories that the replay tests hold the workflows to, all of them.

    python -m tests.record_histories

Run it when a workflow changes before its first release, or to add a history; otherwise a history
that does not replay says that workflows which run now would break. Give such a change
`workflow.patched`, and keep the old history beside a new one.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from temporalio.client import Client, WorkflowFailureError

from core.adapters.temporal.connection import data_converter
from core.domain.event import Event
from core.domain.smoke import smoke_key
from infra.local.processes import ROOT, Processes
from infra.local.temporal import start_temporal
from tests.support.histories import FOLDER_VARIABLE, HISTORIES, write
from tests.support.orchestrator import Harness, harness, new_event


def record_incidents(folder: Path) -> None:
    """Run the tests that are marked as recorded."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "recorded", "tests/integration"]
    environment = os.environ | {FOLDER_VARIABLE: str(folder)}
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


async def record_roots(address: str, folder: Path, place: Path) -> None:
    client = await Client.connect(address, data_converter=data_converter())
    async with harness(client, place) as root:
        for route, later in (
            ("signal", "signalled"),
            ("start_new", "started-new"),
            ("terminate_existing", "terminated-existing"),
            ("ignore", "ignored"),
            ("reject", "rejected"),
        ):
            first = new_event(route)
            await record_root(root, first, folder / f"root-started-{route.replace('_', '-')}.json")
            again = new_event(route, subject=first.subject)
            await record_root(root, again, folder / f"root-{later}.json")
        await record_root(root, new_event("of-no-kind"), folder / "root-no-route.json")
        smoke = new_event("of-no-kind", key=smoke_key(uuid4().hex))
        await record_root(root, smoke, folder / "root-smoke.json")


async def record_root(root: Harness, event: Event, path: Path) -> None:
    with suppress(WorkflowFailureError):
        await root.run(event)
    write(await root.child(event.key).fetch_history(), path, root.folder)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        place, histories = Path(name) / "place", Path(name) / "histories"
        place.mkdir()
        histories.mkdir()
        record_incidents(histories)
        processes = Processes(Path(name) / "logs")
        server = start_temporal(processes, os.environ)
        try:
            server.wait()
            asyncio.run(record_roots(server.address, histories, place))
        finally:
            processes.stop()
        shutil.rmtree(HISTORIES)
        shutil.copytree(histories, HISTORIES)


if __name__ == "__main__":
    main()
