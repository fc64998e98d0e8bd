"""The same story on both clouds, up to the report in that cloud's store, whichever process crashes,
and with workers that sleep.

Each upload is announced twice. How listeners handle duplicates and poison messages is in
`tests.integration.test_scenarios`, crashes at every single hop in `tests.e2e.test_crashes`.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
import requests

from core.contracts import INCIDENT_WORKER, INCIDENT_WORKFLOW, ROOT_WORKER, ROOT_WORKFLOW
from infra.local.cloud import INCIDENTS, QUARANTINE, CloudName
from infra.local.environment import HOOK_SECRETS
from infra.local.processes import ROOT, wait_until
from infra.local.stack import LocalStack
from infra.local.temporal import TEMPORAL
from infra.local.workers import Hosting
from tests.e2e.conftest import Harness, running_in
from tests.e2e.test_crashes import (
    BATCH,
    HOPS,
    LISTENER,
    PATIENCE,
    UPLOADED,
    VICTIMS,
    Case,
    crash_at,
    new_case,
    see_to_the_end,
)
from tests.support.cli import Result, Tidegate
from tests.support.soak import sampled

pytestmark = pytest.mark.slow

FIRING = ROOT / "tests" / "events" / "webhooks" / "alertmanager" / "firing.json"
CRASHES = sampled(
    [*product((*HOPS, BATCH), VICTIMS)],
    [
        (UPLOADED, LISTENER),
        (BATCH, LISTENER),
        (BATCH, ROOT_WORKER.name),
        ("opened", INCIDENT_WORKER.name),
        (BATCH, TEMPORAL),
        ("acknowledged", TEMPORAL),
    ],
)
"""At which hop which process is killed."""


STACKS: tuple[tuple[CloudName, Hosting], ...] = (
    ("aws", "processes"),
    ("azure", "processes"),
    ("aws", "serverless"),
)
"""Of the stacks with serverless workers, Temporal has a provider on AWS only."""


def _params() -> Iterator[Any]:
    for cloud, hosting in sampled(STACKS, STACKS[:2]):
        marks = [pytest.mark.soak] if hosting == "serverless" else []
        yield pytest.param((cloud, hosting), id=f"{cloud}-{hosting}", marks=marks)


@pytest.fixture(scope="module", params=_params())
def harness(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Harness]:
    """One of the stacks, where each upload is announced twice."""
    cloud, hosting = request.param
    state = tmp_path_factory.mktemp("stack")
    with running_in(state, cloud=cloud, bridge=True, hosting=hosting) as harness:
        yield harness


def tried(stack: LocalStack, case: Case) -> list[dict[str, Any]]:
    """The receipts of every attempt at a case's upload."""
    return stack.receipts(stack.cloud.upload_listener, f"/{case.name}.md@")


@pytest.fixture(autouse=True)
def _nothing_is_dead_lettered(harness: Harness) -> Iterator[None]:
    """A crash must not quarantine or dead-letter any event."""
    yield
    assert harness.stack.cloud.keys(QUARANTINE) == []
    assert harness.stack.cloud.dead_lettered() == 0


def test_an_upload_becomes_one_incident_and_its_report(harness: Harness) -> None:
    case = new_case(harness, "story")
    for hop in HOPS:
        case.reach(hop)
    case.ends_as_one_incident()
    wait_until(lambda: len(tried(harness.stack, case)) >= 2, PATIENCE, "both announcements")
    verdicts = sorted(receipt["verdict"] for receipt in tried(harness.stack, case))
    assert verdicts == ["duplicate", "started"]
    [report] = [key for key in case.reports() if key.endswith(".json")]
    content = json.loads(harness.stack.cloud.read(report) or b"")
    store = harness.stack.cloud.store
    assert f"{store}/incidents/{case.name}.md" in json.dumps(content, ensure_ascii=False)
    assert case.name in (harness.stack.cloud.read(report.replace(".json", ".md")) or b"").decode()


def test_a_message_becomes_one_incident_however_often_it_is_sent(harness: Harness) -> None:
    name = uuid.uuid4().hex[:8]
    event = {
        "specversion": "1.0",
        "id": name,
        "source": "/shop",
        "type": "com.example.incident.reported",
        "subject": name,
        "data": {"title": f"{name} is down"},
    }
    for _ in range(3):
        harness.stack.cloud.send(json.dumps(event))

    def all_receipts() -> list[dict[str, Any]] | None:
        listener = harness.stack.cloud.message_listener
        found = harness.stack.receipts(listener, f"/shop#{name}")
        return found if len(found) >= 3 else None

    found = wait_until(all_receipts, PATIENCE, "three receipts")
    assert sorted(receipt["verdict"] for receipt in found) == ["duplicate", "duplicate", "started"]
    wait_until(
        lambda: workflows(harness, INCIDENT_WORKFLOW, f":/shop#{name}"), PATIENCE, "the incident"
    )
    assert len(workflows(harness, ROOT_WORKFLOW, f"ce:/shop#{name}")) == 1


def test_a_webhook_is_answered_with_its_receipts(harness: Harness) -> None:
    body = json.loads(FIRING.read_bytes())
    fingerprint = uuid.uuid4().hex[:16]
    for alert in body["alerts"]:
        alert["fingerprint"] = fingerprint
    body["alerts"] = body["alerts"][:1]
    assert post(harness, body, token="wrong").status_code == 401
    accepted = post(harness, body)
    assert accepted.status_code == 202
    assert [receipt["verdict"] for receipt in accepted.json()["receipts"]] == ["started"]
    incident = f"incident:webhook:alertmanager:{fingerprint}"
    wait_until(lambda: harness.temporal.find(incident), PATIENCE, "the incident")
    assert len(workflows(harness, INCIDENT_WORKFLOW, fingerprint)) == 1


@pytest.fixture
def smoke(harness: Harness, tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch) -> Tidegate:
    """`tidegate smoke` against the stack, with the variables of a shell that uses it."""
    cloud = harness.stack.cloud
    for name, text in harness.stack.env.items():
        monkeypatch.setenv(name, text)
    places = {
        "--documents": f"{cloud.store}/{INCIDENTS}",
        "--queue": cloud.message_queue,
        "--webhooks": f"{cloud.gateway}/hooks/",
    }
    options = [word for pair in places.items() for word in pair]

    def run(*arguments: str) -> Result:
        return tidegate("smoke", f"--{cloud.name}", *options, *arguments)

    return run


def test_smoke_goes_in_by_every_way_and_leaves_nothing_behind(
    harness: Harness, smoke: Tidegate
) -> None:
    done = smoke("--hook", "events", "--timeout", "30", "--json")
    assert done.code == 0, done
    digest = {way["table"] for way in done.json["ways"]}
    for way in done.json["ways"]:
        assert way["outcome"] == "ok", way
        assert {way["table"], way["listener_table"]} == digest
        workflow = harness.temporal.find(way["workflow_id"])
        assert workflow
        assert (workflow.type, workflow.status) == (ROOT_WORKFLOW, "COMPLETED")
    assert [way["way"] for way in done.json["ways"]] == ["upload", "message", "webhook"]
    cloud = harness.stack.cloud
    assert not [name for name in cloud.keys(INCIDENTS) if "tidegate-smoke" in name]
    assert workflows(harness, INCIDENT_WORKFLOW, "smoke") == []


def test_smoke_without_a_listener_says_that_nothing_has_begun(
    harness: Harness, smoke: Tidegate
) -> None:
    listener = harness.stack.cloud.message_listener
    harness.stack.processes[listener].stop()
    late = smoke("--only", "message", "--timeout", "1", "--json")
    harness.stack.restart(listener)
    assert late.code == 1
    [way] = late.json["ways"]
    assert "no workflow has begun" in way["detail"]


def post(harness: Harness, body: object, *, token: str = HOOK_SECRETS["LOCAL_HOOK_TOKEN"]) -> Any:
    with requests.Session() as session:
        session.trust_env = False  # no proxy between this machine and itself
        return session.post(
            f"{harness.stack.cloud.gateway}/hooks/alertmanager",
            data=json.dumps(body),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            timeout=PATIENCE,
        )


def workflows(harness: Harness, kind: str, part: str) -> list[str]:
    """The IDs of all executions of a kind that contain this."""
    found = harness.temporal.list(f"WorkflowType = '{kind}'")
    return [workflow.id for workflow in found if part in workflow.id]


@pytest.fixture(scope="module")
def crashed(harness: Harness) -> dict[tuple[str, str], list[Case] | Exception]:
    """All crashes come first: the timeouts of dead workers run concurrently, and every story meets
    the crashes of the others."""
    found: dict[tuple[str, str], list[Case] | Exception] = {}
    for hop, victim in CRASHES:
        try:
            found[hop, victim] = crash_at(harness, hop, victim)
        except Exception as error:  # noqa: BLE001  # raised by the test whose crash it is
            found[hop, victim] = error
    return found


@pytest.mark.soak
@pytest.mark.parametrize(("hop", "victim"), CRASHES)
def test_one_incident_for_each_upload_whichever_process_is_killed(
    crashed: dict[tuple[str, str], list[Case] | Exception], hop: str, victim: str
) -> None:
    cases = crashed[hop, victim]
    if isinstance(cases, Exception):
        raise cases
    see_to_the_end(cases, HOPS.index(UPLOADED if hop == BATCH else hop) + 1)


def test_while_temporal_is_down_nothing_is_acknowledged_and_then_everything_is_done_once(
    harness: Harness,
) -> None:
    stack = harness.stack
    cases = [new_case(harness, "down") for _ in range(3)]
    stack.processes[TEMPORAL].kill()
    for case in cases:
        case.upload()
    assert post(harness, json.loads(FIRING.read_bytes())).status_code == 503

    def each_was_tried() -> bool:
        return all(len(tried(stack, case)) >= 4 for case in cases)

    wait_until(each_was_tried, PATIENCE, "two attempts at both announcements of each upload")
    assert {r["verdict"] for case in cases for r in tried(stack, case)} == {"retry"}
    assert stack.cloud.waiting() == 2 * len(cases)
    assert stack.cloud.keys(QUARANTINE) == []
    stack.restart(TEMPORAL)
    see_to_the_end(cases)
    wait_until(lambda: stack.cloud.waiting() == 0, PATIENCE, "the queue to drain")
