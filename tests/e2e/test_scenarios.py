"""The same story on both clouds, to the report in that cloud's store, whoever dies on the way.

Each upload is announced twice. What listeners make of duplicates and poison one by one is in
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
from infra.local.cloud import CLOUDS, QUARANTINE
from infra.local.environment import HOOK_SECRETS
from infra.local.processes import ROOT, wait_until
from infra.local.temporal import TEMPORAL
from tests.e2e.conftest import House, living_in
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
    tried,
)
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
"""Where in the story who is killed."""


@pytest.fixture(scope="module", params=CLOUDS)
def house(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    """One house for each cloud, where each upload is announced twice."""
    with living_in(tmp_path_factory.mktemp("house"), cloud=request.param, bridge=True) as house:
        yield house


@pytest.fixture(autouse=True)
def _nothing_is_dead_lettered(house: House) -> Iterator[None]:
    """None of this is an event's fault: none is quarantined, none becomes a dead letter."""
    yield
    assert house.stack.cloud.keys(QUARANTINE) == []
    assert house.stack.cloud.dead_lettered() == 0


def test_an_upload_becomes_one_incident_and_its_report(house: House) -> None:
    case = new_case(house, "story")
    for hop in HOPS:
        case.reach(hop)
    case.ends_as_one_incident()
    wait_until(lambda: len(tried(house.stack, case)) >= 2, PATIENCE, "both announcements")
    verdicts = sorted(receipt["verdict"] for receipt in tried(house.stack, case))
    assert verdicts == ["duplicate", "started"]
    [report] = [key for key in case.reports() if key.endswith(".json")]
    told = json.loads(house.stack.cloud.read(report) or b"")
    store = house.stack.cloud.store
    assert f"{store}/incidents/{case.name}.md" in json.dumps(told, ensure_ascii=False)
    assert case.name in (house.stack.cloud.read(report.replace(".json", ".md")) or b"").decode()


def test_a_message_becomes_one_incident_however_often_it_is_sent(house: House) -> None:
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
        house.stack.cloud.send(json.dumps(event))

    def told() -> list[dict[str, Any]] | None:
        listener = house.stack.cloud.message_listener
        found = house.stack.receipts(listener, f"/shop#{name}")
        return found if len(found) >= 3 else None

    found = wait_until(told, PATIENCE, "three receipts")
    assert sorted(receipt["verdict"] for receipt in found) == ["duplicate", "duplicate", "started"]
    wait_until(lambda: house.temporal.find(f"incident:/shop:{name}"), PATIENCE, "the incident")
    assert len(workflows(house, ROOT_WORKFLOW, f"ce:/shop#{name}")) == 1


def test_a_webhook_is_answered_by_what_became_of_it(house: House) -> None:
    body = json.loads(FIRING.read_bytes())
    fingerprint = uuid.uuid4().hex[:16]
    for alert in body["alerts"]:
        alert["fingerprint"] = fingerprint
    body["alerts"] = body["alerts"][:1]
    assert post(house, body, token="wrong").status_code == 401
    accepted = post(house, body)
    assert accepted.status_code == 202
    assert [receipt["verdict"] for receipt in accepted.json()["receipts"]] == ["started"]
    incident = f"incident:alertmanager:{fingerprint}"
    wait_until(lambda: house.temporal.find(incident), PATIENCE, "the incident")
    assert len(workflows(house, INCIDENT_WORKFLOW, fingerprint)) == 1


def post(house: House, body: object, *, token: str = HOOK_SECRETS["LOCAL_HOOK_TOKEN"]) -> Any:
    with requests.Session() as session:
        session.trust_env = False  # no proxy between this machine and itself
        return session.post(
            f"{house.stack.cloud.gateway}/hooks/alertmanager",
            data=json.dumps(body),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            timeout=PATIENCE,
        )


def workflows(house: House, kind: str, part: str) -> list[str]:
    """The IDs of all executions of a kind that have this in theirs."""
    found = house.temporal.list(f"WorkflowType = '{kind}'")
    return [workflow.id for workflow in found if part in workflow.id]


@pytest.fixture(scope="module")
def crashed(house: House) -> dict[tuple[str, str], list[Case] | Exception]:
    """All crashes first: so what a server waits for a dead worker is waited for once, and the
    stories meet each other's crashes."""
    found: dict[tuple[str, str], list[Case] | Exception] = {}
    for hop, victim in CRASHES:
        try:
            found[hop, victim] = crash_at(house, hop, victim)
        except Exception as error:  # noqa: BLE001  # raised by the test whose crash it is
            found[hop, victim] = error
    return found


@pytest.mark.soak
@pytest.mark.parametrize(("hop", "victim"), CRASHES)
def test_one_incident_for_each_upload_whoever_is_killed(
    crashed: dict[tuple[str, str], list[Case] | Exception], hop: str, victim: str
) -> None:
    cases = crashed[hop, victim]
    if isinstance(cases, Exception):
        raise cases
    see_to_the_end(cases, HOPS.index(UPLOADED if hop == BATCH else hop) + 1)


def test_while_temporal_is_away_nothing_is_acknowledged_and_then_all_is_done_once(
    house: House,
) -> None:
    stack = house.stack
    cases = [new_case(house, "away") for _ in range(3)]
    stack.processes[TEMPORAL].kill()
    for case in cases:
        case.upload()
    assert post(house, json.loads(FIRING.read_bytes())).status_code == 503

    def each_was_tried() -> bool:
        return all(len(tried(stack, case)) >= 4 for case in cases)

    wait_until(each_was_tried, PATIENCE, "two attempts at both announcements of each upload")
    assert {r["verdict"] for case in cases for r in tried(stack, case)} == {"retry"}
    assert stack.cloud.waiting() == 2 * len(cases)
    stack.restart(TEMPORAL)
    see_to_the_end(cases)
    wait_until(lambda: stack.cloud.waiting() == 0, PATIENCE, "the queue to drain")
