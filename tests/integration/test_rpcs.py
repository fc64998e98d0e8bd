"""At most one call to Temporal per event, counted at the wire, by every delivery."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from core import bootstrap
from core.config.settings import Settings
from core.domain.event import ALERT
from core.domain.routing.table import Deliver
from core.formats.registry import read
from core.formats.shared.delivery import Arrival, Delivery, way_headers
from core.intake.accept import Intake
from core.intake.receipts import Verdict
from infra.local.temporal import TemporalServer
from tests.support.grpc_proxy import Proxy, counted

TYPES: Final = {
    Deliver.ORCHESTRATE: "com.example.orchestrated",
    Deliver.START: "com.example.started",
    Deliver.SIGNAL: ALERT,
}
"""The type of events that each delivery is for in this table."""
ROUTES: Final = """
version: 1
routes:
  - {name: one, match: {exact: {type: com.example.orchestrated}}, deliver: orchestrate,
     workflow: TestChild, task_queue: nobody, child_id: "one:{tidegatekey}"}
  - {name: two, match: {exact: {type: com.example.started}}, deliver: start,
     workflow: TestChild, task_queue: nobody, child_id: "two:{tidegatekey}"}
  - {name: three, match: {exact: {type: tidegate.alert}}, deliver: signal, signal: event,
     workflow: TestChild, task_queue: nobody, child_id: "three:{data.key}"}
"""


@pytest.fixture
def proxy(temporal_server: TemporalServer) -> Iterator[Proxy]:
    with Proxy(temporal_server.address) as proxy:
        yield proxy


@pytest.fixture
async def intake(proxy: Proxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Intake:
    """One that has connected already: that is a call of its own, once in a process."""
    (tmp_path / "routes.yaml").write_text(ROUTES)
    monkeypatch.setenv("TEMPORAL_ADDRESS", proxy.address)
    monkeypatch.setenv("TIDEGATE_QUARANTINE", f"file://{tmp_path}/quarantine/")
    monkeypatch.setenv("TIDEGATE_ROUTES", str(tmp_path / "routes.yaml"))
    intake = bootstrap.intake(Settings.from_env())
    await intake.accept(arrivals(Deliver.START, keys=["first"]))
    return intake


def arrivals(deliver: Deliver, *, keys: list[str]) -> list[Arrival]:
    """One delivery, a batch of CloudEvents: an event for each key."""
    events = [event(deliver, key) for key in keys]
    headers = {
        "content-type": "application/cloudevents-batch+json",
        **way_headers("queue:rpcs", trusted=(ALERT,)),
    }
    unique = uuid.uuid4().hex
    body = json.dumps(events).encode()
    return read(Delivery(format="message", body=body, headers=headers, unique=unique))


def event(deliver: Deliver, key: str) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "type": TYPES[deliver],
        "source": "/rpcs",
        "id": uuid.uuid4().hex,
        "data": {"key": key, "status": "firing"},
    }


@pytest.mark.parametrize("deliver", Deliver)
async def test_one_call_per_event_whatever_the_delivery(
    proxy: Proxy, intake: Intake, deliver: Deliver
) -> None:
    keys = [uuid.uuid4().hex for _ in range(10)]
    with counted(proxy) as calls:
        receipts = await intake.accept(arrivals(deliver, keys=keys))
    assert {receipt.verdict for receipt in receipts} == {Verdict.STARTED}
    assert calls == [len(keys)]


@pytest.mark.parametrize("deliver", Deliver)
async def test_one_call_for_a_single_event(proxy: Proxy, intake: Intake, deliver: Deliver) -> None:
    with counted(proxy) as calls:
        await intake.accept(arrivals(deliver, keys=[uuid.uuid4().hex]))
    assert calls == [1]


async def test_events_of_one_delivery_for_one_workflow_share_a_call(
    proxy: Proxy, intake: Intake
) -> None:
    with counted(proxy) as calls:
        receipts = await intake.accept(arrivals(Deliver.SIGNAL, keys=[uuid.uuid4().hex] * 5))
    assert [receipt.verdict for receipt in receipts] == [Verdict.STARTED, *[Verdict.DELIVERED] * 4]
    assert calls == [1]
