"""A real Alertmanager posts to the webhooks' gateway, and incidents follow its alerts."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from temporalio.service import RPCError

from core.contracts import INCIDENT_WORKFLOW, QUERY_INCIDENT, ROOT_WORKFLOW
from infra.local.environment import HOOK_SECRETS
from infra.local.processes import Processes, wait_until
from infra.local.temporal import TEMPORAL, Workflow
from tests.e2e.conftest import Harness
from tests.support.programs import program

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("binary")]

PATIENCE = 120.0
HERE = requests.Session()
HERE.trust_env = False  # no proxy between this machine and itself


@dataclass
class Alertmanager:
    """A running Alertmanager, which sends its alerts to the stack immediately."""

    url: str
    log: Path

    def post(self, alert: dict[str, Any]) -> None:
        """Send an alert as Prometheus does when it fires, and when it ends."""
        HERE.post(f"{self.url}/api/v2/alerts", json=[alert], timeout=30).raise_for_status()

    def ready(self) -> bool:
        try:
            return HERE.get(f"{self.url}/-/ready", timeout=5).ok
        except requests.ConnectionError:
            return False


@pytest.fixture(scope="module")
def binary() -> str:
    return program("prometheus-alertmanager", "alertmanager", package="prometheus-alertmanager")


@pytest.fixture(scope="module")
def alertmanager(
    binary: str, harness: Harness, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Alertmanager]:
    folder = tmp_path_factory.mktemp("alertmanager")
    config = folder / "alertmanager.yml"
    hook = f"{harness.stack.endpoints.gateway}/hooks/alertmanager"
    config.write_text(f"""
route:
  receiver: tidegate
  group_by: [alertname]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1h
receivers:
  - name: tidegate
    webhook_configs:
      - url: {hook}
        http_config:
          authorization:
            credentials: {HOOK_SECRETS["LOCAL_HOOK_TOKEN"]}
""")
    processes = Processes(folder / "logs")
    port = processes.ports.reserve("alertmanager")
    try:
        child = processes.start(
            "alertmanager",
            [
                binary,
                f"--config.file={config}",
                f"--storage.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ],
            {**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"},
        )
        found = Alertmanager(f"http://127.0.0.1:{port}", child.log)
        wait_until(found.ready, PATIENCE, "Alertmanager to start", check=child.check)
        yield found
    finally:
        processes.stop()


@dataclass
class Outage:
    """An alert that fires until it is over, and the incident that came of it."""

    harness: Harness
    alertmanager: Alertmanager
    name: str
    began: datetime

    def alert(self, *, over: bool = False) -> dict[str, Any]:
        now = datetime.now(UTC)
        return {
            "labels": {"alertname": self.name, "severity": "critical", "service": "checkout"},
            "annotations": {"summary": f"{self.name} is out"},
            "startsAt": self.began.isoformat(),
            "endsAt": (now if over else now + timedelta(hours=1)).isoformat(),
            "generatorURL": "http://prometheus.example/graph",
        }

    def begins(self) -> None:
        self.alertmanager.post(self.alert())

    def ends(self) -> None:
        self.alertmanager.post(self.alert(over=True))

    def roots(self) -> list[Workflow]:
        """The root orchestrators that any alert of this test's server started."""
        return self.harness.temporal.list(f"WorkflowType = '{ROOT_WORKFLOW}'")

    def incidents(self) -> list[Any]:
        """The states of all incidents about it."""
        found = []
        for workflow in self.harness.temporal.list(f"WorkflowType = '{INCIDENT_WORKFLOW}'"):
            state = self.harness.temporal.query(workflow.id, QUERY_INCIDENT)
            if state["title"] == f"{self.name} is out":
                found.append(state)
        return found

    def becomes(self, status: str) -> Any:
        def look() -> Any:
            try:
                states = self.incidents()
            except RPCError:
                return None  # it is just opening, or Temporal is restarting
            return states if [state["status"] for state in states] == [status] else None

        [state] = wait_until(look, PATIENCE, f"one incident of {self.name}, {status}")
        return state


def new_outage(harness: Harness, alertmanager: Alertmanager) -> Outage:
    return Outage(harness, alertmanager, f"Outage-{uuid.uuid4().hex[:8]}", datetime.now(UTC))


def test_an_alert_that_fires_opens_an_incident_and_resolves_it_when_it_ends(
    harness: Harness, alertmanager: Alertmanager
) -> None:
    outage = new_outage(harness, alertmanager)
    outage.begins()
    state = outage.becomes("open")
    assert (state["severity"], state["service"]) == ("critical", "checkout")
    wait_until(
        lambda: any(outage.name in page.title for page in harness.stack.pager.pages()),
        PATIENCE,
        "the page",
    )
    outage.ends()
    outage.becomes("resolved")


def test_while_temporal_is_down_alertmanager_retries_and_nothing_is_lost(
    harness: Harness, alertmanager: Alertmanager
) -> None:
    outage = new_outage(harness, alertmanager)
    harness.stack.processes[TEMPORAL].kill()
    outage.begins()

    listener = harness.stack.processes[harness.stack.cloud.webhook_listener]

    def refused() -> bool:
        return '"status":503' in listener.output()

    wait_until(refused, PATIENCE, "a response that makes Alertmanager retry")
    harness.stack.restart(TEMPORAL)
    outage.becomes("open")
    assert "unrecoverable error" not in alertmanager.log.read_text()


def test_an_alertmanager_with_a_wrong_token_starts_nothing(
    harness: Harness, alertmanager: Alertmanager
) -> None:
    outage = new_outage(harness, alertmanager)
    before = len(outage.roots())
    answer = HERE.post(
        f"{harness.stack.endpoints.gateway}/hooks/alertmanager",
        json={"version": "4", "alerts": [outage.alert()]},
        headers={"Authorization": "Bearer wrong"},
        timeout=30,
    )
    assert answer.status_code == 401
    assert len(outage.roots()) == before
