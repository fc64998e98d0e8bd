"""Files of infra/azure fit together: modules, parameters, outputs, azd's services, docs."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from core.contracts import WORKERS
from tests.support import bicep
from tests.support.azure_templates import (
    AZURE,
    PARAMETERS,
    ROOT,
    TEMPLATES,
    at,
    files,
    template,
    text,
)
from tests.support.bicep_model import Expression, Module

WORKER = template("modules/worker")


def name_of(path: Path) -> str:
    return str(path.relative_to(AZURE))


@pytest.mark.parametrize("path", [*TEMPLATES, *PARAMETERS], ids=name_of)
def test_every_file_is_bicep(path: Path) -> None:
    assert bicep.read(path).path == path


MODULES = [(f"{name_of(f.path)}:{m.name}", m) for f in files() for m in f.modules]


@pytest.mark.parametrize("module", [m for _, m in MODULES], ids=[name for name, _ in MODULES])
def test_every_module_gets_exactly_its_parameters(module: Module) -> None:
    params = bicep.read(module.path).params
    assert set(module.params) <= set(params)
    assert {name for name, param in params.items() if param.required} <= set(module.params)


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_every_used_output_exists(path: Path) -> None:
    file = bicep.read(path)
    outputs = {m.name: bicep.read(m.path).outputs for m in file.modules}
    used = re.findall(r"\b(\w+)!?\.outputs\.(\w+)", path.read_text(encoding="utf-8"))
    assert [(m, o) for m, o in used if o not in outputs[m]] == []
    assert bool(used) == (file.path.name in {"main.bicep", "platform.bicep"})


def test_every_module_file_is_used() -> None:
    used = {m.path.resolve() for f in files() for m in f.modules} - {AZURE / "platform.bicep"}
    imported = {AZURE / "modules" / "roles.bicep"}
    assert {p for p in TEMPLATES if p.parent.name == "modules"} == used | imported


@pytest.mark.parametrize("worker", [spec.name for spec in WORKERS])
def test_a_workers_parameters_come_from_azds_environment(worker: str) -> None:
    """The variables are azd's own, outputs of main.bicep, or settings that the docs name."""
    given = json.loads((AZURE / f"{worker}.parameters.json").read_text())["parameters"]
    params = template(worker).params
    assert set(given) <= set(params)
    assert {name for name, param in params.items() if param.required} <= set(given)
    azd = {"AZURE_ENV_NAME", "AZURE_LOCATION"}
    image = f"SERVICE_{worker.upper().replace('-', '_')}_IMAGE_NAME"
    documented = set(re.findall(r"`([A-Z_]+)`", (ROOT / "docs/deploy-azure.md").read_text()))
    for name, each in given.items():
        variable = re.fullmatch(r"\$\{([A-Z_]+)(=\w*)?\}", each["value"])
        assert variable, name
        assert variable[1] in azd | {image} | set(template("main").outputs) | documented


def test_the_platform_has_mains_parameters() -> None:
    main, platform = template("main").params, template("platform").params
    assert set(main) - {"resourceGroupName"} == set(platform)
    for name in set(platform) - {"location"}:
        assert main[name].default == platform[name].default, name
        assert main[name].decorators.keys() == platform[name].decorators.keys(), name


def test_azd_compiles_the_routing_table_before_it_packages_the_functions() -> None:
    """And what is compiled is not left out of the package."""
    functions = yaml.safe_load((ROOT / "azure.yaml").read_text())["services"]["listeners"]
    hook = functions["hooks"]["prepackage"]
    assert (hook["shell"], hook["run"]) == ("sh", "make routes")
    printed = subprocess.run(
        ["make", "--dry-run", "routes", "ROUTES=our/routes.yaml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "python -m core.config.routing_table our/routes.yaml" in printed
    ignored = (ROOT / ".funcignore").read_text().splitlines()
    assert not [pattern for pattern in ignored if pattern.startswith(("/core", "*.json"))]


def test_azd_finds_each_service() -> None:
    services = yaml.safe_load((ROOT / "azure.yaml").read_text())["services"]
    workers = {name for name, each in services.items() if each["host"] == "containerapp"}
    assert workers == {spec.name for spec in WORKERS}, (
        "azure.yaml needs one service with `host: containerapp` for each of core.contracts.WORKERS"
    )
    assert text(at(WORKER.resource("Microsoft.App/containerApps").body, "tags")) == str(
        {
            "azd-env-name": Expression("environmentName"),
            "azd-service-name": Expression("name"),
            "application": "tidegate",
        }
    )
    [functions] = [m for m in template("platform").modules if m.name == "functions"]
    [host] = [name for name, each in services.items() if each["host"] == "function"]
    assert f"'azd-service-name': '{host}'" in text(functions.params["tags"])


@pytest.mark.parametrize("name", sorted(template("main").params))
def test_every_parameter_is_documented(name: str) -> None:
    table = (ROOT / "docs/deploy-azure.md").read_text(encoding="utf-8")
    assert re.search(rf"^\| [^|]*`{name}`", table, re.M)
