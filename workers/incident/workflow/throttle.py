"""How many events one workflow task accepts: a storm is accepted in batches.

Deterministic: runs in the workflow sandbox.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from temporalio import workflow

BATCH_SIZE: Final = 500
"""Events that one workflow task accepts. A task that takes longer than two seconds fails as
deadlocked, and its retry would take as long: a storm that piled up while no worker was running must
not be one task, however slow the worker is."""
PAUSE: Final = timedelta(milliseconds=1)
"""Between two batches: a timer ends one task and starts the next."""


class BatchLimit:
    """Counts the events that the current workflow task has accepted. A longer history means a new
    task."""

    def __init__(self) -> None:
        self._length = self._count = 0

    def is_reached(self) -> bool:
        """Count one more event; whether it exceeds the batch."""
        length = workflow.info().get_current_history_length()
        self._count = self._count + 1 if length == self._length else 1
        self._length = length
        return self._count > BATCH_SIZE
