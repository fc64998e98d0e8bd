"""Workflows that stand in for real ones."""

from __future__ import annotations

from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from core.contracts import ROOT_WORKFLOW


@workflow.defn(name=ROOT_WORKFLOW)
class RootStandIn:
    """Ends when it is signalled `end`, with `complete` or `fail`."""

    def __init__(self) -> None:
        self._end: str | None = None

    @workflow.signal
    def end(self, how: str) -> None:
        self._end = how

    @workflow.run
    async def run(self, wire: Any) -> None:
        await workflow.wait_condition(lambda: self._end is not None)
        if self._end == "fail":
            raise ApplicationError("failed on request", non_retryable=True)


@workflow.defn(name="TestChild")
class ChildStandIn:
    """Collects its event and those that are signalled, and returns them at the signal `end`."""

    @workflow.init
    def __init__(self, wire: Any = None) -> None:
        self._wires = [] if wire is None else [wire]
        self._ended = False

    @workflow.signal
    def event(self, wire: Any) -> None:
        self._wires += wire if isinstance(wire, list) else [wire]

    @workflow.signal
    def end(self) -> None:
        self._ended = True

    @workflow.query
    def wires(self) -> list[Any]:
        return self._wires

    @workflow.run
    async def run(self, wire: Any = None) -> list[Any]:
        await workflow.wait_condition(lambda: self._ended)
        return self._wires
