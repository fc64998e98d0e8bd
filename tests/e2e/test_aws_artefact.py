"""The package that is uploaded to Lambda: all that a listener may load, and nothing else."""

from __future__ import annotations

import ast
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.config.files import load_routes
from core.config.routing_table import SHIPPED_ROUTES
from infra.local.environment import HOOK_SECRETS
from infra.local.processes import ROOT
from tests.supply_chain.licences import installed
from tests.supply_chain.sbom import ARTEFACTS, contents
from tests.support.lambda_package import package

OURS = ("core", "functions_aws")
FOREIGN = {
    "aiohttp",
    "apprise",
    "azure",
    "functions_azure",
    "hypothesis",
    "infra",
    "moto",
    "pytest",
    "requests",
    "rich",
    "tests",
    "typer",
    "uv",
    "workers",
}
OF_THE_RUNTIME = {"snapshot_restore_py"}
"""Modules that Lambda's runtime provides."""
UNCHECKED_HASH = 0b01


def our_files(artefact: Path) -> list[Path]:
    files = [path for room in OURS for path in (artefact / room).rglob("*") if path.is_file()]
    return [*files, artefact / "webhooks.yaml"]


def our_modules(artefact: Path) -> list[str]:
    paths = [path for room in OURS for path in (artefact / room).rglob("*.py")]
    parts = [path.relative_to(artefact).with_suffix("").parts for path in paths]
    return sorted(".".join(p for p in each if p != "__init__") for each in parts)


def alone(artefact: Path, script: str) -> Any:
    """The JSON that a script prints where nothing but the artefact can be imported."""
    code = f"import json, sys; sys.path.insert(0, {str(artefact)!r}); {script}"
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        cwd=artefact,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_the_presets_are_there(artefact: Path) -> None:
    presets = Path("core/formats/presets")
    shipped = {path.name: path.read_bytes() for path in (ROOT / presets).glob("*.yaml")}
    packed = {path.name: path.read_bytes() for path in (artefact / presets).iterdir()}
    assert packed == shipped != {}


def test_there_are_no_tests_no_infrastructure_and_no_worker(artefact: Path) -> None:
    tops = {path.name for path in artefact.iterdir()}
    assert set(OURS) | {"webhooks.yaml", "temporalio"} <= tops
    assert not FOREIGN & tops
    assert not [path for path in artefact.rglob("*") if path.name in ("tests", ".git", ".env")]
    known = {path.relative_to(ROOT) for room in OURS for path in (ROOT / room).rglob("*.py")}
    packed = {path.relative_to(artefact) for path in our_files(artefact) if path.suffix == ".py"}
    assert packed < known


def test_it_holds_the_packages_of_its_sbom_and_no_other(artefact: Path) -> None:
    [described] = [each for each in ARTEFACTS if each.name == "lambda"]
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    listed = {str(pin) for pin in contents(described, here, platform.machine())}
    assert set(installed([artefact])) == listed


def test_there_are_no_secrets(artefact: Path) -> None:
    for path in our_files(artefact):
        content = path.read_bytes()
        assert b"PRIVATE KEY-----" not in content, path
        for secret in HOOK_SECRETS.values():
            assert secret.encode() not in content, path
    suffixes = (".pem", ".key", ".p12", ".env")
    found = {path.name for path in artefact.rglob("*") if path.name.endswith(suffixes)}
    assert found <= {"cacert.pem"}, "botocore's list of public authorities is all there may be"


def test_it_holds_no_native_sources_and_no_models_of_other_services(
    artefact: Path,
) -> None:
    assert not [path for path in artefact.rglob("*") if path.suffix in (".rs", ".pyi")]
    services = {path.name for path in (artefact / "botocore" / "data").iterdir() if path.is_dir()}
    assert services == {"s3", "secretsmanager", "sts", "sso", "sso-oidc"}


def test_every_module_of_ours_is_compiled_and_never_checked_again(artefact: Path) -> None:
    tag = sys.implementation.cache_tag
    for path in our_files(artefact):
        if path.suffix == ".py":
            compiled = path.parent / "__pycache__" / f"{path.stem}.{tag}.pyc"
            flags = int.from_bytes(compiled.read_bytes()[4:8], "little")
            assert flags == UNCHECKED_HASH, compiled


@pytest.mark.parametrize("listener", ["s3_listener", "message_listener", "webhook_listener"])
def test_a_handler_loads_from_the_artefact_alone(artefact: Path, listener: str) -> None:
    [handler, *files] = alone(
        artefact,
        f"import functions_aws.{listener} as m; print(json.dumps([callable(m.handler)] + ["
        "f for f in (getattr(m, '__file__', None) for m in sys.modules.values()) if f]))",
    )
    assert handler is True
    inside = [file for file in files if file.startswith(str(artefact))]
    assert len(inside) > 100
    assert not [file for file in files if "site-packages" in file]


def test_every_module_in_it_can_be_loaded(artefact: Path) -> None:
    names = our_modules(artefact)
    loaded = alone(
        artefact,
        "from importlib import import_module; "
        f"print(json.dumps([import_module(name).__name__ for name in {names}]))",
    )
    assert loaded == names


def test_the_compiled_routing_table_is_in_it_and_used(artefact: Path) -> None:
    """A listener routes an alert without YAML or pydantic."""
    route, digest, modules = alone(
        artefact,
        "import os; os.environ['TIDEGATE_QUARANTINE'] = 'file:///tmp/'; "
        "from functions_aws import message_listener as listener; "
        "from core.domain.event import ALERT, Event; "
        "router = listener.intake()._router; "
        "alert = Event(id='1', source='/', type=ALERT, key='k', scope='queue:q', data={'key': 1}); "
        "print(json.dumps([router.target(alert).route, router.digest, sorted(sys.modules)]))",
    )
    assert route == "alert"
    assert digest == load_routes(SHIPPED_ROUTES).compiled().digest
    tops = {name.partition(".")[0] for name in modules}
    assert tops & {"pydantic", "pydantic_core", "yaml"} == set()


def test_an_invalid_routing_table_is_not_packaged(tmp_path: Path) -> None:
    invalid = tmp_path / "routes.yaml"
    invalid.write_text("version: 1\nroutes:\n  - {nome: a}\n")
    built = package(tmp_path / "listener", ROUTES=str(invalid))
    assert built.returncode != 0
    assert f"{invalid}:3:6: routes[0].nome: there is no such field" in built.stderr


def test_invalid_webhooks_are_not_packaged(tmp_path: Path) -> None:
    invalid = tmp_path / "webhooks.yaml"
    invalid.write_text("version: 1\nhooks:\n  prod: {fromat: grafana}\n")
    built = package(tmp_path / "listener", WEBHOOKS=str(invalid))
    assert built.returncode != 0
    assert "error: WEBHOOKS: " in built.stderr
    assert f"{invalid}:3:10: hooks.prod.fromat: there is no such field" in built.stderr


def test_modules_that_are_imported_lazily_are_there_too(artefact: Path) -> None:
    there = {path.name.removesuffix(".py") for path in artefact.iterdir()}
    known = there | set(sys.stdlib_module_names) | OF_THE_RUNTIME
    for path in our_files(artefact):
        if path.suffix != ".py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            else:
                continue
            missing = {name.partition(".")[0] for name in names} - known
            assert not {name for name in missing if not name.startswith("mypy_boto3")}, path


def test_document_and_secret_stores_can_be_created_in_it(artefact: Path) -> None:
    made = alone(
        artefact,
        "import boto3; from core import bootstrap; "
        "clients = [boto3.client(n, region_name='eu-west-1') for n in ('s3', 'secretsmanager')]; "
        "stores = [bootstrap.STORES['file'](), bootstrap.SECRET_STORES['aws']()]; "
        "print(json.dumps([type(each).__name__ for each in clients + stores]))",
    )
    assert made == ["S3", "SecretsManager", "FileDocumentStore", "AwsSecretStore"]


def test_a_package_over_the_limit_is_refused(tmp_path: Path) -> None:
    built = package(tmp_path / "listener", LIMIT="1")
    assert built.returncode != 0
    assert "MB unzipped, of 1 allowed" in built.stdout
    assert "over the limit in functions_aws/Makefile" in built.stderr


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"ARTIFACTS_DIR": ""}, "name ARTIFACTS_DIR"),
        ({"ARCHITECTURE": "riscv"}, "ARCHITECTURE is riscv, and there are arm64 and x86_64"),
        ({"WEBHOOKS": "nowhere.yaml"}, "there is no file nowhere.yaml"),
        ({"ROUTES": "nowhere.yaml"}, "ROUTES: there is no file nowhere.yaml"),
        ({"PYTHON": "/nowhere/python"}, "compiles the bytecode, and none was found"),
    ],
)
def test_a_build_that_cannot_work_says_why(
    tmp_path: Path, variables: dict[str, str], says: str
) -> None:
    built = package(tmp_path / "listener", **variables)
    assert built.returncode != 0
    assert says in built.stderr
    assert not (tmp_path / "listener").exists()


def test_every_function_has_a_target(tmp_path: Path) -> None:
    for target in ("build-S3Listener", "build-MessageListener", "build-WebhookListener"):
        refused = package(tmp_path, target, WEBHOOKS="nowhere.yaml")
        assert "there is no file nowhere.yaml" in refused.stderr
