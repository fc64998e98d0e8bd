"""Commands to an incident that runs, and a look at it: Temporal updates and queries."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from temporalio.client import (
    Client,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from core.contracts import QUERY_INCIDENT, QUERY_TIMELINE
from core.errors import CommandRefused, IncidentNotFound, TemporalUnavailable, TidegateError

_TIMEOUT = timedelta(seconds=10)


async def send(
    client: Client, id: str, update: str, *, actor: str, note: str = ""
) -> dict[str, Any]:
    """Send a command to the incident with this workflow ID; returns its answer.

    Raises `IncidentNotFound`, `CommandRefused` or `TemporalUnavailable`.
    """
    command = {"command_id": uuid.uuid4().hex, "actor": actor, "note": note}
    try:
        answer: dict[str, Any] = await client.get_workflow_handle(id).execute_update(
            update, command, result_type=dict, rpc_timeout=_TIMEOUT
        )
    except WorkflowUpdateFailedError as error:
        cause = error.cause
        what = cause.message if isinstance(cause, ApplicationError) else str(cause)
        raise CommandRefused(f"incident {id}: {what}") from error
    except WorkflowUpdateRPCTimeoutOrCancelledError as error:
        raise TemporalUnavailable(f"incident {id}: no answer within {_TIMEOUT}") from error
    except RPCError as error:
        raise _rpc_error(id, error) from error
    return answer


async def show(client: Client, id: str) -> dict[str, Any]:
    """The incident and its timeline. Raises as `send`."""
    handle = client.get_workflow_handle(id)
    try:
        incident = await handle.query(QUERY_INCIDENT, result_type=dict, rpc_timeout=_TIMEOUT)
        timeline = await handle.query(QUERY_TIMELINE, result_type=list, rpc_timeout=_TIMEOUT)
    except (WorkflowQueryFailedError, WorkflowQueryRejectedError) as error:
        raise CommandRefused(f"incident {id}: {error}") from error
    except RPCError as error:
        raise _rpc_error(id, error) from error
    return {"incident": incident, "timeline": timeline}


def _rpc_error(id: str, error: RPCError) -> TidegateError:
    if error.status is RPCStatusCode.NOT_FOUND:
        return IncidentNotFound(f"no incident runs under the workflow ID {id!r}")
    return TemporalUnavailable(f"Temporal answered {error.status.name}: {error.message}")
