"""The reports of incidents that went before under the same workflow ID, and are not written yet."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from temporalio import workflow

from workers.incident.activities import IncidentActivities
from workers.incident.payloads import Ending
from workers.incident.workflow import activity_options
from workers.incident.workflow.in_flight import UnderWay

LARGEST: Final = 300_000
"""Bytes of the timeline that goes along with one of them."""


class Debts:
    """Incidents whose reports are owed, and those whose reports are being written."""

    def __init__(self, under_way: UnderWay) -> None:
        self._under_way = under_way
        self._owed: list[Ending] = []
        self._begun: dict[str, Ending] = {}

    def __bool__(self) -> bool:
        return bool(self._owed or self._begun)

    def all(self) -> tuple[Ending, ...]:
        return (*self._owed, *self._begun.values())

    def owe(self, endings: Iterable[Ending]) -> None:
        """All that is owed from now on; what has been begun simply goes on."""
        self._owed = [ending for ending in endings if ending.incident.id not in self._begun]

    def begun(self, ending: Ending) -> None:
        """Its report is being written; `paid` is to be told of the outcome."""
        self._begun[ending.incident.id] = ending

    def pay(self) -> None:
        """Begin to write what is owed."""
        for ending in self._owed:
            self._pay(ending)
        self._owed = []

    def paid(self, id: str, outcome: object) -> None:
        del self._begun[id]
        workflow.logger.info("report of %s: %s", id, outcome)

    def _pay(self, ending: Ending) -> None:
        id = ending.incident.id
        handle = workflow.start_activity_method(
            IncidentActivities.write_report, ending, **activity_options.REPORT
        )
        self.begun(ending)
        self._under_way.watch(handle, lambda failure, uris: self.paid(id, failure or uris))
