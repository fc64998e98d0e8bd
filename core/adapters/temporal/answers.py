"""What a worker answers, which may have to be woken first."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any, Final, TypeVar

from temporalio.client import WorkflowHandle
from temporalio.common import QueryRejectCondition
from temporalio.service import RPCError, RPCStatusCode

T = TypeVar("T")

ANSWER_TIMEOUT: Final = timedelta(seconds=30)
"""How long an answer is waited for."""
NO_WORKER: Final = "see whether an incident worker runs: `tidegate doctor`"
"""What to do where none comes."""

_ATTEMPT: Final = timedelta(seconds=5)
"""For one attempt at a query. One that comes as the last worker ends may wait for that worker and
wake no other; the next attempt does. An update is stored, and wakes one whenever it comes."""
_NO_POLLER: Final = "no poller seen"
"""In the server's answer to a query that no worker took."""


async def query(
    handle: WorkflowHandle[Any, Any],
    name: str,
    kind: type[T],
    *,
    reject_condition: QueryRejectCondition | None = None,
) -> T:
    """The answer to a query, asked again until there is one or its time is up. Raises as
    `WorkflowHandle.query`."""
    deadline = time.monotonic() + ANSWER_TIMEOUT.total_seconds()
    while True:
        try:
            answer: T = await handle.query(
                name, result_type=kind, reject_condition=reject_condition, rpc_timeout=_ATTEMPT
            )
        except RPCError as error:
            if not is_unanswered(error) or time.monotonic() > deadline:
                raise
        else:
            return answer


def is_unanswered(error: RPCError) -> bool:
    """Whether a call failed because no worker answered in time."""
    if error.status is RPCStatusCode.FAILED_PRECONDITION:
        return _NO_POLLER in error.message
    return error.status in (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED)
