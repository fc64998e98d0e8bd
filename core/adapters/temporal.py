"""Temporal: connects by `temporalio.envconfig`, and starts one workflow per event.

What is transient and what is permanent is decided here, once, for everything that calls Temporal.
Nothing here imports pydantic before `data_converter()` is called: starters send plain JSON objects,
which the default converter and the workers' converter write alike (docs/decisions/0003).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.converter import DataConverter
from temporalio.envconfig import ClientConfigProfile
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RetryConfig, RPCError, RPCStatusCode

from core.contracts import ROOT_TASK_QUEUE, ROOT_WORKFLOW
from core.domain.event import Event
from core.domain.identity import workflow_id
from core.errors import InvalidEvent, SettingsError, TemporalUnavailable
from core.ports.workflow_starter import Start

if TYPE_CHECKING:
    from temporalio.runtime import Runtime

_FIX: Final = (
    "set TEMPORAL_ADDRESS (and TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TEMPORAL_TLS_... as your "
    "server needs them), or a profile in TEMPORAL_CONFIG_FILE"
)


def data_converter() -> DataConverter:
    """How workers, and whoever reads their results, translate payloads."""
    from temporalio.contrib.pydantic import pydantic_data_converter

    return pydantic_data_converter


async def connect(
    *,
    converter: DataConverter | None = None,
    runtime: Runtime | None = None,
    patience: float = 5.0,
    lazy: bool = False,
) -> Client:
    """A client by the environment's own settings. Within a call, faults are retried for `patience`
    seconds; a `lazy` client connects at its first call.

    Raises `SettingsError` when no address is set, `TemporalUnavailable` when none answers.
    """
    try:
        config = ClientConfigProfile.load().to_client_connect_config()
    except (RuntimeError, ValueError, OSError) as error:
        raise SettingsError(f"the Temporal settings cannot be read: {error}", fix=_FIX) from error
    if not config.get("target_host"):
        raise SettingsError("no Temporal server is configured", fix=_FIX)
    retries = RetryConfig(max_elapsed_time_millis=int(patience * 1000))
    try:
        return await Client.connect(
            **config,
            data_converter=converter or DataConverter.default,
            retry_config=retries,
            runtime=runtime,
            lazy=lazy,
        )
    except (RuntimeError, ValueError) as error:
        raise TemporalUnavailable(f"{config['target_host']}: {error}") from error


class TemporalStarter:
    """A `WorkflowStarter` over one client, made at the first start and kept.

    When a kept connection turns out to be dead (a frozen function thaws to one), the start is tried
    once more over a new connection.
    """

    def __init__(self, make_client: Callable[[], Awaitable[Client]], *, timeout: float) -> None:
        self._make_client = make_client
        self._timeout = timedelta(seconds=timeout)
        self._client: Client | None = None
        self._lock = asyncio.Lock()

    async def start(self, event: Event) -> Start:
        client, kept = await self._current(stale=None)
        try:
            return await self._start(client, event)
        except TemporalUnavailable:
            if not kept:
                raise
        client, _ = await self._current(stale=client)
        return await self._start(client, event)

    async def _current(self, *, stale: Client | None) -> tuple[Client, bool]:
        """The client, unless it is the `stale` one, and whether it was there before."""
        async with self._lock:
            kept = self._client is not None and self._client is not stale
            if self._client is None or self._client is stale:
                self._client = await self._make_client()
            return self._client, kept

    async def _start(self, client: Client, event: Event) -> Start:
        id = workflow_id(event.key)
        try:
            # The call has a time limit of its own, which does not cover connecting.
            async with asyncio.timeout(self._timeout.total_seconds()):
                handle = await client.start_workflow(
                    ROOT_WORKFLOW,
                    event.to_wire(),
                    id=id,
                    task_queue=ROOT_TASK_QUEUE,
                    id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                    id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                    static_summary=f"{event.type} {event.subject or event.id}"[:200],
                    rpc_timeout=self._timeout,
                )
        except WorkflowAlreadyStartedError as error:
            return Start(id, error.run_id, new=False)
        except RPCError as error:
            if error.status is RPCStatusCode.INVALID_ARGUMENT:
                raise InvalidEvent(f"event {id}: Temporal refuses it: {error.message}") from error
            raise TemporalUnavailable(
                f"event {id}: Temporal answered {error.status.name}: {error.message}"
            ) from error
        except TimeoutError as error:
            limit = f"{self._timeout.total_seconds():g} s"
            raise TemporalUnavailable(f"event {id}: Temporal did not answer in {limit}") from error
        except RuntimeError as error:  # how the client reports that it could not connect
            raise TemporalUnavailable(f"event {id}: {error}") from error
        return Start(id, handle.first_execution_run_id, new=True)
