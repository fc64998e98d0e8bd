"""The package of the HTTP application as a function app: what the host looks for, and nothing of
the listeners. With its pins alone it answers what the host passes on."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.local.processes import ROOT, program
from tests.e2e.conftest import SAMPLE

ANSWERS = """
import asyncio, json, sys
sys.path[:0] = [{package!r}, {libraries!r}]
import function_app
from azure.functions.http import HttpRequest
[function] = function_app.app.get_functions()

async def answer(path):
    url = "https://tidegate.example" + path
    request = HttpRequest(
        "GET", url, headers={{}}, params={{}}, route_params={{}}, body_type="bytes", body=b""
    )
    given = await function.get_user_function()(request, None)
    return [given.status_code, given.get_body().decode()]

async def answers():
    return [await answer(path) for path in {paths!r}]

print(json.dumps(asyncio.run(answers())))
"""


def built(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """`make azure-app-package` into a folder."""
    given = {"AZURE_APP": str(folder), "BIN": str(ROOT / ".venv" / "bin")} | variables
    return subprocess.run(
        [
            "make",
            "--old-file",
            "setup",
            "azure-app-package",
            *(f"{k}={v}" for k, v in given.items()),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("azure") / "app"
    done = built(folder, ONCALL=str(SAMPLE))
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def libraries(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Azure's build installs, for this interpreter."""
    folder = tmp_path_factory.mktemp("azure") / "libraries"
    command = [str(program("uv")), "pip", "install", "--quiet", "--python", sys.executable]
    command += ["--target", str(folder), "--no-deps", "--only-binary", ":all:", "--require-hashes"]
    pins = ["-r", str(package / "requirements.txt")]
    subprocess.run([*command, *pins], check=True, capture_output=True)
    return folder


def alone(package: Path, libraries: Path, script: str, **env: str) -> Any:
    """The JSON that a script prints where nothing but the package and its pins can be imported."""
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script],
        cwd=package,
        env={"PATH": os.environ["PATH"], **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_it_has_what_the_host_looks_for_and_nothing_of_the_listeners(package: Path) -> None:
    tops = {path.name for path in package.iterdir()}
    assert tops == {"core", "functions_azure", "function_app.py", "host.json", "requirements.txt"}
    for name in ("function_app.py", "host.json"):
        assert (package / name).read_bytes() == (ROOT / "infra/azure/app" / name).read_bytes()
    ours = {path.name for path in (package / "functions_azure").iterdir()}
    assert ours == {"__init__.py", "application.py"}
    assert not (package / "core/cli").exists()
    assert not [*package.rglob("*.pyc")]


def test_its_pins_are_those_of_the_application(package: Path) -> None:
    pins = (ROOT / "requirements/azure-app.txt").read_text()
    assert (package / "requirements.txt").read_text() == pins
    named = set(re.findall(r"^([\w-]+)==", pins, re.M))
    assert {"azure-functions", "starlette", "azure-keyvault-secrets", "temporalio"} <= named
    assert not {"azure-monitor-opentelemetry-exporter", "apprise", "boto3", "mangum"} & named


def test_it_carries_the_compiled_routes_and_who_is_on_call(package: Path) -> None:
    config = package / "core/config"
    assert json.loads((config / "routes.compiled.json").read_text())["routes"]
    assert yaml.safe_load((config / "oncall.yaml").read_text()) == yaml.safe_load(
        SAMPLE.read_text()
    )


def test_with_its_pins_alone_it_answers(package: Path, libraries: Path) -> None:
    paths = ["/healthz", "/i/no-token", "/v1/incidents"]
    script = ANSWERS.format(package=str(package), libraries=str(libraries), paths=paths)
    key = {"TIDEGATE_LINK_KEYS": "env:KEY", "KEY": "a-key-of-32-bytes-that-nobody-guesses"}
    api = {"TIDEGATE_API_TOKENS": "azure:kv-example/api-tokens"}
    up, link, forbidden = alone(package, libraries, script, **key, **api)
    assert up == [200, "ok\n"]
    assert (link[0], "There is no such link" in link[1]) == (404, True)
    assert (forbidden[0], json.loads(forbidden[1])["code"]) == (401, "NotAuthenticated")


def test_every_module_of_the_application_can_be_loaded_with_its_pins_alone(
    package: Path, libraries: Path
) -> None:
    """What a setting turns on is loaded late, and would fail then."""
    paths = [path.relative_to(package) for path in (package / "core/app").rglob("*.py")]
    parts = [path.with_suffix("").parts for path in paths]
    names = sorted(".".join(part for part in each if part != "__init__") for each in parts)
    assert "core.app.api.application" in names
    script = (
        f"import json, sys; sys.path[:0] = [{str(package)!r}, {str(libraries)!r}]\n"
        "from importlib import import_module\n"
        f"print(json.dumps([import_module(name).__name__ for name in {names}]))"
    )
    assert alone(package, libraries, script) == names


def test_files_of_the_application_that_are_no_code_are_there(package: Path) -> None:
    """Its templates, and whatever else it sends."""

    def files(folder: Path) -> dict[str, bytes]:
        found = (each for each in folder.rglob("*") if each.is_file() and each.suffix != ".pyc")
        return {str(each.relative_to(folder)): each.read_bytes() for each in found}

    assert files(package / "core/app") == files(ROOT / "core/app")


def test_secrets_reports_and_the_quarantine_can_be_reached_on_azure(
    package: Path, libraries: Path
) -> None:
    script = (
        f"import json, sys; sys.path[:0] = [{str(package)!r}, {str(libraries)!r}]\n"
        "from core import bootstrap; from core.config.settings import Settings\n"
        "made = [bootstrap.SECRET_STORES['azure']()]\n"
        "from core.adapters.documents import azure_blob\n"
        "print(json.dumps([type(each).__name__ for each in made] + [azure_blob.__name__]))"
    )
    assert alone(package, libraries, script) == [
        "KeyVaultSecretStore",
        "core.adapters.documents.azure_blob",
    ]


def test_without_an_on_call_file_it_carries_none(tmp_path: Path) -> None:
    assert built(tmp_path / "app").returncode == 0
    assert not (tmp_path / "app/core/config/oncall.yaml").exists()


@pytest.mark.parametrize("name", ["ONCALL", "ROUTES"])
def test_a_file_with_a_fault_is_refused_before_publishing(tmp_path: Path, name: str) -> None:
    file = tmp_path / "file.yaml"
    file.write_text("version: 99\n")
    done = built(tmp_path / "app", **{name: str(file)})
    assert done.returncode
    assert "file.yaml" in done.stdout + done.stderr
