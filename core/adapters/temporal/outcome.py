"""What the root orchestrator did with an event, for a caller that waits for it."""

from __future__ import annotations

import asyncio
from typing import Final, Literal, TypedDict

from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from core.adapters.temporal.connection import answer_of
from core.errors import PermanentError, TemporalUnavailable

_WAIT_SECONDS: Final = 10.0


class Outcome(TypedDict):
    """The result of `workers.root_orchestrator.workflows.RootOrchestratorWorkflow`."""

    route: str
    workflow: str
    child_id: str
    run_id: str | None
    action: Literal["started", "signalled"]


async def wait(client: Client, workflow_id: str) -> Outcome:
    """The outcome of the event whose root orchestrator has this workflow ID.

    Raises the error that the event was quarantined for, and `TemporalUnavailable` when no worker
    has processed it in time; it stays queued then.
    """
    handle = client.get_workflow_handle(workflow_id, result_type=dict)
    try:
        async with asyncio.timeout(_WAIT_SECONDS):
            outcome: Outcome = await handle.result()
    except TimeoutError:
        raise TemporalUnavailable(
            f"{workflow_id} is accepted, and no worker has processed it in {_WAIT_SECONDS:g} s: it "
            "stays queued",
            fix="see whether a root worker runs: `tidegate doctor`",
        ) from None
    except WorkflowFailureError as error:
        cause = error.cause
        if isinstance(cause, ApplicationError) and cause.type:
            raise PermanentError.from_code(cause.type, cause.message) from None
        raise TemporalUnavailable(f"{workflow_id} ended without a child: {cause}") from None
    except RPCError as error:
        raise TemporalUnavailable(f"Temporal answered {answer_of(error)}") from None
    return outcome
