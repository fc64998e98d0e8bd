"""What a listener loads at a cold start, and that it still sends what workers can read."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from temporalio.converter import DataConverter

from core.adapters.temporal.connection import data_converter
from tests.support.payloads import recorded

LISTENERS = ["s3_listener", "message_listener", "webhook_listener"]
LOADED = "import gc, json, sys, {module}; print(json.dumps([gc.isenabled(), sorted(sys.modules)]))"


@pytest.mark.parametrize("listener", LISTENERS)
def test_a_listener_does_not_load_the_sdks_client(listener: str) -> None:
    code = f"import json, sys, functions_aws.{listener}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(json.loads(done.stdout))
    assert "temporalio.service" in loaded
    assert loaded & {"temporalio.client", "temporalio.converter", "temporalio.workflow"} == set()


@pytest.mark.parametrize("listener", ["s3_listener", "message_listener"])
def test_a_listener_loads_neither_pydantic_nor_boto3_nor_workers(listener: str) -> None:
    code = LOADED.format(module=f"functions_aws.{listener}")
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    collects, modules = json.loads(done.stdout)
    loaded = {name.partition(".")[0] for name in modules}
    assert loaded & {"pydantic", "boto3", "workers", "infra", "apprise", "typer"} == set()
    assert "temporalio.service" in modules
    assert collects


def test_the_webhook_listener_loads_no_cloud_sdk() -> None:
    code = LOADED.format(module="functions_aws.webhook_listener")
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    collects, modules = json.loads(done.stdout)
    loaded = {name.partition(".")[0] for name in modules}
    foreign = {"boto3", "azure", "workers", "infra", "apprise", "typer", "cryptography"}
    assert loaded & foreign == set()
    # Powertools imports the bare package botocore, which costs nothing.
    assert "botocore.session" not in modules
    assert collects


async def test_starters_and_workers_read_what_the_other_writes() -> None:
    wire = json.loads(recorded("cloudevent")) | {
        "data": {"text": "Übergröße 🌊", "numbers": [1, 0.5]}
    }
    workflows, worker = DataConverter.default, data_converter()
    for writer, reader in ((workflows, worker), (worker, workflows)):
        payloads = await writer.encode([wire])
        assert payloads[0].metadata["encoding"] == b"json/plain"
        assert await reader.decode(payloads) == [wire]
