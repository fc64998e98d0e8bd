"""The files of infra/azure agree with each other, with azd and with the documentation."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
import yaml

from core.contracts import WORKERS
from tests.support.azure_parameters import TEMPLATES, parameters
from tests.support.azure_snapshot import AZURE, EXAMPLES, PLATFORMS, ROOT, made, outputs, resources

DOCUMENTATION = (ROOT / "docs/deploy-azure.md").read_text(encoding="utf-8")


def test_every_module_file_is_used() -> None:
    used = {
        (AZURE / template).parent.joinpath(path).resolve().relative_to(AZURE).as_posix()
        for template in TEMPLATES
        for path in re.findall(
            r"^(?:module \w+|import \{.*\} from) '(\S+)'", (AZURE / template).read_text(), re.M
        )
    }
    workers = {f"{spec.name}.bicep" for spec in WORKERS}
    assert set(TEMPLATES) == used | workers | {"main.bicep"}


def test_there_are_examples_of_both_profiles_and_of_every_worker() -> None:
    assert set(EXAMPLES) == {"main.dev", "main.prod", *(f"{spec.name}.prod" for spec in WORKERS)}


@pytest.mark.parametrize("worker", [spec.name for spec in WORKERS])
def test_a_workers_example_is_of_the_platform_in_mains_example(worker: str) -> None:
    platform = outputs("main.prod")
    example = (AZURE / f"{worker}.prod.bicepparam").read_text(encoding="utf-8")
    given = dict(re.findall(r"^param (\w+) = '(.*)'$", example, re.M))
    assert given["token"] == platform["PLATFORM_TOKEN"]
    assert given["documentsAccount"] == platform["PLATFORM_DOCUMENTS"]
    assert given["vaultName"] == platform["PLATFORM_VAULT"]
    [registry] = made("Microsoft.ContainerRegistry/registries", "main.prod")
    assert given["registryEndpoint"] == f"{registry.name}.azurecr.io"


@pytest.mark.parametrize("worker", [spec.name for spec in WORKERS])
def test_a_workers_parameters_come_from_azds_environment(worker: str) -> None:
    """The variables are azd's own, outputs of main.bicep, or settings that the docs name."""
    given = json.loads((AZURE / f"{worker}.parameters.json").read_text())["parameters"]
    declared = parameters(f"{worker}.bicep")
    assert set(given) <= set(declared)
    assert {name for name, each in declared.items() if each.required} <= set(given)
    azd = {"AZURE_ENV_NAME", "AZURE_LOCATION"}
    image = f"SERVICE_{worker.upper().replace('-', '_')}_IMAGE_NAME"
    documented = set(re.findall(r"`([A-Z_]+)`", DOCUMENTATION))
    for name, each in given.items():
        variable = re.fullmatch(r"\$\{([A-Z_]+)(=\w*)?\}", each["value"])
        assert variable, name
        assert variable[1] in azd | {image} | set(outputs("main.prod")) | documented


def test_the_platform_has_mains_parameters() -> None:
    main, platform = parameters("main.bicep"), parameters("platform.bicep")
    assert set(main) - {"resourceGroupName"} == set(platform)
    for name in set(platform) - {"location"}:
        assert main[name].default == platform[name].default, name
        limits = [
            {each: value for each, value in which[name].decorators.items() if each != "description"}
            for which in (main, platform)
        ]
        assert limits[0] == limits[1], name


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


def test_azd_finds_each_service_by_its_tag() -> None:
    services = yaml.safe_load((ROOT / "azure.yaml").read_text())["services"]
    hosts = {"containerapp": "Microsoft.App/containerApps", "function": "Microsoft.Web/sites"}
    tagged = {
        (tags["azd-service-name"], each.type)
        for example in EXAMPLES
        for each in resources(example)
        if "azd-service-name" in (tags := each.at("tags") or {}) and each.type in hosts.values()
    }
    assert tagged == {(name, hosts[each["host"]]) for name, each in services.items()}
    workers = {name for name, each in services.items() if each["host"] == "containerapp"}
    assert workers == {spec.name for spec in WORKERS}, (
        "azure.yaml needs one service with `host: containerapp` for each of core.contracts.WORKERS"
    )


@pytest.mark.parametrize("example", EXAMPLES)
def test_everything_deployed_for_an_environment_is_tagged_with_it(example: str) -> None:
    """By it azd takes down an environment, and a bill is read."""
    profile = example.partition(".")[2]
    tags = [tags for each in resources(example) if (tags := each.at("tags"))]
    assert tags
    assert all(each["azd-env-name"] == profile for each in tags)
    assert all(each["application"] == "tidegate" for each in tags)


@pytest.mark.parametrize("name", sorted(parameters("main.bicep")))
def test_every_parameter_is_documented(name: str) -> None:
    assert re.search(rf"^\| [^|]*`{name}`", DOCUMENTATION, re.M)


@pytest.mark.parametrize("example", PLATFORMS)
def test_no_output_is_a_secret(example: str) -> None:
    assert not re.search(r"parameters\(|listKeys|secrets/", json.dumps(outputs(example)))
