"""installation.example.toml, which a user copies and deploys with: its parameters are those of the
templates and satisfy them, and each stack has the capabilities that its template needs."""

from __future__ import annotations

import re
import tomllib
from typing import Any, Final

import pytest

from tests.support.cloudformation import DEPLOYER, ROOT, template
from tests.support.iam import allows
from tests.support.template_parameters import refusals
from tests.unit.infra.test_aws_deployer import PIPELINE, WITH_THE_ROLE, arn

EXAMPLE: Final = "infra/aws/installation.example.toml"
SECTIONS: Final = tomllib.loads((ROOT / EXAMPLE).read_text(encoding="utf-8"))
STACKS: Final = [name for name in SECTIONS if name != "version"]
DEPLOYED_WITHIN: Final = {"infra/aws/alarms.yaml", "infra/aws/worker.yaml"}
"""The templates of nested stacks."""


def deploy(section: str) -> dict[str, Any]:
    options: dict[str, Any] = SECTIONS[section]["deploy"]["parameters"]
    return options


def source(section: str) -> str:
    """The template of a section's stack, which SAM may build first. Without one, SAM takes what
    `sam build` has made of template.yaml."""
    build: dict[str, Any] = SECTIONS[section].get("build", {}).get("parameters", {})
    if build:
        assert deploy(section)["template_file"] == f"{build['build_dir']}/template.yaml"
        assert build["build_in_source"] is True
    return str({"template_file": "template.yaml", **deploy(section), **build}["template_file"])


def made_of(section: str) -> dict[str, Any]:
    return template(source(section))


def test_every_template_is_a_stack_of_the_example() -> None:
    named = {source(section) for section in STACKS}
    templates = {f"infra/aws/{path.name}" for path in (ROOT / "infra" / "aws").glob("*.yaml")}
    assert named == {"template.yaml"} | templates - DEPLOYED_WITHIN - {"infra/aws/webhooks.yaml"}


@pytest.mark.parametrize("section", STACKS)
def test_the_parameters_are_the_template_s_and_satisfy_it(section: str) -> None:
    given = dict(line.split("=", 1) for line in deploy(section).get("parameter_overrides", []))
    parameters = made_of(section)["Parameters"]
    assert given.keys() <= parameters.keys()
    for name, parameter in parameters.items():
        value = given.get(name, parameter.get("Default"))
        assert value is not None, f"{name} is required"
        each = str(value).split(",") if parameter["Type"].startswith(("List", "Comma")) else [value]
        for one in map(str, each):
            assert re.fullmatch(parameter.get("AllowedPattern", ".*"), one), f"{name}={one}"
            assert one in map(str, parameter.get("AllowedValues", [one])), f"{name}={one}"


@pytest.mark.parametrize("section", STACKS)
def test_a_stack_has_the_capabilities_that_its_template_needs(section: str) -> None:
    """AWS: CreateChangeSet, Capabilities."""
    made = made_of(section)["Resources"].values()
    identity = [each for each in made if each["Type"].startswith("AWS::IAM::")]
    named = any(
        {"RoleName", "ManagedPolicyName"} & each.get("Properties", {}).keys() for each in identity
    )
    nested = any(each["Type"].startswith("AWS::Serverless::") for each in made)
    needed = {"CAPABILITY_NAMED_IAM" if named else "CAPABILITY_IAM"} if identity else set()
    needed |= {"CAPABILITY_AUTO_EXPAND"} if nested else set()
    assert {*deploy(section).get("capabilities", [])} == needed


def test_a_stack_with_functions_is_built_into_a_folder_of_its_own() -> None:
    """Deployed from its source, the whole checkout would be uploaded as its code."""
    functions = {
        section
        for section in STACKS
        if any(
            each["Type"] == "AWS::Serverless::Function"
            for each in made_of(section)["Resources"].values()
        )
    }
    assert functions == {"default", "serverless"}
    built = {section for section in STACKS if "build" in SECTIONS[section]}
    assert functions - built == {"default"}, "SAM's own folder is the front door's"


@pytest.mark.parametrize("section", STACKS)
def test_a_stack_is_deployed_after_a_question(section: str) -> None:
    assert deploy(section)["confirm_changeset"] is True


def test_the_pipeline_may_change_the_stacks_of_its_region_but_not_its_own_roles() -> None:
    """deployer.yaml grants the names Name, or Name and a hyphen. The firewall is in another region,
    and an administrator deploys it."""
    for section in STACKS:
        options = SECTIONS[section]["global"]["parameters"]
        stack = arn("cloudformation", f"stack/{options['stack_name']}/0a", region=options["region"])
        may = allows(PIPELINE, "cloudformation:CreateChangeSet", stack, WITH_THE_ROLE)
        assert may == (section not in ("deployers", "edge")), stack


def test_only_the_stack_of_the_pipeline_s_roles_has_another_prefix() -> None:
    """Of its name, and of its artefacts: Name is what the pipeline may change and upload under."""
    for section in STACKS:
        stack = SECTIONS[section]["global"]["parameters"]["stack_name"]
        within = re.fullmatch(r"tidegate(-.+)?", stack) is not None
        assert within == (section != "deployers"), stack
        assert (deploy(section)["s3_prefix"] == "tidegate") == within, stack


def test_a_pipeline_is_granted_what_workers_and_a_domain_need() -> None:
    """deployer.yaml grants nothing of a network or a zone that it is not given. A domain is an
    option, so its lines are comments."""
    lines = (
        (ROOT / EXAMPLE).read_text(encoding="utf-8").partition("[deployers.deploy.parameters]")[2]
    )
    section = lines.partition("\n]\n")[0]
    named = dict(re.findall(r'^    (?:# )?"(\w+)=(.*)",$', section, re.MULTILINE))
    assert {"VpcId", "DomainName", "HostedZoneId"} <= named.keys()
    assert refusals(template(DEPLOYER), named) == []
    assert f"VpcId={named['VpcId']}" in deploy("workers")["parameter_overrides"]
