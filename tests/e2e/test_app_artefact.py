"""The package of the HTTP application on Lambda: all that it may load, and nothing else. Behind
Lambda's Runtime API it answers links, and no line of its log has a token."""

from __future__ import annotations

import platform
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle

from core.links import PATH, LinkCommand
from infra.local.processes import ROOT
from infra.local.temporal import TemporalServer
from tests.e2e.test_aws_artefact import UNCHECKED_HASH, alone
from tests.integration.test_aws_events import ENVIRONMENT
from tests.supply_chain.licences import installed
from tests.supply_chain.sbom import ARTEFACTS, contents
from tests.support import lambda_rie
from tests.support.lambda_package import package
from tests.support.lambda_requests import http_request
from tests.support.lambda_rie import Function
from tests.support.runtime_api import snap_started
from tests.support.waiting_incident import commands, link_path, waiting

OURS = ("core", "functions_aws")
HANDLER = "functions_aws.app.handler"
with_runtime = pytest.mark.skipif(
    not sys.platform.startswith("linux") or not lambda_rie.TOOLS.exists(),
    reason="the Runtime API's emulator runs on Linux, out of .venv-deploy: make test",
)


def modules(artefact: Path) -> list[str]:
    paths = [path for room in OURS for path in (artefact / room).rglob("*.py")]
    parts = [path.relative_to(artefact).with_suffix("").parts for path in paths]
    return sorted(".".join(p for p in each if p != "__init__") for each in parts)


# -- what is in it


def test_there_are_no_tests_no_infrastructure_no_worker_and_no_listener(app_artefact: Path) -> None:
    tops = {path.name for path in app_artefact.iterdir()}
    assert {*OURS, "temporalio", "starlette", "mangum", "boto3"} <= tops
    foreign = {
        "apprise",
        "azure",
        "functions_azure",
        "infra",
        "pytest",
        "tests",
        "typer",
        "workers",
    }
    assert not foreign & tops
    assert "webhooks.yaml" not in tops
    listeners = [name for name in modules(app_artefact) if name.endswith("_listener")]
    assert listeners == []


def test_the_application_is_in_the_package_of_no_listener(artefact: Path) -> None:
    """Which would have to load longer."""
    tops = {path.name for path in artefact.iterdir()}
    assert not {"starlette", "mangum", "jinja2", "joserfc"} & tops
    assert not (artefact / "functions_aws" / "app.py").exists()
    assert not (artefact / "core" / "app").exists()


def test_it_holds_the_packages_of_its_sbom_and_no_other(app_artefact: Path) -> None:
    [described] = [each for each in ARTEFACTS if each.name == "lambda-app"]
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    listed = {str(pin) for pin in contents(described, here, platform.machine())}
    assert set(installed([app_artefact])) == listed


def test_every_module_in_it_can_be_loaded_and_is_compiled(app_artefact: Path) -> None:
    names = modules(app_artefact)
    assert "functions_aws.app" in names
    loaded = alone(
        app_artefact,
        "from importlib import import_module; "
        f"print(json.dumps([import_module(name).__name__ for name in {names}]))",
    )
    assert loaded == names
    tag = sys.implementation.cache_tag
    for path in (each for room in OURS for each in (app_artefact / room).rglob("*.py")):
        compiled = path.parent / "__pycache__" / f"{path.stem}.{tag}.pyc"
        assert int.from_bytes(compiled.read_bytes()[4:8], "little") == UNCHECKED_HASH, compiled


@pytest.mark.parametrize("folder", ["core/app/templates", "core/app/console/static"])
def test_the_pages_are_there_with_their_files(folder: str, app_artefact: Path) -> None:
    def files(root: Path) -> dict[str, bytes]:
        found = [path for path in (root / folder).rglob("*") if path.is_file()]
        return {str(path.relative_to(root)): path.read_bytes() for path in found}

    assert files(app_artefact) == files(ROOT) != {}


def test_what_the_api_opens_and_replays_is_routed_and_read_as_by_listeners(
    app_artefact: Path,
) -> None:
    loaded = alone(
        app_artefact,
        "from core import bootstrap; from core.config.settings import Settings; "
        "from core.formats.shared.delivery import PRESET_HEADER, Delivery; "
        "headers = {PRESET_HEADER: 'zabbix'}; "
        "preset = Delivery(format='mapped', body=b'', headers=headers, unique=''); "
        "found = [bootstrap.router(Settings()).digest, bootstrap.mapping_of(preset, Settings())]; "
        "print(json.dumps([bool(each) for each in found]))",
    )
    assert loaded == [True, True]


def test_keys_of_links_can_be_read_from_secrets_manager(app_artefact: Path) -> None:
    made = alone(
        app_artefact,
        "import boto3; from core import bootstrap; "
        "client = boto3.client('secretsmanager', region_name='eu-west-1'); "
        "made = [client, bootstrap.SECRET_STORES['aws']()]; "
        "print(json.dumps([type(each).__name__ for each in made]))",
    )
    assert made == ["SecretsManager", "AwsSecretStore"]


def test_a_package_over_the_limit_is_refused(tmp_path: Path) -> None:
    built = package(tmp_path / "app", "build-App", LIMIT="1")
    assert built.returncode != 0
    assert "MB unzipped, of 1 allowed" in built.stdout


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"ARTIFACTS_DIR": ""}, "name ARTIFACTS_DIR"),
        ({"ARCHITECTURE": "riscv"}, "ARCHITECTURE is riscv, and there are arm64 and x86_64"),
        ({"PYTHON": "/nowhere/python"}, "compiles the bytecode, and none was found"),
    ],
)
def test_a_build_that_cannot_work_says_why(
    tmp_path: Path, variables: dict[str, str], says: str
) -> None:
    built = package(tmp_path / "app", "build-App", **variables)
    assert built.returncode != 0
    assert says in built.stderr
    assert not (tmp_path / "app").exists()


# -- what it answers


WITHOUT_KEYS = ENVIRONMENT | {"TIDEGATE_LINK_KEYS": ""}


def environment(address: str) -> dict[str, str]:
    return ENVIRONMENT | {"TEMPORAL_ADDRESS": address}


@pytest.fixture(scope="module")
def app(
    app_artefact: Path, temporal_server: TemporalServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Function]:
    with lambda_rie.function(
        app_artefact,
        HANDLER,
        tmp_path_factory.mktemp("app"),
        environment(temporal_server.address)
        | {
            "POWERTOOLS_SERVICE_NAME": "tidegate-under-test",
            # As Lambda sets them for the template's LogFormat.
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            "AWS_LAMBDA_LOG_LEVEL": "INFO",
        },
    ) as function:
        yield function


@pytest.fixture
async def incident(temporal_client: Client) -> AsyncIterator[WorkflowHandle[Any, Any]]:
    async with waiting(temporal_client) as handle:
        yield handle


@with_runtime
def test_it_says_that_it_is_up(app: Function) -> None:
    answer = app.invoke(http_request("GET", "/healthz"))
    assert (answer["statusCode"], answer["body"]) == (200, "ok\n")
    [started] = [line for line in app.lines() if "ColdStart" in line]
    assert (started["service"], started["function_name"]) == ("tidegate-under-test", "app")


@with_runtime
async def test_a_link_shows_the_incident_and_changes_nothing(
    app: Function, incident: WorkflowHandle[Any, Any]
) -> None:
    address = await link_path(incident)
    shown = app.invoke(http_request("GET", address))
    assert (shown["statusCode"], shown["isBase64Encoded"]) == (200, False)
    assert "The checkout &lt;b&gt;is&lt;/b&gt; down" in shown["body"]
    assert '<form method="post">' in shown["body"]
    assert shown["headers"]["content-security-policy"].startswith("default-src 'none'; ")
    assert shown["headers"]["cache-control"] == "no-store"
    assert app.invoke(http_request("HEAD", address))["statusCode"] == 200
    assert await commands(incident) == []


@with_runtime
async def test_its_button_acts_without_a_worker_for_the_person_that_it_was_sent_to(
    app: Function, incident: WorkflowHandle[Any, Any]
) -> None:
    answer = app.invoke(http_request("POST", await link_path(incident)))
    assert (answer["statusCode"], "Sent: <bdi>ana</bdi> has it." in answer["body"]) == (202, True)
    [command] = await commands(incident)
    assert (command["name"], command["actor"], command["proof"]) == ("acknowledge", "ana", "link")


@with_runtime
async def test_the_name_in_a_form_reaches_it_as_it_was_typed(
    app: Function, incident: WorkflowHandle[Any, Any]
) -> None:
    form = http_request(
        "POST", await link_path(incident, target="on-call"), body="name=Zo%C3%AB+Ito"
    )
    answer = app.invoke(form)
    assert (answer["statusCode"], "Sent: <bdi>Zoë Ito</bdi> has it." in answer["body"]) == (
        202,
        True,
    )
    [command] = await commands(incident)
    assert command["actor"] == "Zoë Ito"


@with_runtime
async def test_one_process_answers_one_request_after_another_with_one_client(
    app: Function, incident: WorkflowHandle[Any, Any]
) -> None:
    """A client belongs to the event loop that connected it."""
    address = await link_path(incident, command=LinkCommand.SHOW)
    for _ in range(3):
        assert app.invoke(http_request("GET", address))["statusCode"] == 200


@with_runtime
async def test_what_it_refuses(app: Function, incident: WorkflowHandle[Any, Any]) -> None:
    address = await link_path(incident)
    shared = await link_path(incident, target="on-call")
    refused = {
        404: http_request("GET", f"{address}x"),
        405: http_request("PUT", address),
        400: http_request("POST", shared, body="name="),
        413: http_request("POST", shared, body=f"name={'x' * 5000}"),
    }
    for status, request in refused.items():
        assert app.invoke(request)["statusCode"] == status
    assert app.invoke(http_request("GET", "/"))["statusCode"] == 404
    assert await commands(incident) == []


@with_runtime
async def test_no_line_of_its_log_has_a_token(
    app: Function, incident: WorkflowHandle[Any, Any]
) -> None:
    good = await link_path(incident)
    for address in (good, f"{good}x", await link_path(incident, expires=1)):
        app.invoke(http_request("GET", address))
        app.invoke(http_request("POST", address))
    logged = app.log.read_text()
    assert "refused: ExpiredLink (410)" in logged
    assert good.removeprefix(PATH).partition(".")[0] not in logged
    assert PATH not in logged


@with_runtime
@pytest.mark.parametrize(
    "event",
    [
        {},
        {"resource": "/{path+}", "path": "/healthz", "httpMethod": "GET", "requestContext": {}},
        {"requestContext": {"elb": {}}, "path": "/healthz", "httpMethod": "GET", "headers": {}},
        {"version": "1.0", "requestContext": {}, "path": "/healthz", "httpMethod": "GET"},
    ],
    ids=["nothing of HTTP", "a REST API", "a load balancer", "payload 1.0"],
)
def test_an_invocation_that_is_not_payload_2_fails(app: Function, event: dict[str, Any]) -> None:
    answer = app.invoke(event)
    assert answer["errorType"] == "SettingsError"
    assert "not payload 2.0 of an HTTP API or function URL" in answer["errorMessage"]


@with_runtime
def test_without_keys_of_links_every_invocation_fails_so_that_the_version_is_rolled_back(
    app_artefact: Path, tmp_path: Path
) -> None:
    with lambda_rie.function(app_artefact, HANDLER, tmp_path, WITHOUT_KEYS) as function:
        for _ in range(2):
            answer = function.invoke(http_request("GET", "/healthz"))
            assert answer["errorType"] == "SettingsError"
            assert "TIDEGATE_LINK_KEYS is not set" in answer["errorMessage"]


@with_runtime
async def test_while_temporal_is_unavailable_it_asks_to_try_again(
    app_artefact: Path, tmp_path: Path, closed_port: int, incident: WorkflowHandle[Any, Any]
) -> None:
    settings = environment(f"127.0.0.1:{closed_port}") | {"TIDEGATE_START_TIMEOUT": "0.5"}
    with lambda_rie.function(app_artefact, HANDLER, tmp_path, settings) as function:
        answer = function.invoke(http_request("GET", await link_path(incident)))
    assert answer["statusCode"] == 503
    assert int(answer["headers"]["retry-after"]) > 0


@with_runtime
def test_a_snapshot_holds_no_connection_no_loop_and_no_thread(
    app_artefact: Path, tmp_path: Path, temporal_server: TemporalServer
) -> None:
    with snap_started(
        app_artefact,
        HANDLER,
        tmp_path,
        environment(temporal_server.address),
        http_request("GET", "/healthz"),
    ) as process:
        assert process.answer()["statusCode"] == 200
        snapshot = process.calls["/restore/next"]
    assert snapshot.sockets == 1, "the one that asks for the restore"
    assert snapshot.threads == 1


@with_runtime
def test_a_version_with_invalid_settings_is_not_published(
    app_artefact: Path, tmp_path: Path
) -> None:
    given = http_request("GET", "/healthz")
    with snap_started(app_artefact, HANDLER, tmp_path, WITHOUT_KEYS, given) as process:
        answer = process.answer()
    assert set(process.posted) == {"/init/error"}
    assert "TIDEGATE_LINK_KEYS is not set" in answer["errorMessage"]
