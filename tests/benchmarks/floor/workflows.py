"""The floor of `deliver`: an empty workflow with the incident's code in its sandbox.

Importing the incident's workflow makes the sandbox load the same modules for each run; what is left
is what the server, the SDK and the sandbox take for the first task of any workflow.
"""

from __future__ import annotations

from typing import Any, Final

from temporalio import workflow

import workers.incident.workflows  # noqa: F401  loaded by the sandbox

TASK_QUEUE: Final = "floor"


@workflow.defn
class Floor:
    """Completes in its first task."""

    @workflow.run
    async def run(self, wire: Any) -> None:
        return None
