"""The files of infra/azure agree with each other, with azd and with the documentation."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from core.contracts import WORKERS
from tests.support.azure_parameters import TEMPLATES, parameters
from tests.support.azure_snapshot import (
    AZURE,
    EXAMPLES,
    PLATFORMS,
    ROOT,
    made,
    only,
    outputs,
    resources,
)


def test_every_module_file_is_used() -> None:
    used = {
        (AZURE / template).parent.joinpath(path).resolve().relative_to(AZURE).as_posix()
        for template in TEMPLATES
        for path in re.findall(
            r"^(?:module \w+|import \{.*\} from) '(\S+)'", (AZURE / template).read_text(), re.M
        )
    }
    workers = {f"{spec.name}.bicep" for spec in WORKERS}
    assert set(TEMPLATES) == used | workers | {"main.bicep", "deployer.bicep"}


def test_there_are_examples_of_both_profiles_and_of_every_worker() -> None:
    workers = {f"{spec.name}.prod" for spec in WORKERS}
    assert set(EXAMPLES) == {"main.dev", "main.prod", "deployer.prod"} | workers


@pytest.mark.parametrize("worker", [spec.name for spec in WORKERS])
def test_a_workers_example_is_of_the_platform_in_mains_example(worker: str) -> None:
    """It finds its neighbours by names that both work out from the group and the environment."""
    app = only("Microsoft.App/containerApps", f"{worker}.prod")
    assert (
        app.at("properties.environmentId")
        == only("Microsoft.App/managedEnvironments", "main.prod").id
    )
    identities = {
        each.id for each in made("Microsoft.ManagedIdentity/userAssignedIdentities", "main.prod")
    }
    assert set(app.at("identity.userAssignedIdentities")) <= identities
    registry = only("Microsoft.ContainerRegistry/registries", "main.prod").name
    [server] = [each["server"] for each in app.at("properties.configuration.registries")]
    assert registry in server
    [container] = app.at("properties.template.containers")
    assert container["image"].startswith(f"{registry}.")


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


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_number_with_a_minimum_has_a_maximum(template: str) -> None:
    """Otherwise a slip of the keyboard is found by Azure, or by the bill."""
    bounds = [
        set(each.decorators) & {"minValue", "maxValue"} for each in parameters(template).values()
    ]
    assert all(len(each) in (0, 2) for each in bounds), template


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


@pytest.mark.parametrize("example", PLATFORMS)
def test_no_output_is_a_secret(example: str) -> None:
    assert not re.search(r"parameters\(|listKeys|secrets/", json.dumps(outputs(example)))
