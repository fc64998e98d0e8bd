"""Workflows that stand for real ones. Their workers take them through the sandbox as they are."""

from __future__ import annotations

from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from core.contracts import ROOT_WORKFLOW


@workflow.defn(name=ROOT_WORKFLOW)
class RootStandIn:
    """Ends as it is told by the signal `end`: `complete` or `fail`."""

    def __init__(self) -> None:
        self._end: str | None = None

    @workflow.signal
    def end(self, how: str) -> None:
        self._end = how

    @workflow.run
    async def run(self, wire: Any) -> None:
        await workflow.wait_condition(lambda: self._end is not None)
        if self._end == "fail":
            raise ApplicationError("as told", non_retryable=True)


@workflow.defn(name="TestChild")
class ChildStandIn:
    """Takes an event and the events that are signalled later; ends at the signal `end` and returns
    all of them."""

    @workflow.init
    def __init__(self, wire: Any) -> None:
        self._wires = [wire]
        self._ended = False

    @workflow.signal
    def event(self, wire: Any) -> None:
        self._wires.append(wire)

    @workflow.signal
    def end(self) -> None:
        self._ended = True

    @workflow.query
    def wires(self) -> list[Any]:
        return self._wires

    @workflow.run
    async def run(self, wire: Any) -> list[Any]:
        await workflow.wait_condition(lambda: self._ended)
        return self._wires
