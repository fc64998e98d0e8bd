"""The events of `sam local invoke`, passed to the handlers: each has its expected effects."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from core.config.settings import variables
from infra.local.aws.servers import BUCKET
from infra.local.environment import HOOK_SECRETS, LINK_KEYS, WEBHOOKS
from infra.local.temporal import TemporalServer
from tests.support.lambda_runtime import invoke, logged_receipts
from tests.support.listeners import fresh_process

AWS = Path(__file__).parents[2] / "infra" / "aws"
EVENTS = sorted(path.stem for path in (AWS / "events").glob("*.json"))
ENVIRONMENT: dict[str, str] = json.loads((AWS / "env.local.json").read_text())["Parameters"]

EXPECTED: dict[str, dict[str, int]] = json.loads((AWS / "expected.json").read_text())
"""The effects of every event; see `infra/local/aws/sam/events.py`."""


@pytest.fixture
def process(
    temporal_server: TemporalServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[None]:
    """The environment of `sam local invoke`, with this session's Temporal server."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_server.address)
    monkeypatch.setenv("TIDEGATE_QUARANTINE", f"file://{tmp_path}/quarantine/")
    monkeypatch.setenv("TIDEGATE_WEBHOOKS", str(WEBHOOKS))
    with fresh_process():
        yield


def test_every_event_has_its_expected_effects_listed() -> None:
    assert sorted(EXPECTED) == EVENTS


def test_the_environment_is_that_of_the_local_stack() -> None:
    known = {name for name, _, _ in variables()} | {"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE"}
    secrets = HOOK_SECRETS | LINK_KEYS
    assert set(ENVIRONMENT) <= known | set(secrets)
    assert {name: ENVIRONMENT[name] for name in secrets} == secrets
    assert ENVIRONMENT["TIDEGATE_DOCUMENTS"] == f"s3://{BUCKET}/"


@pytest.mark.parametrize("name", EVENTS)
async def test_an_event_has_its_expected_effects(
    name: str, process: None, temporal_client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = await invoke_with(name)
    receipts = logged_receipts(capsys.readouterr().out)
    ids = workflows(receipts)
    kept = [receipt for receipt in receipts if receipt["verdict"] == "quarantined"]
    assert (len(ids), len(kept)) == (EXPECTED[name]["starts"], EXPECTED[name].get("keeps", 0))
    for id in ids:
        assert (await temporal_client.get_workflow_handle(id).describe()).id == id
    if ".sqs-" in name:
        assert answer == {"batchItemFailures": []}
    if "status" in EXPECTED[name]:
        assert answer["statusCode"] == EXPECTED[name]["status"]


async def test_no_event_is_a_duplicate_of_another(
    process: None, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in EVENTS:
        await invoke_with(name)
    ids = workflows(logged_receipts(capsys.readouterr().out))
    assert len(set(ids)) == sum(each["starts"] for each in EXPECTED.values())


async def invoke_with(name: str) -> Any:
    module = importlib.import_module(f"functions_aws.{name.partition('.')[0].replace('-', '_')}")
    event = json.loads((AWS / "events" / f"{name}.json").read_text())
    return await invoke(module.handler, event)


def workflows(receipts: list[dict[str, Any]]) -> list[str]:
    """The IDs of all workflows of the session's server that these receipts name."""
    verdicts = {receipt["verdict"] for receipt in receipts}
    assert verdicts <= {"started", "duplicate", "delivered", "quarantined"}
    return [receipt["workflow_id"] for receipt in receipts if receipt["verdict"] != "quarantined"]
