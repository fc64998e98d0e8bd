"""Real Alertmanagers post to the webhook's gateway, and incidents follow what they say: one alone,
and a clustered pair that two disagreeing Prometheus replicas feed."""

from __future__ import annotations

import os
import random
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from temporalio.service import RPCError

from core.contracts import INCIDENT_WORKFLOW, QUERY_INCIDENT
from infra.local.environment import HOOK_SECRETS
from infra.local.processes import Processes, wait_until
from infra.local.temporal import TEMPORAL, Workflow
from tests.e2e.conftest import Harness, running_in
from tests.support.alerts import OPEN
from tests.support.programs import program
from tests.support.soak import SOAKING, sampled

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("binary")]

PATIENCE = 120.0
OUTAGES, WORDS = 6, 10
"""How many outages the pair hears of, and how many words about each."""
HERE = requests.Session()
HERE.trust_env = False  # no proxy between this machine and itself


@dataclass
class Alertmanager:
    """One that runs, and tells the harness of its alerts."""

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

    def cluster(self) -> Any:
        """What it says of its cluster: its own `name`, `status` and `peers`."""
        return HERE.get(f"{self.url}/api/v2/status", timeout=30).json()["cluster"]

    def gossips_at(self) -> str:
        """Its own address in the cluster."""
        cluster = self.cluster()
        [own] = [peer for peer in cluster["peers"] if peer["name"] == cluster["name"]]
        return str(own["address"])

    def active(self) -> set[str]:
        """The names of the alerts that it says fire."""
        found = HERE.get(f"{self.url}/api/v2/alerts?active=true", timeout=30)
        found.raise_for_status()
        return {alert["labels"]["alertname"] for alert in found.json()}


@pytest.fixture(scope="module")
def binary() -> str:
    return program("prometheus-alertmanager", "alertmanager", package="prometheus-alertmanager")


@dataclass(frozen=True)
class Pace:
    """When an Alertmanager speaks, and how long an incident is held accordingly; in seconds.

    `peer_timeout` is how long the second of a pair waits for word that the first has spoken.
    """

    group_wait: float
    group_interval: float
    peer_timeout: float
    settle: float

    @property
    def policies(self) -> str:
        return f"""
version: 1
targets:
  on-call: {{url_env: TIDEGATE_PAGE_URLS}}
policies:
  - name: default
    settle: {self.settle:g}s
    levels: [{{after: 0s, targets: [on-call]}}]
"""


SHORT = Pace(group_wait=0, group_interval=1, peer_timeout=1, settle=4)
DEFAULT = Pace(group_wait=30, group_interval=300, peer_timeout=15, settle=360)
"""Alertmanager's own pace, and a settling time to match."""


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    with harness_at(SHORT, tmp_path_factory.mktemp("stack")) as harness:
        yield harness


@contextmanager
def harness_at(pace: Pace, folder: Path) -> Iterator[Harness]:
    policies = folder / "policies.yaml"
    policies.write_text(pace.policies)
    with running_in(folder / "state", settings={"TIDEGATE_POLICIES": str(policies)}) as harness:
        yield harness


@pytest.fixture(scope="module")
def alertmanager(
    binary: str, harness: Harness, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Alertmanager]:
    with alertmanagers(binary, harness, SHORT, tmp_path_factory.mktemp("alertmanager")) as [found]:
        yield found


@contextmanager
def alertmanagers(
    binary: str, harness: Harness, pace: Pace, folder: Path, *, count: int = 1
) -> Iterator[list[Alertmanager]]:
    """So many that run; more than one are a cluster."""
    config = folder / "alertmanager.yml"
    hook = f"{harness.stack.endpoints.gateway}/hooks/alertmanager"
    config.write_text(f"""
route:
  receiver: tidegate
  group_by: [alertname]
  group_wait: {pace.group_wait:g}s
  group_interval: {pace.group_interval:g}s
  repeat_interval: 4h
receivers:
  - name: tidegate
    webhook_configs:
      - url: {hook}
        http_config:
          authorization:
            credentials: {HOOK_SECRETS["LOCAL_HOOK_TOKEN"]}
""")
    processes = Processes(folder / "logs")
    found: list[Alertmanager] = []
    try:
        for number in range(count):
            name, port = f"alertmanager-{number}", processes.ports.reserve(f"am-{number}")
            cluster = [
                "--cluster.listen-address=127.0.0.1:0",
                f"--cluster.peer-timeout={pace.peer_timeout:g}s",
                "--cluster.gossip-interval=50ms",
                *(f"--cluster.peer={each.gossips_at()}" for each in found),
            ]
            child = processes.start(
                name,
                [
                    binary,
                    f"--config.file={config}",
                    f"--storage.path={folder / name}",
                    f"--web.listen-address=127.0.0.1:{port}",
                    *(cluster if count > 1 else ["--cluster.listen-address="]),
                ],
                {**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"},
            )
            found.append(Alertmanager(f"http://127.0.0.1:{port}", child.log))
            wait_until(found[-1].ready, PATIENCE, "Alertmanager to start", check=processes.check)
        if count > 1:
            wait_until(lambda: _are_together(found), PATIENCE, "the Alertmanagers to meet")
        yield found
    finally:
        processes.stop()


def _are_together(pair: list[Alertmanager]) -> bool:
    """Whether each knows all others, and speaks."""
    clusters = [each.cluster() for each in pair]
    return all(c["status"] == "ready" and len(c["peers"]) == len(pair) for c in clusters)


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

    def started(self) -> list[Workflow]:
        """What any alert of this test's server started."""
        return self.harness.temporal.list(f"WorkflowType = '{INCIDENT_WORKFLOW}'")

    def incidents(self) -> list[Any]:
        """The states of all incidents about it."""
        found = []
        for workflow in self.started():
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
    before = len(outage.started())
    answer = HERE.post(
        f"{harness.stack.endpoints.gateway}/hooks/alertmanager",
        json={"version": "4", "alerts": [outage.alert()]},
        headers={"Authorization": "Bearer wrong"},
        timeout=30,
    )
    assert answer.status_code == 401
    assert len(outage.started()) == before


@pytest.mark.soak
@pytest.mark.parametrize(
    "pace", sampled([SHORT, DEFAULT], [SHORT]), ids=["short", "default"][: 1 + SOAKING]
)
def test_what_a_pair_says_is_active_is_open_though_its_replicas_disagree(
    harness: Harness, binary: str, pace: Pace, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        if pace is not SHORT:
            harness = stack.enter_context(harness_at(pace, tmp_path))
        pair = stack.enter_context(alertmanagers(binary, harness, pace, tmp_path, count=2))
        outages = [new_outage(harness, pair[0]) for _ in range(OUTAGES)]
        spoken = disagree(outages, pair, pace)
        # The pair speaks of the last word within an interval, one after the other.
        over = spoken + pace.group_wait + pace.group_interval + 2 * pace.peer_timeout + pace.settle

        def agreed() -> bool:
            active = [each.active() for each in pair]
            return active[0] == active[1] == open_among(harness, outages)

        wait_until(
            lambda: time.monotonic() > over and agreed(),
            over - spoken + PATIENCE,
            "what is active to be what is open",
        )
        # Each of them fired and was resolved, so neither side is right by saying nothing.
        assert 0 < len(pair[0].active()) < OUTAGES


def disagree(outages: list[Outage], pair: list[Alertmanager], pace: Pace) -> float:
    """Two replicas speak to both Alertmanagers about each outage: one sees it, the other sees it
    end. They take turns, one word in half an interval, and the last word is another one for each
    outage. Returns when it was spoken."""
    chance = random.Random(22)  # noqa: S311  no secret
    for turn in range(WORDS):
        for place, outage in enumerate(outages):
            last = turn == WORDS - 1
            over = place % 2 == 1 if last else turn > 0 and chance.random() < 0.5
            alert = outage.alert(over=over)
            for each in pair:
                each.post(alert)
        pause(pace.group_interval / 2)
    return time.monotonic()


def pause(seconds: float) -> None:
    """The time until the other replica speaks."""
    threading.Event().wait(seconds)


def open_among(harness: Harness, outages: list[Outage]) -> set[str]:
    """The names of those whose incident is open."""
    found = set()
    names = {f"{outage.name} is out": outage.name for outage in outages}
    for workflow in harness.temporal.list(f"WorkflowType = '{INCIDENT_WORKFLOW}'"):
        if workflow.status == "RUNNING":
            state = harness.temporal.query(workflow.id, QUERY_INCIDENT)
            if state["status"] in OPEN and state["title"] in names:
                found.add(names[state["title"]])
    return found
