"""The package of the workers on Lambda: all that they may load, and nothing else. Behind Lambda's
Runtime API its handler does an incident's work, and its watch sees what waits."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio.api.workflowservice.v1 import SetWorkerDeploymentCurrentVersionRequest
from temporalio.client import Client

from core.adapters.temporal import admin
from core.adapters.temporal.connection import data_converter
from core.contracts import (
    INCIDENT_TASK_QUEUE,
    INCIDENT_WORKFLOW,
    ROOT_TASK_QUEUE,
    SEARCH_ATTRIBUTES,
    SERVERLESS_DEPLOYMENT,
)
from infra.local.processes import ROOT
from infra.local.temporal import TemporalServer
from tests.e2e.conftest import SAMPLE
from tests.e2e.test_aws_artefact import UNCHECKED_HASH, alone
from tests.supply_chain.licences import installed
from tests.supply_chain.sbom import ARTEFACTS, contents
from tests.support import lambda_rie
from tests.support.eventually import eventually
from tests.support.lambda_package import package
from tests.support.lambda_rie import Function
from tests.support.temporal import own_server
from tests.support.web import Site, serving
from tests.support.worker_process import upload

OURS = ("core", "workers")
FOREIGN = {
    "functions_aws",
    "functions_azure",
    "hypothesis",
    "infra",
    "moto",
    "pytest",
    "rich",
    "tests",
    "typer",
    "uv",
}
BUILD_ID = "1.4.0-under-test"


def modules(artefact: Path) -> list[str]:
    paths = [path for package in OURS for path in (artefact / package).rglob("*.py")]
    parts = [path.relative_to(artefact).with_suffix("").parts for path in paths]
    return sorted(".".join(p for p in each if p != "__init__") for each in parts)


# -- what is in it


def test_there_are_no_tests_no_infrastructure_and_no_listener(workers_artefact: Path) -> None:
    tops = {path.name for path in workers_artefact.iterdir()}
    assert {*OURS, "temporalio", "apprise", "azure", "boto3"} <= tops
    assert not FOREIGN & tops
    assert not [p for p in workers_artefact.rglob("*") if p.name in ("tests", ".git", ".env")]
    assert not [p for p in workers_artefact.rglob("*") if p.suffix in (".rs", ".pyi")]


def test_it_holds_the_packages_of_its_sbom_and_no_other(workers_artefact: Path) -> None:
    [described] = [each for each in ARTEFACTS if each.name == "lambda-workers"]
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    listed = {str(pin) for pin in contents(described, here, platform.machine())}
    assert set(installed([workers_artefact])) == listed


def test_it_holds_the_models_of_the_services_that_are_called(workers_artefact: Path) -> None:
    data = workers_artefact / "botocore" / "data"
    services = {path.name for path in data.iterdir() if path.is_dir()}
    assert services == {"s3", "secretsmanager", "sts", "sso", "sso-oidc"}


def test_every_module_of_ours_is_compiled_and_never_checked_again(workers_artefact: Path) -> None:
    tag = sys.implementation.cache_tag
    for package_ in OURS:
        for path in (workers_artefact / package_).rglob("*.py"):
            compiled = path.parent / "__pycache__" / f"{path.stem}.{tag}.pyc"
            flags = int.from_bytes(compiled.read_bytes()[4:8], "little")
            assert flags == UNCHECKED_HASH, compiled


def test_every_module_in_it_can_be_loaded(workers_artefact: Path) -> None:
    names = modules(workers_artefact)
    assert {"workers.serverless.handler", "workers.serverless.watch"} <= set(names)
    loaded = alone(
        workers_artefact,
        "import io; from importlib import import_module; sys.stdout = io.StringIO(); "  # its log
        f"loaded = [import_module(name).__name__ for name in {names}]; "
        "print(json.dumps(loaded), file=sys.__stdout__)",
    )
    assert loaded == names


def test_policies_routes_and_who_is_on_call_are_in_it(workers_artefact: Path) -> None:
    shipped = (ROOT / "core" / "config" / "policies.yaml").read_bytes()
    assert (workers_artefact / "core" / "config" / "policies.yaml").read_bytes() == shipped
    assert (workers_artefact / "core" / "config" / "routes.compiled.json").is_file()
    people = alone(
        workers_artefact,
        "from core import bootstrap; from core.config.settings import Settings; "
        "print(json.dumps(list(bootstrap.oncall(Settings()).people)))",
    )
    assert people == ["ana", "ben"]


def test_documents_of_either_cloud_can_be_read_from_it(workers_artefact: Path) -> None:
    made = alone(
        workers_artefact,
        "import azure.storage.blob, azure.identity, boto3, apprise; "
        "print(json.dumps([type(boto3.client('s3', region_name='eu-west-1')).__name__]))",
    )
    assert made == ["S3"]


def test_invalid_policies_are_not_packaged(tmp_path: Path) -> None:
    invalid = tmp_path / "policies.yaml"
    shipped = (ROOT / "core" / "config" / "policies.yaml").read_text()
    invalid.write_text(
        shipped.replace("url_env: TIDEGATE_PAGE_URLS", "url_nev: TIDEGATE_PAGE_URLS")
    )
    built = package(tmp_path / "workers", "build-Workers", POLICIES=str(invalid))
    assert built.returncode != 0
    assert f"error: POLICIES: {invalid}:7:" in built.stderr
    assert "url_nev: there is no such field" in built.stderr


def test_an_invalid_on_call_file_is_not_packaged(tmp_path: Path) -> None:
    invalid = tmp_path / "oncall.yaml"
    invalid.write_text(SAMPLE.read_text().replace("people: [ana, ben]", "people: [ana, eve]"))
    built = package(tmp_path / "workers", "build-Workers", ONCALL=str(invalid))
    assert built.returncode != 0
    assert f"error: ONCALL: {invalid}:" in built.stderr
    assert "there is no person 'eve'" in built.stderr


def test_both_functions_have_a_target_that_misses_the_file_that_is_named(tmp_path: Path) -> None:
    for target in ("build-Workers", "build-Watch"):
        refused = package(tmp_path, target, POLICIES="nowhere.yaml")
        assert "POLICIES: there is no file nowhere.yaml" in refused.stderr
        refused = package(tmp_path, target, ONCALL="nowhere.yaml")
        assert "ONCALL: there is no file nowhere.yaml" in refused.stderr


# -- behind Lambda's Runtime API


with_emulator = pytest.mark.skipif(
    not sys.platform.startswith("linux") or not lambda_rie.TOOLS.exists(),
    reason="the Runtime API's emulator runs on Linux, out of .venv-deploy: make test",
)


async def make_current(client: Client) -> None:
    await client.workflow_service.set_worker_deployment_current_version(
        SetWorkerDeploymentCurrentVersionRequest(
            namespace=client.namespace,
            deployment_name=SERVERLESS_DEPLOYMENT,
            build_id=BUILD_ID,
            allow_no_pollers=True,
        )
    )


def variables(address: str, folder: Path, site: Site) -> dict[str, str]:
    return {
        "TEMPORAL_ADDRESS": address,
        "TIDEGATE_BUILD_ID": BUILD_ID,
        "TIDEGATE_DOCUMENTS": f"file://{folder}/documents/",
        "TIDEGATE_REPORTS": f"file://{folder}/reports/",
        "TIDEGATE_QUARANTINE": f"file://{folder}/quarantine/",
        "TIDEGATE_PAGE_URLS": site.apprise_url(),
        "TIDEGATE_ESCALATION_URLS": site.apprise_url(),
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "90",
    }


def last(function: Function, key: str) -> dict[str, Any]:
    return [line for line in function.lines() if key in line][-1]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TemporalServer]:
    """A server on which it matters to nobody else which build is current."""
    with own_server(tmp_path) as server:
        server.wait()
        yield server


@with_emulator
async def test_an_empty_event_does_the_work_that_waits_and_the_watch_sees_it(
    workers_artefact: Path, server: TemporalServer, tmp_path: Path
) -> None:
    with serving() as site:
        client = await Client.connect(server.address, data_converter=data_converter())
        await admin.register_search_attributes(client, SEARCH_ATTRIBUTES)
        environment = variables(server.address, tmp_path, site)
        for name in ("workers", "watch"):
            (tmp_path / name).mkdir()
        handlers = {"workers": "workers.serverless.handler.handler"}
        handlers["watch"] = "workers.serverless.watch.handler"
        with (
            lambda_rie.function(
                workers_artefact, handlers["workers"], tmp_path / "workers", environment
            ) as workers,
            lambda_rie.function(
                workers_artefact, handlers["watch"], tmp_path / "watch", environment
            ) as watch,
        ):
            assert workers.invoke({}) is None  # polls, and so registers its task queues
            await make_current(client)
            handle = await client.start_workflow(
                INCIDENT_WORKFLOW,
                upload(tmp_path),
                id=f"incident:{uuid4()}",
                task_queue=INCIDENT_TASK_QUEUE,
            )

            async def seen() -> bool:
                assert watch.invoke({}) is None
                waiting = {ROOT_TASK_QUEUE: 0, INCIDENT_TASK_QUEUE: 1}
                return bool(last(watch, "BacklogAge")["backlog"] == waiting)

            await eventually(seen, "the watch to see the task")
            assert site.got == []
            assert workers.invoke({}) is None
            assert len(site.got) == 1, json.dumps(workers.lines(), indent=1)
            await handle.terminate()


@with_emulator
def test_without_a_build_id_an_invocation_fails_and_says_what_to_do(
    workers_artefact: Path, tmp_path: Path
) -> None:
    environment = {"AWS_LAMBDA_FUNCTION_TIMEOUT": "90"}
    with lambda_rie.function(
        workers_artefact, "workers.serverless.handler.handler", tmp_path, environment
    ) as function:
        answer = function.invoke({})
        assert answer["errorType"] == "SettingsError"
        assert "TIDEGATE_BUILD_ID is not set" in answer["errorMessage"]
