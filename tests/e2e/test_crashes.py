"""Every process of the house is killed at every hop of the story, and no event is lost or doubled.

Killed means SIGKILL: nobody gets to clean up. What was killed is started again, as a platform
would, and then the story must come to its end by itself.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from temporalio.service import RPCError

from core.contracts import (
    INCIDENT_WORKFLOW,
    QUERY_INCIDENT,
    ROOT_WORKFLOW,
    UPDATE_ACKNOWLEDGE,
    UPDATE_RESOLVE,
)
from infra.local.aws import EVENTS_QUEUE, QUARANTINE, REPORTS
from infra.local.processes import wait_until
from infra.local.receipts import receipts
from infra.local.stack import INCIDENT_WORKER, ROOT_WORKER, S3_LISTENER, TEMPORAL
from infra.local.temporal import Workflow
from tests.e2e.conftest import House

pytestmark = pytest.mark.slow

VICTIMS = (S3_LISTENER, ROOT_WORKER, INCIDENT_WORKER, TEMPORAL)
HOPS = ("uploaded", "started", "opened", "paged", "acknowledged", "resolved")

PATIENCE = 60.0


@dataclass
class Case:
    """One upload and what became of it. Looks by name, so that a second incident would be seen."""

    house: House
    name: str

    def upload(self) -> None:
        document = f"---\ntitle: {self.name}\nseverity: high\nservice: checkout\n---\nDown.\n"
        self.house.stack.aws.upload(f"{self.name}.md", document.encode())

    def workflows(self, kind: str) -> list[Workflow]:
        """Every execution of this kind that has to do with the upload, closed ones included."""
        found = self.house.temporal.list(f"WorkflowType = '{kind}'")
        return [workflow for workflow in found if f"/{self.name}.md@" in workflow.id]

    def incident(self) -> str:
        found = self._wait(lambda: self.workflows(INCIDENT_WORKFLOW), "the incident")
        return str(found[0].id)

    def reports(self) -> list[str]:
        """The report's files; each name is built from the upload's."""
        return [key for key in self.house.stack.aws.keys(REPORTS) if self.name in key]

    def pages(self) -> int:
        return sum(
            self.name in page.title + page.message for page in self.house.stack.pager.pages()
        )

    def command(self, name: str) -> Any:
        argument = {"command_id": f"{self.name}-{name}", "actor": "ana", "note": ""}
        return self._wait(
            lambda: self._try(
                lambda: [self.house.temporal.update(self.incident(), name, argument)]
            ),
            name,
        )

    def reach(self, hop: str) -> None:
        """Go on with the story until this hop is seen to be done."""
        if hop == "uploaded":
            self.upload()
        elif hop == "started":
            self._wait(lambda: self.workflows(ROOT_WORKFLOW), "the root orchestrator")
        elif hop == "opened":
            incident = self.incident()
            self._wait(
                lambda: self._try(lambda: self.house.temporal.query(incident, QUERY_INCIDENT)),
                "the incident to open",
            )
        elif hop == "paged":
            self._wait(self.pages, "the page")
        elif hop == "acknowledged":
            self.command(UPDATE_ACKNOWLEDGE)
        elif hop == "resolved":
            self.command(UPDATE_RESOLVE)

    def ends_as_one_incident(self) -> None:
        """Wait for the end; then exactly one root orchestrator, one incident, one report."""

        def over() -> bool:
            both = self.workflows(ROOT_WORKFLOW) + self.workflows(INCIDENT_WORKFLOW)
            return len(both) > 1 and not any(workflow.open for workflow in both)

        self._wait(lambda: self._try(over), "both workflows to end")
        roots, incidents = self.workflows(ROOT_WORKFLOW), self.workflows(INCIDENT_WORKFLOW)
        assert [workflow.status for workflow in roots] == ["COMPLETED"]
        assert [workflow.status for workflow in incidents] == ["COMPLETED"]
        assert sorted(key.rpartition(".")[2] for key in self.reports()) == ["json", "md"]
        assert self.pages() >= 1

    def _wait(self, look: Any, what: str) -> Any:
        return wait_until(look, PATIENCE, f"{self.name}: {what}")

    @staticmethod
    def _try(look: Any) -> Any:
        """Temporal may be on its way back."""
        try:
            return look()
        except RPCError:
            return None


@pytest.fixture
def new_case(house: House) -> Iterator[Any]:
    """Makes cases; afterwards nothing may lie in quarantine or among the dead letters."""
    yield lambda: Case(house, f"case-{uuid.uuid4().hex[:12]}")
    aws = house.stack.aws
    assert aws.keys(QUARANTINE) == []
    assert aws.waiting(aws.queue(EVENTS_QUEUE).dead_letters) == 0


def crash(house: House, victim: str) -> None:
    house.stack.processes[victim].kill()
    house.stack.restart(victim)


@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("hop", HOPS)
def test_one_incident_whoever_is_killed_whenever(
    house: House, new_case: Any, hop: str, victim: str
) -> None:
    case = new_case()
    done = HOPS.index(hop) + 1
    for step in HOPS[:done]:
        case.reach(step)
    crash(house, victim)
    for step in HOPS[done:]:
        case.reach(step)
    case.ends_as_one_incident()


@pytest.mark.parametrize("victim", VICTIMS)
def test_a_batch_survives_whoever_is_killed_in_its_midst(
    house: House, new_case: Any, victim: str
) -> None:
    cases = [new_case() for _ in range(10)]
    for case in cases:
        case.upload()
    wait_until(lambda: any(case.workflows(ROOT_WORKFLOW) for case in cases), PATIENCE, "a start")
    crash(house, victim)
    for hop in ("opened", "paged", "acknowledged", "resolved"):
        for case in cases:
            case.reach(hop)
    for case in cases:
        case.ends_as_one_incident()


def test_nothing_is_acknowledged_while_temporal_is_away(house: House, new_case: Any) -> None:
    stack = house.stack
    queue = stack.aws.queue(EVENTS_QUEUE)
    cases = [new_case() for _ in range(3)]
    stack.processes[TEMPORAL].kill()
    for case in cases:
        case.upload()

    def each_was_tried_twice() -> bool:
        return all(len(receipts(stack, f"/{case.name}.md@")) >= 2 for case in cases)

    wait_until(each_was_tried_twice, PATIENCE, "two attempts at each upload")
    verdicts = {
        receipt["verdict"] for case in cases for receipt in receipts(stack, f"/{case.name}.md@")
    }
    assert verdicts == {"retry"}
    assert stack.aws.waiting(queue.url) == len(cases)
    assert stack.aws.keys(QUARANTINE) == []
    stack.restart(TEMPORAL)
    for hop in ("opened", "paged", "acknowledged", "resolved"):
        for case in cases:
            case.reach(hop)
    for case in cases:
        case.ends_as_one_incident()
    wait_until(lambda: stack.aws.waiting(queue.url) == 0, PATIENCE, "the queue to drain")
