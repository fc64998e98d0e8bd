"""Reports of earlier incidents under the same workflow ID that are not written yet.

Deterministic: runs in the workflow sandbox.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from temporalio import workflow

from workers.incident.activities import IncidentActivities
from workers.incident.payloads import ReportInput
from workers.incident.workflow import activity_options
from workers.incident.workflow.in_flight import InFlight

LARGEST: Final = 300_000
"""Bytes of timeline that one of them takes along."""


class PendingReports:
    """Reports that are waiting to be written, and those that are being written."""

    def __init__(self, in_flight: InFlight) -> None:
        self._in_flight = in_flight
        self._waiting: dict[str, ReportInput] = {}
        self._writing: dict[str, ReportInput] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting or self._writing)

    def all(self) -> tuple[ReportInput, ...]:
        return (*self._waiting.values(), *self._writing.values())

    def add(self, reports: Iterable[ReportInput]) -> None:
        """Add those that are not waiting or being written already."""
        for report in reports:
            if report.incident.id not in self._writing:
                self._waiting[report.incident.id] = report

    def start(self) -> None:
        """Start to write those that are waiting."""
        waiting, self._waiting = self._waiting, {}
        for report in waiting.values():
            self._start(report)

    def started(self, report: ReportInput) -> None:
        """It is being written; call `finished` with the outcome."""
        self._writing[report.incident.id] = report

    def finished(self, id: str, outcome: object) -> None:
        del self._writing[id]
        workflow.logger.info("report of %s: %s", id, outcome)

    def _start(self, report: ReportInput) -> None:
        id = report.incident.id
        handle = workflow.start_activity_method(
            IncidentActivities.write_report, report, **activity_options.REPORT
        )
        self.started(report)
        self._in_flight.watch(handle, lambda failure, uris: self.finished(id, failure or uris))
