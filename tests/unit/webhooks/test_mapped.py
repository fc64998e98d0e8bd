"""What the sender of a mapped webhook is answered, and what is kept of what cannot be read."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from core import bootstrap
from core.config.settings import Settings
from core.errors import TemporalUnavailable
from core.formats.mapping.description import Description
from core.formats.shared.delivery import Delivery
from core.intake.records import QuarantinedDelivery
from core.intake.replay import replay
from tests.support.quarantines import originals
from tests.support.webhooks import Harness, answer_of, verdicts
from tests.support.workflows_port import MemoryWorkflows

MAPPING: dict[str, Any] = {
    "each": "events",
    "key": "id",
    "status": {"from": "state", "firing": ["up"], "resolved": ["down"], "ignored": ["test"]},
}


@pytest.fixture
def workflows() -> MemoryWorkflows:
    return MemoryWorkflows()


def harness(workflows: MemoryWorkflows, folder: Path, **changes: Any) -> Harness:
    hook = {"format": "mapped", "mapping": {**MAPPING, **changes}}
    return Harness(workflows, folder, {"in": hook})


async def kept(harness: Harness) -> list[QuarantinedDelivery]:
    return await originals(harness.quarantine)


async def test_alerts_are_signalled_to_their_incidents(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    body = {"events": [{"id": "a", "state": "up"}, {"id": "b", "state": "down"}]}
    outcome = await harness(workflows, tmp_path).post(body)
    assert outcome.response.status == 202
    assert verdicts(outcome) == ["started", "started"]


@pytest.mark.parametrize("body", [{"events": []}, {"events": [{"id": "a", "state": "test"}]}])
async def test_nothing_but_what_is_ignored_is_answered_200(
    workflows: MemoryWorkflows, tmp_path: Path, body: Any
) -> None:
    outcome = await harness(workflows, tmp_path).post(body)
    assert (outcome.response.status, answer_of(outcome)) == (200, {"receipts": []})


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"events": [{"state": "up"}]}, "`key` (id) finds nothing"),
        ({"events": [{"id": "a", "state": "odd"}]}, "`status` (state) finds 'odd'"),
        ({"events": [{"id": ["a"], "state": "up"}]}, "`key` (id) finds a list of 1"),
        ({"event": {}}, "`each` (events) finds nothing"),
    ],
)
async def test_the_answer_to_what_cannot_be_read_says_why_and_the_original_is_kept(
    workflows: MemoryWorkflows, tmp_path: Path, body: Any, reason: str
) -> None:
    receiver = harness(workflows, tmp_path)
    outcome = await receiver.post(body)
    assert outcome.response.status == 400
    assert reason in answer_of(outcome)["receipts"][0]["reason"]
    [record] = await kept(receiver)
    assert json.loads(record.body) == body
    assert workflows.calls == []


async def test_a_replay_reads_it_by_the_mapping_as_it_is_now(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    receiver = harness(workflows, tmp_path)
    await receiver.post({"events": [{"ref": "a", "state": "up"}]})
    [record] = await kept(receiver)
    file = tmp_path / "webhooks.yaml"
    settings = Settings(webhooks=file)

    def mapping_of(delivery: Delivery) -> Any:
        return bootstrap.mapping_of(delivery, settings)

    for key, expected in (("id", "quarantined"), ("ref", "started")):
        hook = {
            "format": "mapped",
            "mapping": {**MAPPING, "key": key},
            "verify": {"scheme": "none"},
        }
        file.write_text(json.dumps({"version": 1, "hooks": {"in": hook}}))
        [receipt] = await replay(
            receiver.quarantine, receiver.intake, record.id, mapping_of=mapping_of
        )
        assert receipt.verdict == expected

    file.write_text(json.dumps({"version": 1, "hooks": {}}))
    [receipt] = await replay(receiver.quarantine, receiver.intake, record.id, mapping_of=mapping_of)
    assert receipt.verdict == "quarantined"
    assert "its webhook has no mapping any more" in (receipt.reason or "")


async def test_a_sender_that_does_not_retry_has_its_alerts_kept(
    workflows: MemoryWorkflows, tmp_path: Path
) -> None:
    def unavailable(_: object) -> None:
        raise TemporalUnavailable("no answer")

    workflows.before = unavailable
    receiver = harness(workflows, tmp_path, retries=False)
    outcome = await receiver.post({"events": [{"id": "a", "state": "up"}]})
    assert outcome.response.status == 202
    assert [record.code for record in await kept(receiver)] == ["NotStarted"]


@pytest.mark.parametrize(
    ("path", "status"),
    [("", 202), ("/api/v2/alerts", 202), ("/api/v2", 404), ("/api/v2/alerts/", 404), ("/", 404)],
)
async def test_a_sender_may_append_the_path_that_its_mapping_names_and_no_other(
    workflows: MemoryWorkflows, tmp_path: Path, path: str, status: int
) -> None:
    receiver = harness(workflows, tmp_path, path="/api/v2/alerts")
    outcome = await receiver.post({"events": [{"id": "a", "state": "up"}]}, hook=f"in{path}")
    assert outcome.response.status == status


def test_a_large_delivery_of_small_alerts_is_read_in_bounded_time_and_memory() -> None:
    mapping = Description.model_validate(
        {
            "each": "events[?state != 'test']",
            "key": "join('/', [$.site, id])",
            "status": "state",
            "severity": {"from": "prio || 'low'", "words": {"a": "high"}},
            "title": "name || id",
            "starts_at": "at",
            "labels": ["labels", "{site: $.site}"],
        }
    ).compiled()
    one = {"id": "x" * 40, "state": "firing", "at": 1772366405, "labels": {"a": "1", "b": "2"}}

    def sent(count: int) -> Delivery:
        body = json.dumps({"site": "HH", "events": [one] * count}).encode()
        return Delivery(format="mapped", body=body, headers={}, unique="u", mapping=mapping)

    large, smaller = sent(10_000), sent(1_000)
    started = time.monotonic()
    assert len(mapping.read(large)) == 10_000
    assert time.monotonic() - started < 20  # a slow machine's, of about one
    tracemalloc.start()
    try:
        mapping.read(smaller)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 * 2**20


@pytest.mark.parametrize(
    ("hook", "loaded"),
    [
        ({"format": "alertmanager"}, set()),
        ({"format": "mapped", "mapping": MAPPING}, {"core.formats.mapping.description"}),
        (
            {"format": "mapped", "mapping": {**MAPPING, "title": "a || b"}},
            {"core.formats.mapping.description", "jmespath"},
        ),
    ],
    ids=["no mapping", "plain names", "expressions"],
)
def test_a_table_loads_only_what_its_endpoints_need(hook: dict[str, Any], loaded: set[str]) -> None:
    code = (
        "import json, sys; from core.webhooks.endpoints import WebhookTable; "
        "WebhookTable.model_validate(json.loads(sys.argv[1])); print(json.dumps([*sys.modules]))"
    )
    table = {"version": 1, "hooks": {"in": {**hook, "verify": {"scheme": "none"}}}}
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(table)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    watched = {"core.formats.mapping.description", "jmespath", "yaml"}
    assert watched & set(json.loads(done.stdout)) == loaded
