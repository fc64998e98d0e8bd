"""What the root orchestrator made of an event, for whoever waits for it."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from core.errors import TemporalUnavailable, named

_PATIENCE: Final = 10.0


async def result(client: Client, id: str) -> dict[str, Any]:
    """`{route, workflow, child_id, run_id, action}`, by the event's workflow ID.

    Raises the error that the event was given up for, and `TemporalUnavailable` while nobody has
    taken it: it waits then.
    """
    handle = client.get_workflow_handle(id, result_type=dict)
    try:
        async with asyncio.timeout(_PATIENCE):
            done: dict[str, Any] = await handle.result()
    except TimeoutError as error:
        raise TemporalUnavailable(
            f"{id} is accepted, and no worker has done it in {_PATIENCE:g} s: it waits for one",
            fix="see whether a root worker runs: `tidegate doctor`",
        ) from error
    except WorkflowFailureError as error:
        cause = error.cause
        if isinstance(cause, ApplicationError) and cause.type:
            raise named(cause.type, cause.message) from error
        raise TemporalUnavailable(f"{id} ended without a child: {cause}") from error
    except RPCError as error:
        raise TemporalUnavailable(
            f"Temporal answered {error.status.name}: {error.message}"
        ) from error
    return done
