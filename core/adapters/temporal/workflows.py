"""Takes events to workflows, each in one call to Temporal's frontend.

What is transient and what is permanent is decided here. The requests are what the SDK's client
would send; see `connection` for why it is not used.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import WorkflowIdConflictPolicy, WorkflowIdReusePolicy
from temporalio.api.errordetails.v1 import WorkflowExecutionAlreadyStartedFailure
from temporalio.api.workflowservice.v1 import (
    GetSystemInfoRequest,
    SignalWithStartWorkflowExecutionRequest,
    SignalWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
)
from temporalio.service import RPCError, RPCStatusCode

from core.adapters.temporal.connection import Frontend, is_missing, reason_of, refusal
from core.contracts import ROOT_TASK_QUEUE, ROOT_WORKFLOW
from core.domain.event import TABLE_ATTRIBUTE, Event, encode
from core.domain.identity import workflow_id
from core.domain.routing.table import ATTRIBUTE_TYPES, Target, WhenMissing
from core.errors import (
    ChildMissing,
    InvalidEvent,
    InvalidOption,
    TemporalUnavailable,
    TidegateError,
    quoted,
    third_party,
)
from core.ports.workflows import Outcome, Sent

PAYLOAD_BYTES: Final = 2 * 1024 * 1024
"""Largest payload that Temporal takes, unless its operator has changed `limit.blobSize.error`."""

_TRANSIENT_REFUSALS: Final = (
    "exceeded workflow execution limit for signal events",
    "Workflow history size exceeds limit",
)
"""Refusals that are transient although their status is INVALID_ARGUMENT: a run has too many signals
waiting, or was just ended for its size. The next run takes the event. (Tried on server 1.32.)"""
_TOO_LARGE: Final = "larger than max"
"""A refusal that is permanent although its status is RESOURCE_EXHAUSTED: the message is over gRPC's
limit."""

_ATTRIBUTE: Final = "search attribute"
"""In every refusal of a search attribute: one that the namespace does not have, or of another
type."""

Start = StartWorkflowExecutionRequest | SignalWithStartWorkflowExecutionRequest
Request = Start | SignalWorkflowExecutionRequest


class TemporalWorkflows:
    """`Workflows` over one connection, made by `connect` at the first call and kept.

    When a kept connection turns out to be dead (as after a function was frozen), the call is tried
    once more over a new one. A call takes at most `timeout` seconds.
    """

    def __init__(self, connect: Callable[[], Awaitable[Frontend]], *, timeout: float) -> None:
        self._connect = connect
        self._timeout = timedelta(seconds=timeout)
        self._frontend: Frontend | None = None
        self._lock = asyncio.Lock()

    async def orchestrate(self, event: Event, *, table: str) -> Sent:
        """Start the root orchestrator, under the event's own ID. Raises as the port says."""
        request = _once(workflow_id(event.key), ROOT_WORKFLOW, ROOT_TASK_QUEUE)
        _give(request, event, [_event(event, table)])
        return await self._call(request)

    async def start(self, event: Event, target: Target, *, table: str) -> Sent:
        """Start the target workflow with the event. Raises as the port says."""
        request = _once(target.id, target.workflow, target.task_queue)
        _give(request, event, [_event(event, table)] if target.input is None else target.input)
        _configure(request, target)
        return await self._call(request)

    async def signal(
        self, events: Sequence[Mapping[str, Any]], target: Target, *, request_id: str, table: str
    ) -> Sent:
        """Signal the target workflow, started if it does not run unless its rule says otherwise.
        Raises as the port says."""
        first, *others = events
        arguments = target.input or [[{**first, TABLE_ATTRIBUTE: table}, *others]]
        if target.when_missing is WhenMissing.QUARANTINE:
            only = SignalWorkflowExecutionRequest(
                signal_name=target.signal or "", request_id=request_id
            )
            only.workflow_execution.workflow_id = target.id
            _write_all(only.input, arguments)
            return await self._call(only)
        request = SignalWithStartWorkflowExecutionRequest(
            workflow_id=target.id,
            signal_name=target.signal or "",
            request_id=request_id,
            workflow_id_reuse_policy=WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
        )
        request.workflow_type.name = target.workflow
        request.task_queue.name = target.task_queue
        request.priority.SetInParent()
        _write_all(request.signal_input, arguments)
        _configure(request, target)
        return await self._call(request)

    async def connect(self) -> None:
        """Connect now, instead of at the first call. Raises `TemporalUnavailable`."""
        frontend, _ = await self._current(stale=None)
        try:
            await frontend.service.get_system_info(GetSystemInfoRequest(), timeout=self._timeout)
        except (RPCError, RuntimeError) as error:
            raise TemporalUnavailable(f"Temporal: {reason_of(error)}") from None

    async def _current(self, *, stale: Frontend | None) -> tuple[Frontend, bool]:
        """A connection other than the `stale` one, and whether it existed already."""
        async with self._lock:
            kept = self._frontend is not None and self._frontend is not stale
            if self._frontend is None or self._frontend is stale:
                self._frontend = await self._connect()
            return self._frontend, kept

    async def _call(self, request: Request) -> Sent:
        frontend, kept = await self._current(stale=None)
        try:
            return await self._call_over(frontend, request)
        except TemporalUnavailable:
            if not kept:
                raise
        frontend, _ = await self._current(stale=frontend)
        return await self._call_over(frontend, request)

    async def _call_over(self, frontend: Frontend, request: Request) -> Sent:
        id = _workflow_id(request)
        request.namespace, request.identity = frontend.namespace, frontend.identity
        try:
            # The call has a time limit of its own, which does not cover connecting.
            async with asyncio.timeout(self._timeout.total_seconds()):
                if isinstance(request, SignalWithStartWorkflowExecutionRequest):
                    signalled = await frontend.service.signal_with_start_workflow_execution(
                        request, retry=True, timeout=self._timeout
                    )
                    outcome = Outcome.STARTED if signalled.started else Outcome.DELIVERED
                    return Sent(id, signalled.run_id, outcome)
                if isinstance(request, SignalWorkflowExecutionRequest):
                    await frontend.service.signal_workflow_execution(
                        request, retry=True, timeout=self._timeout
                    )
                    return Sent(id, None, Outcome.DELIVERED)
                started = await frontend.service.start_workflow_execution(
                    request, retry=True, timeout=self._timeout
                )
        except RPCError as error:
            if (running := _already_started(error)) is not None:
                return Sent(id, running, Outcome.DUPLICATE)
            if isinstance(request, SignalWorkflowExecutionRequest) and is_missing(error):
                raise ChildMissing(f"no workflow {quoted(id)} is running") from None
            raise _refusal(id, error) from None
        except TimeoutError:
            limit = f"{self._timeout.total_seconds():g} s"
            raise TemporalUnavailable(f"event {id}: Temporal did not answer in {limit}") from None
        except RuntimeError as error:  # how the client reports that it could not connect
            raise TemporalUnavailable(f"event {id}: {reason_of(error)}") from None
        return Sent(id, started.run_id, Outcome.STARTED)


# The parts of a request are filled in place: passed to the constructor they would be copied, which
# costs several times as much.


def _workflow_id(request: Request) -> str:
    if isinstance(request, SignalWorkflowExecutionRequest):
        return request.workflow_execution.workflow_id
    return request.workflow_id


def _once(id: str, workflow: str, task_queue: str) -> StartWorkflowExecutionRequest:
    """A start under an ID that is the event's own: once, unless it failed."""
    request = StartWorkflowExecutionRequest(
        workflow_id=id,
        request_id=str(uuid.uuid4()),
        workflow_id_reuse_policy=(
            WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY
        ),
        workflow_id_conflict_policy=WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
    )
    request.workflow_type.name = workflow
    request.task_queue.name = task_queue
    request.priority.SetInParent()
    return request


def _event(event: Event, table: str) -> dict[str, Any]:
    return {**event.to_wire(), TABLE_ATTRIBUTE: table}


def _give(
    request: StartWorkflowExecutionRequest, event: Event, arguments: Sequence[object]
) -> None:
    """Give the workflow its arguments, and the event in its summary. Raises `InvalidEvent` where
    Temporal would not take them."""
    size = _write_all(request.input, arguments)
    if size > PAYLOAD_BYTES:
        raise InvalidEvent(
            f"event {quoted(event.key)} has {size:,} bytes as a payload, and Temporal "
            f"takes {PAYLOAD_BYTES:,}",
            fix="lower TIDEGATE_MAX_EVENT_BYTES, and let the sender refer to a document",
        )
    summary = f"{event.type} {event.subject or event.id}"[:200]
    _write(request.user_metadata.summary, encode(summary))


def _configure(request: Start, target: Target) -> None:
    """Give the workflow what the target says of it: its time-outs and its options."""
    if target.execution_timeout:
        request.workflow_execution_timeout.FromTimedelta(
            timedelta(seconds=target.execution_timeout)
        )
    if target.run_timeout:
        request.workflow_run_timeout.FromTimedelta(timedelta(seconds=target.run_timeout))
    if target.task_timeout:
        request.workflow_task_timeout.FromTimedelta(timedelta(seconds=target.task_timeout))

    if options := target.options:
        for name, value in (options.search_attributes or {}).items():
            [(kind, read)] = value.items()
            payload = request.search_attributes.indexed_fields[name]
            _write(payload, encode(read))
            payload.metadata["type"] = ATTRIBUTE_TYPES[kind].encode()
        for name, value in (options.memo or {}).items():
            _write(request.memo.fields[name], encode(value))
        if options.static_summary:
            _write(request.user_metadata.summary, encode(options.static_summary))
        if options.priority:
            request.priority.priority_key = options.priority
        if options.fairness_key:
            request.priority.fairness_key = options.fairness_key
            request.priority.fairness_weight = options.fairness_weight or 0.0
        if retry := options.retry:
            policy = request.retry_policy
            policy.initial_interval.FromTimedelta(timedelta(seconds=retry["initial_interval"]))
            policy.backoff_coefficient = retry["backoff"]
            if longest := retry["maximum_interval"]:
                policy.maximum_interval.FromTimedelta(timedelta(seconds=longest))
            policy.maximum_attempts = retry["maximum_attempts"]
            policy.non_retryable_error_types.extend(retry["non_retryable"])
        if delay := options.delay(datetime.now(UTC)):
            request.workflow_start_delay.FromTimedelta(timedelta(seconds=delay))


def _write_all(payloads: Payloads, values: Sequence[object]) -> int:
    """Each value as a payload; returns how many bytes they have."""
    size = 0
    for value in values:
        data = encode(value)
        _write(payloads.payloads.add(), data)
        size += len(data)
    return size


def _write(payload: Payload, data: bytes) -> None:
    """JSON as the payload, byte for byte as workers write it."""
    payload.metadata["encoding"] = b"json/plain"
    payload.data = data


def _refusal(id: str, error: RPCError) -> TidegateError:
    """What an answer of Temporal's means for the event."""
    invalid = error.status is RPCStatusCode.INVALID_ARGUMENT and not any(
        words in error.message for words in _TRANSIENT_REFUSALS
    )
    too_large = error.status is RPCStatusCode.RESOURCE_EXHAUSTED and _TOO_LARGE in error.message
    if invalid and _ATTRIBUTE in error.message.lower():
        return InvalidOption(f"event {id}: Temporal refuses it: {third_party(error)}")
    if invalid or too_large:
        return InvalidEvent(f"event {id}: Temporal refuses it: {third_party(error)}")
    return refusal(error, about=f"event {id}: ")


def _already_started(error: RPCError) -> str | None:
    """The run that has the workflow ID already, if that is why the start was refused."""
    failure = WorkflowExecutionAlreadyStartedFailure()
    if error.status is not RPCStatusCode.ALREADY_EXISTS or not error.grpc_status.details:
        return None
    return failure.run_id if error.grpc_status.details[0].Unpack(failure) else None
