"""Makes a child close just before the orchestrator signals it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio import activity, client, worker, workflow
from temporalio.client import Client

_ACTIVITY = "close_child"


class ClosesChildrenBeforeSignals(client.Interceptor, worker.Interceptor):
    """For a client. Its workers inherit it, and must serve `ClosingActivity`, too."""

    def workflow_interceptor_class(
        self, input: worker.WorkflowInterceptorClassInput
    ) -> type[worker.WorkflowInboundInterceptor]:
        return _Inbound


class ClosingActivity:
    def __init__(self, client: Client) -> None:
        self._client = client

    @activity.defn(name=_ACTIVITY)
    async def close(self, id: str) -> None:
        await self._client.get_workflow_handle(id).terminate("closed by the test")


class _Inbound(worker.WorkflowInboundInterceptor):
    def init(self, outbound: worker.WorkflowOutboundInterceptor) -> None:
        super().init(_Outbound(outbound))


class _Outbound(worker.WorkflowOutboundInterceptor):
    async def signal_external_workflow(self, input: worker.SignalExternalWorkflowInput) -> None:
        timeout: Any = timedelta(seconds=30)
        await workflow.execute_local_activity(
            _ACTIVITY, input.workflow_id, start_to_close_timeout=timeout
        )
        await super().signal_external_workflow(input)
