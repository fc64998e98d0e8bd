"""Every process of the stack is killed at every hop of the story: no event is lost or duplicated.

Killed means SIGKILL, without any clean-up. The process is restarted, as a platform would do, and
then the story must come to its end by itself.
"""

from __future__ import annotations

import json
import os
import signal
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from temporalio.service import RPCError

from core.contracts import (
    INCIDENT_WORKER,
    INCIDENT_WORKFLOW,
    QUERY_INCIDENT,
    ROOT_WORKFLOW,
    WORKERS,
)
from core.domain.event import ALERT
from core.domain.identity import cloudevent_key
from core.domain.incident import commands
from infra.local.cloud import QUARANTINE, REPORTS
from infra.local.processes import ROOT, wait_until
from infra.local.temporal import TEMPORAL, Workflow
from infra.local.workers import NAMES
from tests.e2e.conftest import Harness, running_in
from tests.support.alerts import page_key

pytestmark = pytest.mark.slow

LISTENER = "listener"
"""The child that receives announcements of uploads."""

VICTIMS = (LISTENER, *(spec.name for spec in WORKERS), TEMPORAL)
UPLOADED, BATCH = "uploaded", "batch"
HOPS = (UPLOADED, "started", "opened", "paged", "acknowledged", "resolved")

PATIENCE = 120.0
"""Twice the timeout of an activity's attempt, for which Temporal waits for a dead worker."""


STARTED = "com.example.started"
"""The type of events that this harness's table delivers by `start`."""
_ROUTE = f"""
  - name: started
    match: {{exact: {{type: {STARTED}}}}}
    deliver: start
    workflow: Incident
    task_queue: tidegate-incident
    child_id: "incident:started:{{tidegatekey}}"
"""


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    """One with the shipped routes, and a route that starts incidents from the listener."""
    folder = tmp_path_factory.mktemp("stack")
    shipped = (ROOT / "core" / "config" / "routes.yaml").read_text(encoding="utf-8")
    routes = folder / "routes.yaml"
    routes.write_text(shipped.replace("\nroutes:\n", f"\nroutes:{_ROUTE}\n", 1), encoding="utf-8")
    with running_in(folder / "state", settings={"TIDEGATE_ROUTES": str(routes)}) as harness:
        yield harness


@dataclass
class Case:
    """One upload and its workflows. They are looked up by name, so a second incident would show."""

    harness: Harness
    name: str

    def upload(self) -> None:
        document = f"---\ntitle: {self.name}\nseverity: high\nservice: checkout\n---\nDown.\n"
        self.harness.stack.cloud.upload(f"{self.name}.md", document.encode())

    def workflows(self, kind: str) -> list[Workflow]:
        """Every execution of this kind for the upload, closed ones included."""
        found = self.harness.temporal.list(f"WorkflowType = '{kind}'")
        return [workflow for workflow in found if f"/{self.name}.md@" in workflow.id]

    def incident(self) -> str:
        found = self._wait(lambda: self.workflows(INCIDENT_WORKFLOW), "the incident")
        return str(found[0].id)

    def reports(self) -> list[str]:
        """The report's files, whose names contain the upload's."""
        return [key for key in self.harness.stack.cloud.keys(REPORTS) if self.name in key]

    def pages(self) -> int:
        return sum(
            self.name in page.title + page.message for page in self.harness.stack.pager.pages()
        )

    def command(self, name: str) -> Any:
        argument = {"command_id": f"{self.name}-{name}", "actor": "ana", "note": ""}
        return self._wait(
            lambda: [self.harness.temporal.update(self.incident(), name, argument)], name
        )

    def reach(self, hop: str) -> None:
        """Continue the story until this hop is done."""
        if hop == UPLOADED:
            self.upload()
        elif hop == "started":
            self._wait(lambda: self.workflows(ROOT_WORKFLOW), "the root orchestrator")
        elif hop == "opened":
            incident = self.incident()
            self._wait(
                lambda: self.harness.temporal.query(incident, QUERY_INCIDENT),
                "the incident to open",
            )
        elif hop == "paged":
            self._wait(self.pages, "the page")
        elif hop == "acknowledged":
            self.command(commands.Acknowledge.name)
        elif hop == "resolved":
            self.command(commands.Resolve.name)

    def ends_as_one_incident(self) -> None:
        """Wait for the end: exactly one root orchestrator, one incident and one report."""

        def over() -> bool:
            both = self.workflows(ROOT_WORKFLOW) + self.workflows(INCIDENT_WORKFLOW)
            return len(both) > 1 and not any(workflow.open for workflow in both)

        self._wait(over, "both workflows to end")
        roots, incidents = self.workflows(ROOT_WORKFLOW), self.workflows(INCIDENT_WORKFLOW)
        assert [workflow.status for workflow in roots] == ["COMPLETED"]
        assert [workflow.status for workflow in incidents] == ["COMPLETED"]
        assert sorted(key.rpartition(".")[2] for key in self.reports()) == ["json", "md"]
        assert self.pages() >= 1

    def _wait(self, look: Any, what: str) -> Any:
        return wait_until(lambda: self._try(look), PATIENCE, f"{self.name}: {what}")

    @staticmethod
    def _try(look: Any) -> Any:
        """None while Temporal is restarting, or is slow to answer."""
        try:
            return look()
        except RPCError:
            return None


def new_case(harness: Harness, what: str) -> Case:
    return Case(harness, f"{what}-{uuid.uuid4().hex[:8]}")


@pytest.fixture(autouse=True)
def _nothing_is_dead_lettered(harness: Harness) -> Iterator[None]:
    """A crash must not quarantine or dead-letter any event."""
    yield
    assert harness.stack.cloud.keys(QUARANTINE) == []
    assert harness.stack.cloud.dead_lettered() == 0


def crash(harness: Harness, victim: str) -> None:
    """Kill a process, and start it again. Serverless workers have no process of their own: every
    invocation that runs is killed, and Temporal starts the next."""
    if harness.stack.function and victim in NAMES:
        for pid in harness.stack.function.running().values():
            with suppress(ProcessLookupError):  # it has ended meanwhile
                os.kill(pid, signal.SIGKILL)
        return
    cloud = harness.stack.cloud
    names = {LISTENER: cloud.upload_listener, MESSAGES: cloud.message_listener}
    name = names.get(victim, victim)
    harness.stack.processes[name].kill()
    harness.stack.restart(name)


def crash_at(harness: Harness, hop: str, victim: str) -> list[Case]:
    """Bring an upload to this hop, or start a batch, and kill the victim immediately."""
    if hop == BATCH:
        cases = [new_case(harness, f"{hop}-{victim}") for _ in range(10)]
        for case in cases:
            case.upload()
        wait_until(
            lambda: any(case.workflows(ROOT_WORKFLOW) for case in cases), PATIENCE, "a start"
        )
    else:
        cases = [new_case(harness, f"{hop}-{victim}")]
        for step in HOPS[: HOPS.index(hop) + 1]:
            cases[0].reach(step)
    crash(harness, victim)
    return cases


@pytest.fixture(scope="module")
def crashed(harness: Harness) -> dict[tuple[str, str], list[Case] | Exception]:
    """Every victim, killed at every hop of an upload of its own; see `crash_at`.

    All crashes come first, and then the tests follow each story to its end. So the timeouts of dead
    workers run concurrently, and every story meets the crashes of the others.
    """
    found: dict[tuple[str, str], list[Case] | Exception] = {}
    for hop in (*HOPS, BATCH):
        for victim in VICTIMS:
            try:
                found[hop, victim] = crash_at(harness, hop, victim)
            except Exception as error:  # noqa: BLE001  # raised by the test whose crash it is
                found[hop, victim] = error
    return found


@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("hop", [*HOPS, BATCH])
def test_one_incident_whichever_process_is_killed_at_whichever_hop(
    crashed: dict[tuple[str, str], list[Case] | Exception], hop: str, victim: str
) -> None:
    cases = crashed[hop, victim]
    if isinstance(cases, Exception):
        raise cases
    see_to_the_end(cases, HOPS.index(UPLOADED if hop == BATCH else hop) + 1)


def see_to_the_end(cases: list[Case], done: int = 1) -> None:
    """Go through the remaining hops, then expect one incident per upload."""
    for hop in HOPS[done:]:
        for case in cases:
            case.reach(hop)
    for case in cases:
        case.ends_as_one_incident()


# ---------------------------------------------------- straight from the listener: start and signal

MESSAGES = "message listener"
STRAIGHT = (MESSAGES, INCIDENT_WORKER.name, TEMPORAL)
"""Whom a delivery by start or signal passes: there is no root orchestrator."""


@dataclass
class Straight:
    """An incident that the message listener starts, and one that it signals."""

    harness: Harness
    name: str

    @property
    def started(self) -> str:
        return f"incident:started:{cloudevent_key(self._scope, '/shop', self.name)}"

    @property
    def signalled(self) -> str:
        return f"incident:{self._scope}:{self.name}"

    @property
    def _scope(self) -> str:
        return "queue:tidegate-messages"

    def report(self) -> None:
        """The event that starts an incident, twice: a carrier may deliver it again."""
        data = {"title": f"{self.name} started", "severity": "high"}
        for _ in range(2):
            self._send(STARTED, self.name, data)

    def alert(self, status: str) -> None:
        """What the source says of its alert, twice, under a new ID each time."""
        data = {
            "key": self.name,
            "status": status,
            "title": f"{self.name} signalled",
            "starts_at": "2026-01-02T03:04:05Z",
            **({"ends_at": "2026-01-02T03:14:05Z"} if status == "resolved" else {}),
        }
        for _ in range(2):
            self._send(ALERT, uuid.uuid4().hex, data)

    def _send(self, type: str, id: str, data: dict[str, Any]) -> None:
        event = {"specversion": "1.0", "type": type, "source": "/shop", "id": id, "data": data}
        self.harness.stack.cloud.send(json.dumps(event))

    def has(self, incident: str, *statuses: str) -> bool:
        try:
            found = self.harness.temporal.query(incident, QUERY_INCIDENT)
        except RPCError:  # not yet, or Temporal or the worker is on its way back
            return False
        return found["status"] in statuses

    def pages(self, title: str) -> set[str]:
        """The keys of all pages about it; one that was sent twice has one key."""
        pages = self.harness.stack.pager.pages()
        found = {page_key(page.message) for page in pages if title in page.title}
        return {key for key in found if key}

    def both_open(self) -> bool:
        return self.has(self.started, "open") and self.has(self.signalled, "open")

    def both_paged(self) -> bool:
        return all(self.pages(f"{self.name} {how}") for how in ("started", "signalled"))


@pytest.fixture(scope="module")
def straight(harness: Harness) -> dict[str, Straight]:
    """Each victim killed as both are sent, and again as the alert's recovery is; the tests then see
    them to their end."""
    found = {}
    for victim in STRAIGHT:
        case = Straight(harness, f"straight-{uuid.uuid4().hex[:8]}")
        case.report()
        case.alert("firing")
        crash(harness, victim)
        wait_until(case.both_open, PATIENCE, f"{victim}: two open incidents")
        wait_until(case.both_paged, PATIENCE, f"{victim}: their pages")
        case.alert("resolved")
        crash(harness, victim)
        found[victim] = case
    return found


@pytest.mark.parametrize("victim", STRAIGHT)
def test_one_incident_by_start_and_one_by_signal_whoever_is_killed(
    harness: Harness, straight: dict[str, Straight], victim: str
) -> None:
    case = straight[victim]
    wait_until(lambda: case.has(case.signalled, "closed"), PATIENCE, "the recovery to be heard")
    assert case.has(case.started, "open")
    for how in ("started", "signalled"):
        assert len(case.pages(f"{case.name} {how}")) == 1
    ids = [workflow.id for workflow in harness.temporal.list() if case.name in workflow.id]
    assert sorted(ids) == sorted([case.started, case.signalled])
