"""Beats by webhook: which heartbeat they reach, and what their senders are answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from core.webhooks.endpoints import WebhookTable
from tests.support.webhooks import Harness, answer_of
from tests.support.workflows_port import MemoryWorkflows

HOOKS: dict[str, dict[str, Any]] = {
    "beats": {"format": "heartbeat"},
    "watchdog": {"format": "heartbeat", "heartbeat": "prometheus"},
    "events": {"format": "message", "trusted_types": ["tidegate.heartbeat"]},
}
CLOUDEVENT = {
    "specversion": "1.0",
    "id": "1",
    "source": "/jobs",
    "type": "tidegate.heartbeat",
    "subject": "backup",
    "data": {"status": "failed", "exit_code": 3},
}


@pytest.fixture
def workflows() -> MemoryWorkflows:
    return MemoryWorkflows()


@pytest.fixture
def harness(workflows: MemoryWorkflows, tmp_path: Path) -> Harness:
    return Harness(workflows, tmp_path, HOOKS)


@pytest.mark.parametrize(
    ("hook", "body", "heartbeat"),
    [
        ("beats", b"backup", "heartbeat:backup"),
        ("beats", {"heartbeat": "backup", "status": "failed"}, "heartbeat:backup"),
        ("watchdog", {"status": "firing", "alerts": [{"labels": {}}]}, "heartbeat:prometheus"),
        ("events", CLOUDEVENT, "heartbeat:backup"),
    ],
)
async def test_a_beat_is_signalled_to_its_heartbeat(
    harness: Harness, hook: str, body: Any, heartbeat: str
) -> None:
    outcome = await harness.post(body, hook=hook)
    assert outcome.response.status == 202, outcome.response
    [receipt] = answer_of(outcome)["receipts"]
    assert (receipt["verdict"], receipt["workflow_id"]) == ("started", heartbeat)


async def test_what_has_stopped_is_answered_and_is_no_beat(harness: Harness) -> None:
    outcome = await harness.post({"status": "resolved", "alerts": []}, hook="watchdog")
    assert outcome.response.status == 200
    assert answer_of(outcome) == {
        "ignored": "its status is resolved: what was heard has stopped",
        "receipts": [],
    }


async def test_a_name_that_cannot_be_is_refused_and_kept(harness: Harness) -> None:
    outcome = await harness.post(b"Not a name", hook="beats")
    assert outcome.response.status == 400
    [receipt] = answer_of(outcome)["receipts"]
    assert receipt["verdict"] == "quarantined"


@pytest.mark.parametrize(
    ("hook", "why"),
    [
        ({"format": "message", "heartbeat": "a"}, "`heartbeat` has no meaning without"),
        ({"format": "heartbeat", "heartbeat": "A"}, "String should match pattern"),
    ],
)
def test_an_endpoint_that_cannot_name_a_heartbeat_is_refused(
    hook: dict[str, Any], why: str
) -> None:
    verified = {**hook, "verify": {"scheme": "none"}}
    with pytest.raises(ValidationError, match=why):
        WebhookTable.model_validate({"version": 1, "hooks": {"in": verified}})
