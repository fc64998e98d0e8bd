"""Starts one workflow per event, in one call to Temporal's frontend.

What is transient and what is permanent is decided here. The request is what the SDK's client would
send; see `connection` for why it is not used.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from temporalio.api.common.v1 import Payload, Payloads, Priority, WorkflowType
from temporalio.api.enums.v1 import WorkflowIdConflictPolicy, WorkflowIdReusePolicy
from temporalio.api.errordetails.v1 import WorkflowExecutionAlreadyStartedFailure
from temporalio.api.sdk.v1 import UserMetadata
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import GetSystemInfoRequest, StartWorkflowExecutionRequest
from temporalio.service import RPCError, RPCStatusCode

from core.adapters.temporal.connection import Frontend
from core.contracts import ROOT_TASK_QUEUE, ROOT_WORKFLOW
from core.domain.event import Event
from core.domain.identity import workflow_id
from core.errors import InvalidEvent, TemporalUnavailable
from core.ports.workflow_starter import Start


class TemporalStarter:
    """A `WorkflowStarter` over one connection, made by `connect` at the first start and kept.

    When a kept connection turns out to be dead (as after a function was frozen), the start is tried
    once more over a new one. A start takes at most `timeout` seconds.
    """

    def __init__(self, connect: Callable[[], Awaitable[Frontend]], *, timeout: float) -> None:
        self._connect = connect
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
        """A connection other than the `stale` one, and whether it existed already."""
        async with self._lock:
            kept = self._frontend is not None and self._frontend is not stale
            if self._frontend is None or self._frontend is stale:
                self._frontend = await self._connect()
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
    """The request that starts the event's workflow, the same as `Client.start_workflow` sends."""
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
    """A value as the SDK's default converter writes it, which a test compares."""
    text = json.dumps(value, separators=(",", ":"), sort_keys=True)
    return Payload(metadata={"encoding": b"json/plain"}, data=text.encode())


def _already_started(error: RPCError) -> str | None:
    """The run that has the workflow ID already, if that is why the start was refused."""
    failure = WorkflowExecutionAlreadyStartedFailure()
    if error.status is not RPCStatusCode.ALREADY_EXISTS or not error.grpc_status.details:
        return None
    return failure.run_id if error.grpc_status.details[0].Unpack(failure) else None
