"""Heartbeats in Temporal: list them, show, pause and resume one, have it read its declaration."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from temporalio.client import (
    Client,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import QueryRejectCondition, SearchAttributeKey
from temporalio.service import RPCError

from core.adapters.temporal.answers import ANSWER_TIMEOUT, NO_WORKER, query
from core.adapters.temporal.connection import is_missing, refusal
from core.adapters.temporal.incident_list import in_query
from core.contracts import (
    HEARTBEAT_WORKFLOW,
    INCIDENT_TASK_QUEUE,
    QUERY_HEARTBEAT,
    SERVICE_ATTRIBUTE,
    SEVERITY_ATTRIBUTE,
    SIGNAL_SYNC,
    STATUS_ATTRIBUTE,
    UPDATE_PAUSE,
    UPDATE_RESUME,
)
from core.domain.heartbeat.model import Heartbeat
from core.domain.heartbeat.names import KEY_PREFIX, workflow_id
from core.domain.names import is_name
from core.domain.printable import printable_line
from core.errors import CommandRefused, TemporalUnavailable, UnknownName

_TIMEOUT: Final = timedelta(seconds=10)
_TOGETHER: Final = 20
"""Calls in flight."""
_STATUS, _SEVERITY, _SERVICE = map(
    SearchAttributeKey.for_keyword, (STATUS_ATTRIBUTE, SEVERITY_ATTRIBUTE, SERVICE_ATTRIBUTE)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """One heartbeat whose workflow runs. `status` is None for a moment after it has begun."""

    name: str
    status: str | None
    severity: str | None = None
    service: str | None = None


async def running(client: Client) -> list[Running]:
    """The heartbeats whose workflows run, by name; from the visibility store, which may lag.

    Raises `TemporalUnavailable`, or `SettingsError` for a wrong namespace or credentials.
    """
    wanted = f"WorkflowType = {in_query(HEARTBEAT_WORKFLOW)} AND ExecutionStatus = 'Running'"
    found: list[Running] = []
    try:
        async for run in client.list_workflows(wanted, rpc_timeout=_TIMEOUT):
            attributes = run.typed_search_attributes
            found.append(
                Running(
                    name=run.id.removeprefix(KEY_PREFIX),
                    status=attributes.get(_STATUS),
                    severity=attributes.get(_SEVERITY),
                    service=attributes.get(_SERVICE),
                )
            )
    except RPCError as error:
        raise refusal(
            error, fix="run `tidegate setup` if it does not know a search attribute, else try again"
        ) from None
    return sorted(found, key=lambda each: each.name)


async def show(client: Client, name: str) -> Heartbeat:
    """Everything about a heartbeat. Raises `UnknownName` where it does not run, or as
    `running`."""
    try:
        return await query(
            _handle(client, name),
            QUERY_HEARTBEAT,
            Heartbeat,
            reject_condition=QueryRejectCondition.NOT_OPEN,
        )
    except WorkflowQueryRejectedError:
        raise _not_running(name) from None
    except WorkflowQueryFailedError as error:
        raise CommandRefused(f"heartbeat {name}: {error}", fix=NO_WORKER) from None
    except RPCError as error:
        raise _rpc_error(name, error) from None


async def pause(client: Client, name: str, fields: Mapping[str, Any], *, id: str) -> Heartbeat:
    """Pause a heartbeat, by a command of that ID. `fields` are `by`, `why` and `until`. Raises
    `CommandRefused`, or as `show`."""
    return await _update(client, name, UPDATE_PAUSE, [dict(fields)], id)


async def resume(client: Client, name: str, *, id: str) -> Heartbeat:
    """Expect beats of it again. Raises as `pause`."""
    return await _update(client, name, UPDATE_RESUME, [], id)


async def begin(client: Client, names: Iterable[str]) -> None:
    """Have each heartbeat read its declaration, and start those that do not run. Raises as
    `running`."""

    async def one(name: str) -> None:
        await client.start_workflow(
            HEARTBEAT_WORKFLOW,
            id=workflow_id(name),
            task_queue=INCIDENT_TASK_QUEUE,
            start_signal=SIGNAL_SYNC,
            rpc_timeout=_TIMEOUT,
        )

    await _all(one, names)


async def read_again(client: Client, names: Iterable[str]) -> None:
    """Have each heartbeat that runs read its declaration. Raises as `running`."""

    async def one(name: str) -> None:
        try:
            await _handle(client, name).signal(SIGNAL_SYNC, rpc_timeout=_TIMEOUT)
        except RPCError as error:
            if not is_missing(error):  # it has ended meanwhile
                raise

    await _all(one, names)


async def _all(one: Callable[[str], Awaitable[None]], names: Iterable[str]) -> None:
    limit = asyncio.Semaphore(_TOGETHER)

    async def limited(name: str) -> None:
        async with limit:
            await one(name)

    try:
        async with asyncio.TaskGroup() as group:
            for name in names:
                group.create_task(limited(name))
    except* RPCError as errors:
        first = errors.exceptions[0]
        assert isinstance(first, RPCError)  # noqa: S101  # a task raises no group
        raise refusal(first, fix="try again: what was done is not done twice") from None


async def _update(client: Client, name: str, update: str, args: list[Any], id: str) -> Heartbeat:
    try:
        state: Heartbeat = await _handle(client, name).execute_update(
            update, args=args, id=id, result_type=Heartbeat, rpc_timeout=ANSWER_TIMEOUT
        )
    except WorkflowUpdateFailedError as error:
        reason = getattr(error.cause, "message", str(error.cause))
        raise CommandRefused(reason, fix=f"see it with `tidegate heartbeats show {name}`") from None
    except WorkflowUpdateRPCTimeoutOrCancelledError:
        raise TemporalUnavailable(
            f"heartbeat {name}: no answer within {ANSWER_TIMEOUT.seconds} s; the command may "
            "still be done",
            fix=NO_WORKER,
        ) from None
    except RPCError as error:
        raise _rpc_error(name, error) from None
    return state


def _handle(client: Client, name: str) -> WorkflowHandle[Any, Any]:
    """Raises `UnknownName` for what no heartbeat can be called."""
    if not is_name(name):
        raise _not_running(name)
    return client.get_workflow_handle(workflow_id(name))


def _rpc_error(name: str, error: RPCError) -> Exception:
    if is_missing(error):
        return _not_running(name)
    return refusal(error, about=f"heartbeat {name}: ", fix=NO_WORKER)


def _not_running(name: str) -> UnknownName:
    return UnknownName(
        f"heartbeat {printable_line(name)} does not run: it was neither heard nor begun",
        fix="declare it in the on-call file, roll the incident worker out, and run "
        "`tidegate heartbeats sync`",
    )
