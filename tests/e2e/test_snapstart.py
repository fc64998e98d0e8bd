"""SnapStart's path through AWS's own runtime: what exists before the snapshot, and what after it.

No snapshot is taken, since there is no tool for it: the process continues where it would resume.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from infra.local.environment import WEBHOOKS
from infra.local.temporal import TemporalServer
from tests.integration.test_aws_events import AWS, ENVIRONMENT
from tests.support import lambda_rie
from tests.support.lambda_runtime import logged_receipts
from tests.support.runtime_api import snap_started

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or not lambda_rie.TOOLS.exists(),
    reason="needs /proc, and AWS's runtime in .venv-deploy: make test",
)
EVENTS = {
    "s3_listener": "s3-listener.sqs-s3",
    "message_listener": "message-listener.sqs-json",
    "webhook_listener": "webhook-listener.alertmanager",
}


def event(listener: str) -> Any:
    return json.loads((AWS / "events" / f"{EVENTS[listener]}.json").read_text())


def environment(folder: Path, address: str) -> dict[str, str]:
    return ENVIRONMENT | {
        "TEMPORAL_ADDRESS": address,
        "TIDEGATE_QUARANTINE": f"file://{folder}/quarantine/",
        "TIDEGATE_WEBHOOKS": str(WEBHOOKS),
    }


@pytest.mark.parametrize("listener", EVENTS)
async def test_a_listener_connects_after_the_restore_and_never_before(
    listener: str,
    artefact: Path,
    tmp_path: Path,
    temporal_server: TemporalServer,
    temporal_client: Client,
) -> None:
    with snap_started(
        artefact,
        f"functions_aws.{listener}.handler",
        tmp_path,
        environment(tmp_path, temporal_server.address),
        event(listener),
    ) as process:
        answer = process.answer()
        snapshot, first_event = process.calls["/restore/next"], process.calls["/invocation/next"]

    assert snapshot.sockets == 1, "the one that asks for the restore"
    assert snapshot.threads == 1
    assert temporal_server.port not in snapshot.connected
    assert temporal_server.port in first_event.connected
    assert answer.get("statusCode", 202) == 202
    assert answer.get("batchItemFailures", []) == []
    [receipt] = logged_receipts(process.log.read_text())
    handle = temporal_client.get_workflow_handle(receipt["workflow_id"])
    assert (await handle.describe()).id == receipt["workflow_id"]


def test_a_restore_succeeds_while_temporal_is_unavailable_and_the_event_is_redelivered(
    artefact: Path,
    tmp_path: Path,
    closed_port: int,
) -> None:
    given = event("s3_listener")
    settings = environment(tmp_path, f"127.0.0.1:{closed_port}") | {"TIDEGATE_START_TIMEOUT": "0.5"}
    with snap_started(
        artefact, "functions_aws.s3_listener.handler", tmp_path, settings, given
    ) as process:
        answer = process.answer()
    assert answer == {"batchItemFailures": [{"itemIdentifier": given["Records"][0]["messageId"]}]}
    assert "not connected after the restore" in process.log.read_text()


def test_a_version_with_invalid_settings_is_not_published(
    artefact: Path, tmp_path: Path, temporal_server: TemporalServer
) -> None:
    settings = environment(tmp_path, temporal_server.address) | {"TIDEGATE_QUARANTINE": ""}
    with snap_started(
        artefact, "functions_aws.s3_listener.handler", tmp_path, settings, event("s3_listener")
    ) as process:
        answer = process.answer()
    assert set(process.posted) == {"/init/error"}
    assert answer["errorType"] == "SettingsError"
    assert "TIDEGATE_QUARANTINE is not set" in answer["errorMessage"]
    assert process.calls == {}
