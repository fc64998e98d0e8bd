"""Temporal: connects by `temporalio.envconfig`, and starts one workflow per event.

What is transient and what is permanent is decided here, once, for everything that calls Temporal.
Nothing here imports pydantic before `data_converter()` is called, nor `temporalio.client` before
`connect()` is: a starter makes one call, and the SDK's client would take two fifths of all that a
listener needs to load (docs/decisions/0002). So starters speak to the frontend through
`temporalio.service`, which is what the client stands on, and write the one payload themselves.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.common.v1 import Payload, Payloads, Priority, WorkflowType
from temporalio.api.enums.v1 import WorkflowIdConflictPolicy, WorkflowIdReusePolicy
from temporalio.api.errordetails.v1 import WorkflowExecutionAlreadyStartedFailure
from temporalio.api.sdk.v1 import UserMetadata
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import GetSystemInfoRequest, StartWorkflowExecutionRequest
from temporalio.envconfig import ClientConfigProfile
from temporalio.service import (
    ConnectConfig,
    RetryConfig,
    RPCError,
    RPCStatusCode,
    ServiceClient,
    WorkflowService,
)

from core.contracts import ROOT_TASK_QUEUE, ROOT_WORKFLOW
from core.domain.event import Event
from core.domain.identity import workflow_id
from core.errors import InvalidEvent, SettingsError, TemporalUnavailable
from core.ports.workflow_starter import Start

if TYPE_CHECKING:
    from temporalio.client import Client
    from temporalio.converter import DataConverter
    from temporalio.envconfig import ClientConnectConfig
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
) -> Client:
    """A client by the environment's own settings. Within a call, faults are retried for `patience`
    seconds.

    Raises `SettingsError` when no address is set, `TemporalUnavailable` when none answers.
    """
    from temporalio.client import Client
    from temporalio.converter import DataConverter

    config = _config()
    try:
        return await Client.connect(
            **config,
            data_converter=converter or DataConverter.default,
            retry_config=_retries(patience),
            runtime=runtime,
        )
    except (RuntimeError, ValueError) as error:
        raise TemporalUnavailable(f"{config['target_host']}: {error}") from error


@dataclass(frozen=True, slots=True)
class Frontend:
    """Temporal's frontend, as starters call it."""

    service: WorkflowService
    namespace: str
    identity: str


async def frontend(*, patience: float = 5.0) -> Frontend:
    """The frontend by the environment's own settings. It is connected to by the first call; faults
    are retried as in `connect`.

    Raises `SettingsError` when no address is set, `TemporalUnavailable` for one that can be none.
    """
    options: dict[str, Any] = {**_config()}
    namespace = options.pop("namespace", "default")
    try:
        config = ConnectConfig(**options, retry_config=_retries(patience), lazy=True)
        client = await ServiceClient.connect(config)
    except (RuntimeError, ValueError) as error:
        raise TemporalUnavailable(f"{options['target_host']}: {error}") from error
    return Frontend(client.workflow_service, namespace, config.identity)


def _config() -> ClientConnectConfig:
    try:
        config = ClientConfigProfile.load().to_client_connect_config()
    except (RuntimeError, ValueError, OSError) as error:
        raise SettingsError(f"the Temporal settings cannot be read: {error}", fix=_FIX) from error
    if not config.get("target_host"):
        raise SettingsError("no Temporal server is configured", fix=_FIX)
    return config


def _retries(patience: float) -> RetryConfig:
    return RetryConfig(max_elapsed_time_millis=int(patience * 1000))


class TemporalStarter:
    """A `WorkflowStarter` over one connection, made at the first start and kept.

    When a kept connection turns out to be dead (a frozen function thaws to one), the start is tried
    once more over a new connection.
    """

    def __init__(self, make: Callable[[], Awaitable[Frontend]], *, timeout: float) -> None:
        self._make = make
        self._timeout = timedelta(seconds=timeout)
        self._frontend: Frontend | None = None
        self._lock = asyncio.Lock()

    async def start(self, event: Event) -> Start:
        frontend, kept = await self._current(stale=None)
        try:
            return await self._start(frontend, event)
        except TemporalUnavailable:
            if not kept:
                raise
        frontend, _ = await self._current(stale=frontend)
        return await self._start(frontend, event)

    async def connect(self) -> None:
        """Connect now, instead of at the first start. Raises `TemporalUnavailable`."""
        frontend, _ = await self._current(stale=None)
        try:
            await frontend.service.get_system_info(GetSystemInfoRequest(), timeout=self._timeout)
        except (RPCError, RuntimeError) as error:
            raise TemporalUnavailable(f"Temporal cannot be reached: {error}") from error

    async def _current(self, *, stale: Frontend | None) -> tuple[Frontend, bool]:
        """The connection, unless it is the `stale` one, and whether it was there before."""
        async with self._lock:
            kept = self._frontend is not None and self._frontend is not stale
            if self._frontend is None or self._frontend is stale:
                self._frontend = await self._make()
            return self._frontend, kept

    async def _start(self, frontend: Frontend, event: Event) -> Start:
        request = start_request(event, namespace=frontend.namespace, identity=frontend.identity)
        id = request.workflow_id
        try:
            # The call has a time limit of its own, which does not cover connecting.
            async with asyncio.timeout(self._timeout.total_seconds()):
                answer = await frontend.service.start_workflow_execution(
                    request, retry=True, timeout=self._timeout
                )
        except RPCError as error:
            if (running := _already_started(error)) is not None:
                return Start(id, running, new=False)
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
        return Start(id, answer.run_id, new=True)


def start_request(event: Event, *, namespace: str, identity: str) -> StartWorkflowExecutionRequest:
    """What starts the event's workflow: the same as `Client.start_workflow` would send."""
    return StartWorkflowExecutionRequest(
        namespace=namespace,
        workflow_id=workflow_id(event.key),
        workflow_type=WorkflowType(name=ROOT_WORKFLOW),
        task_queue=TaskQueue(name=ROOT_TASK_QUEUE),
        input=Payloads(payloads=[_payload(event.to_wire())]),
        identity=identity,
        request_id=str(uuid.uuid4()),
        workflow_id_reuse_policy=(
            WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY
        ),
        workflow_id_conflict_policy=WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
        priority=Priority(),
        user_metadata=UserMetadata(
            summary=_payload(f"{event.type} {event.subject or event.id}"[:200])
        ),
    )


def _payload(value: Any) -> Payload:
    """As the SDK's default converter writes it; a test holds that."""
    text = json.dumps(value, separators=(",", ":"), sort_keys=True)
    return Payload(metadata={"encoding": b"json/plain"}, data=text.encode())


def _already_started(error: RPCError) -> str | None:
    """The run that has the workflow's ID already, where that is why a start was refused."""
    found = WorkflowExecutionAlreadyStartedFailure()
    if error.status is not RPCStatusCode.ALREADY_EXISTS or not error.grpc_status.details:
        return None
    return found.run_id if error.grpc_status.details[0].Unpack(found) else None
