"""Waiting in a workflow. Deterministic: runs in the workflow sandbox."""

from __future__ import annotations

from collections.abc import Callable

from temporalio import workflow


async def wait_until(check: Callable[[], bool], seconds: float | None) -> bool:
    """Whether the check came true within the time."""
    try:
        await workflow.wait_condition(check, timeout=seconds)
    except TimeoutError:
        return False
    return True
