"""An empty workflow that imports nothing: the least that the first task of any can take."""

from __future__ import annotations

from typing import Final

from temporalio import workflow

TASK_QUEUE: Final = "empty"


@workflow.defn
class Empty:
    """Completes in its first task."""

    @workflow.run
    async def run(self) -> None:
        return None
