"""What a listener loads at a cold start, and that it still sends what workers can read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from temporalio.converter import DataConverter

from core.adapters.temporal.connection import data_converter
from core.config.routing_table import main
from tests.support.payloads import recorded

FIRST_EVENTS = """
import sys
from functions_aws import {listener}
at_start = set(sys.modules)
from core.domain.event import ALERT, DOCUMENT_CREATED, Event
router = {listener}.intake()._router
alert = Event(id="1", source="/s", type=ALERT, key="k", scope="queue:q", data={{"key": 1}})
upload = Event(id="1", source="/s", type=DOCUMENT_CREATED, key="k", subject="incidents/a.md")
assert router.target(alert).id == "incident:queue:q:1"
assert router.target(upload).id == "incident:k"
late = set(sys.modules) - at_start
assert not [name for name in late if name.startswith("core.")], late
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped table, as a package carries it."""
    path = tmp_path_factory.mktemp("package") / "routes.compiled.json"
    assert main(["--output", str(path)]) == 0
    return path


LISTENERS = ["s3_listener", "message_listener", "webhook_listener"]
LOADED = """
import gc, json, sys
import {module}
print(json.dumps([gc.isenabled(), sorted(sys.modules)]))
"""


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
def test_a_listener_with_a_compiled_table_loads_what_the_first_event_needs(
    listener: str, compiled: Path, tmp_path: Path
) -> None:
    """With its intake and its table, and with an event of each delivery routed by it."""
    code = FIRST_EVENTS.format(listener=listener) + LOADED.format(module="sys")
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ
        | {"TIDEGATE_ROUTES": str(compiled), "TIDEGATE_QUARANTINE": f"file://{tmp_path}/"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    collects, modules = json.loads(done.stdout)
    loaded = {name.partition(".")[0] for name in modules}
    foreign = {"boto3", "workers", "infra", "apprise", "typer"}
    # Powertools loads jmespath itself; the listeners on Azure show that the table does not.
    assert loaded & {*foreign, "pydantic", "pydantic_core", "yaml"} == set()
    assert "temporalio.service" in modules
    assert "core.domain.routing.file" not in modules
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


@pytest.mark.parametrize("listener", LISTENERS)
def test_a_listener_loads_nothing_that_decides_whom_to_page(listener: str) -> None:
    code = LOADED.format(module=f"functions_aws.{listener}")
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    _, modules = json.loads(done.stdout)
    paging = ("core.domain.incident", "core.domain.oncall", "core.domain.heartbeat")
    assert [name for name in modules if name.startswith(paging)] == []
    assert {"icalendar", "recurring_ical_events", "cronsim"} & set(modules) == set()


@pytest.mark.parametrize("listener", LISTENERS)
def test_a_listener_loads_nothing_of_the_application(listener: str) -> None:
    code = LOADED.format(module=f"functions_aws.{listener}")
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    _, modules = json.loads(done.stdout)
    application = ("core.app", "core.links", "functions_aws.app")
    assert [name for name in modules if name.startswith(application)] == []
    assert {"starlette", "mangum", "jinja2", "joserfc"} & set(modules) == set()


def test_the_application_loads_what_a_link_needs_and_no_cloud_sdk() -> None:
    """The store of its keys it loads with the first link, where that is a cloud's."""
    code = LOADED.format(module="functions_aws.app")
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    collects, modules = json.loads(done.stdout)
    assert {"starlette", "mangum", "jinja2", "joserfc", "temporalio.client"} <= set(modules)
    loaded = {name.partition(".")[0] for name in modules}
    assert loaded & {"boto3", "azure", "workers", "infra", "apprise", "typer", "yaml"} == set()
    others = (
        "core.domain.incident.decisions",
        "core.domain.incident.model",
        "core.domain.incident.timeline",
        "core.domain.oncall",
        "core.domain.routing",
        "core.formats.registry",
        "core.intake.accept",
    )
    assert [name for name in modules if name.startswith(others)] == []
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
