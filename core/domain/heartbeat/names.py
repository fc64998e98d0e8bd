"""What senders, listeners and workers spell the same way about a heartbeat. Standard library only:
listeners import it."""

from __future__ import annotations

from typing import Final

OK: Final = "ok"
FAILED: Final = "failed"
STATUSES: Final = (OK, FAILED)
"""How the command ended that a beat is of."""

OUTPUT_CHARS: Final = 2_000
"""Longest end of a command's output that a beat may have."""

HIGHEST_EXIT_CODE: Final = 2**31 - 1
LONGEST_DURATION: Final = 10**9
"""Of a command, in seconds. What is beyond is no exit code and no duration."""

KEY_PREFIX: Final = "heartbeat:"
"""Before its name: a heartbeat's workflow ID, and the key of its alert."""


def workflow_id(name: str) -> str:
    """The ID of a heartbeat's workflow, as the shipped route makes it."""
    return f"{KEY_PREFIX}{name}"


def exit_code(value: object) -> int | None:
    """What a beat says is the exit code; None if it cannot be one."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= HIGHEST_EXIT_CODE:
        return value
    return None


def duration(value: object) -> float | None:
    """What a beat says is the duration, in seconds; None if it cannot be one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return round(float(value), 3) if 0 <= value < LONGEST_DURATION else None
