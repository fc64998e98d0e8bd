"""The packaged handlers behind Lambda's real Runtime API, with what `sam local invoke` is given."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from infra.local.environment import WEBHOOKS
from infra.local.temporal import TemporalServer
from tests.integration.test_aws_events import AWS, ENVIRONMENT, EXPECTED, workflows
from tests.support import lambda_rie
from tests.support.lambda_rie import Function

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or not lambda_rie.TOOLS.exists(),
    reason="the Runtime API's emulator runs on Linux, out of .venv-deploy: make test",
)
LISTENERS = ("s3_listener", "message_listener", "webhook_listener")
EVENTS = [name for name in EXPECTED if not name.startswith("app.")]
"""Those of the application: test_app_artefact.py."""


@pytest.fixture(scope="module")
def functions(
    artefact: Path, temporal_server: TemporalServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Function]]:
    """The three functions, each a process of its own."""
    running: dict[str, Function] = {}
    with ExitStack() as stack:
        for listener in LISTENERS:
            folder = tmp_path_factory.mktemp(listener)
            environment = ENVIRONMENT | {
                "TEMPORAL_ADDRESS": temporal_server.address,
                "TIDEGATE_QUARANTINE": f"file://{folder}/quarantine/",
                "TIDEGATE_WEBHOOKS": str(WEBHOOKS),
                "POWERTOOLS_SERVICE_NAME": "tidegate-under-test",
            }
            running[listener] = stack.enter_context(
                lambda_rie.function(
                    artefact, f"functions_aws.{listener}.handler", folder, environment
                )
            )
        yield running


def event(name: str) -> object:
    return json.loads((AWS / "events" / f"{name}.json").read_text())


def receipts(function: Function) -> list[dict[str, Any]]:
    return [each for line in function.lines() for each in line.get("receipts", [])]


@pytest.mark.parametrize("name", EVENTS)
async def test_an_event_has_its_workflows(
    name: str, functions: dict[str, Function], temporal_client: Client
) -> None:
    listener = name.partition(".")[0]
    function = functions[listener.replace("-", "_")]
    before = len(receipts(function))
    answer = function.invoke(event(name))

    new = receipts(function)[before:]
    expected = EXPECTED[name]
    assert len(new) == expected["starts"] + expected.get("keeps", 0), function.log.read_text()
    ids = workflows(new)
    assert len(ids) == expected["starts"]
    for id in ids:
        assert (await temporal_client.get_workflow_handle(id).describe()).id == id
    if ".sqs-" in name:
        assert answer == {"batchItemFailures": []}
    if listener == "webhook-listener":
        assert answer["statusCode"] == expected["status"]


def test_metrics_name_the_installation(functions: dict[str, Function]) -> None:
    function = functions["message_listener"]
    function.invoke(event("message-listener.sqs-cloudevent"))
    lines = [line for line in function.lines() if "_aws" in line and "receipts" in line]
    [metrics] = lines[-1]["_aws"]["CloudWatchMetrics"]
    assert metrics["Namespace"] == "Tidegate"
    assert metrics["Dimensions"] == [["service"]]
    assert lines[-1]["service"] == "tidegate-under-test"


def test_a_message_that_temporal_does_not_accept_is_redelivered(
    artefact: Path, tmp_path: Path
) -> None:
    environment = ENVIRONMENT | {
        "TEMPORAL_ADDRESS": "127.0.0.1:1",
        "TIDEGATE_START_TIMEOUT": "0.5",
        "TIDEGATE_QUARANTINE": f"file://{tmp_path}/quarantine/",
    }
    given = event("s3-listener.sqs-s3")
    with lambda_rie.function(
        artefact, "functions_aws.s3_listener.handler", tmp_path, environment
    ) as function:
        answer = function.invoke(given)
    assert isinstance(given, dict)
    [record] = given["Records"]
    assert answer == {"batchItemFailures": [{"itemIdentifier": record["messageId"]}]}
