"""A storm of events: how many of them one workflow task takes in."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from temporalio import workflow

AT_ONCE: Final = 500
"""How many events are joined within one workflow task. One that takes longer than two seconds is
taken for stuck, is failed, and would take as long again: a storm that waited for a worker must not
be a single task, however slow that worker is."""
BREATH: Final = timedelta(milliseconds=1)
"""Between two such tasks: a timer ends the one, and begins the next."""


class Fill:
    """How much the present workflow task has joined; the next one is known by a longer history."""

    def __init__(self) -> None:
        self._length = self._count = 0

    def is_reached(self) -> bool:
        """Whether there is no room for the event that asks; it is counted."""
        length = workflow.info().get_current_history_length()
        self._count = self._count + 1 if length == self._length else 1
        self._length = length
        return self._count > AT_ONCE
