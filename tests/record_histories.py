"""Records the histories that the replay tests hold the workflows to.

    python -m tests.record_histories

Run it after a change that running workflows cannot follow, and only then: a history that does not
replay any more says that workflows which run now would break. Give such a change
`workflow.patched`, or keep the old history and record a new one beside it.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowFailureError

from core.adapters.temporal.connection import data_converter
from core.domain.event import Event
from infra.local.processes import Processes
from infra.local.temporal import start_temporal
from tests.support.orchestrator import House, house, new_event

HISTORIES = Path(__file__).with_name("histories")


async def record(found: House, name: str, event: Event) -> None:
    """Runs the orchestrator for an event, and writes down its history."""
    with suppress(WorkflowFailureError):
        await found.run(event)
    history = await found.child(event.key).fetch_history()
    text = json.dumps(_without_machine(history.to_json_dict()), indent=1, sort_keys=True)
    (HISTORIES / f"root-{name}.json").write_text(text + "\n")


def _without_machine(value: Any) -> Any:
    """The history less what only says where it was recorded; a replay reads none of it."""
    if isinstance(value, list):
        return [_without_machine(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {name: _without_machine(item) for name, item in value.items() if name != "stackTrace"}
    return kept | ({"identity": "recorded"} if "identity" in kept else {})


async def record_all(address: str, folder: Path) -> None:
    client = await Client.connect(address, data_converter=data_converter())
    async with house(client, folder) as found:
        for route, later in (
            ("signal", "signalled"),
            ("start_new", "started-new"),
            ("reject", "rejected"),
        ):
            first = new_event(route)
            await record(found, f"started-{route}".replace("_", "-"), first)
            await record(found, later, new_event(route, subject=first.subject))
        await record(found, "no-route", new_event("of-no-kind"))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        processes = Processes(Path(folder) / "logs")
        server = start_temporal(processes, os.environ)
        try:
            server.wait()
            asyncio.run(record_all(server.address, Path(folder)))
        finally:
            processes.stop()


if __name__ == "__main__":
    main()
