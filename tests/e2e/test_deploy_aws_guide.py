"""docs/deploy-aws.md, followed by somebody who has never seen it: the commands of the page, in its
order and as they are printed. SAM, the AWS CLI and make are real; CloudFormation is a stand-in that
records change sets, and the rest of AWS is moto."""

from __future__ import annotations

import os
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from infra.local.aws.account import REGION
from infra.local.aws.servers import aws_environment
from infra.local.environment import outside_environment
from infra.local.processes import ROOT, program
from tests.support.change_sets import ACCOUNT, ChangeSet, cloudformation
from tests.support.cloudformation import template
from tests.support.console import BASH, blocks
from tests.support.soak import sampled

pytestmark = [pytest.mark.slow, pytest.mark.soak]

PAGE = ROOT / "docs" / "deploy-aws.md"
DEPLOY = ROOT / ".venv-deploy" / "bin"
EXAMPLE = ROOT / "infra" / "aws" / "installation.example.toml"
EXAMPLES = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
ALL_SECTIONS = ("default", "registry", "workers", "serverless", "edge", "deployers")
"""Of `EXAMPLE`, in the page's order."""
SECTIONS = sampled(ALL_SECTIONS, ALL_SECTIONS[:3])
"""Those that are deployed: each takes SAM five seconds."""
BUCKET = "artefacts-of-sam"
REPOSITORY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/tidegate-worker"
DIGEST = f"{REPOSITORY}@sha256:{'0' * 64}"
OUTPUTS = {
    "tidegate": {name: f"its-{name}" for name in template("template.yaml")["Outputs"]},
    "tidegate-registry": {"RepositoryUri": REPOSITORY, "RepositoryArn": "its-RepositoryArn"},
}
WRITTEN = ("temporal.json", "paging.json", "client-secret", "signing-secret")
"""What the reader writes before a block that reads it."""
STAND_INS = {
    # What acts on resources that a change set would have made, or asks Temporal: a test of every
    # documented command looks at its arguments.
    "tidegate": "",
    "temporal": "",
    "aws": """\
case "$1 $2" in
  "cloudformation describe-stack-resource") echo a-role ;;
  iam* | lambda* | ecs* | s3* | sqs*) ;;
  *) exec "$AWS_CLI" "$@" ;;
esac""",
    "sam": """\
case "$1 $LEFT_OUT " in
  delete* | *" ${!#} "*) ;;
  *) exec "$SAM_CLI" "$@" ;;
esac""",
    "docker": f"""\
case "$*" in
  login*) cat > /dev/null ;;
  *.Architecture*) echo linux/arm64 ;;
  *RepoDigests*) echo {DIGEST} ;;
esac""",
    # It needs Docker itself, and tests/e2e/test_sam_local.py runs it where there is one.
    "make": """\
case "$1" in
  sam-local) ;;
  *) exec /usr/bin/make "$@" ;;
esac""",
}
"""The programs that are not real, or not always: each records its arguments first."""


@dataclass(frozen=True, slots=True)
class Walk:
    """What came of following the page."""

    created: list[ChangeSet]
    templates: list[dict[str, Any]]
    """The template of each change set, as SAM uploaded it."""
    calls: list[str]
    """The calls of stand-ins."""
    files: list[str]
    """What is in the folder afterwards."""
    changes: str
    """What git says of the folder afterwards."""
    output: str


def repository(folder: Path) -> None:
    """A checkout of what is in the working tree, with a commit of its own."""
    names = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    ).stdout.decode()
    for name in names.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "all")


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
    ).stdout


def stand_ins(folder: Path, calls: Path) -> None:
    folder.mkdir()
    for name, script in STAND_INS.items():
        record = f"#!/bin/bash\nprintf '%s\\n' \"{name} $*\" >> {calls}\n"
        (folder / name).write_text(record + script + "\n")
        (folder / name).chmod(0o755)


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory, aws_server: str) -> Walk:
    """The whole page, once, in one shell. Its questions are answered with yes."""
    home = tmp_path_factory.mktemp("home")
    checkout, calls, bin_folder = home / "tidegate", home / "calls", home / "bin"
    repository(checkout)
    stand_ins(bin_folder, calls)
    s3 = boto3.client(
        "s3",
        region_name=REGION,
        endpoint_url=aws_server,
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    script = "".join(
        "".join(f"echo '{{}}' > {file}\n" for file in WRITTEN if f"file://{file}" in block.text)
        + block.text
        for block in blocks(PAGE)
    )
    with cloudformation(BUCKET, OUTPUTS) as stub:
        env = outside_environment() | aws_environment(aws_server)
        env |= {
            "AWS_ENDPOINT_URL_CLOUDFORMATION": stub.url,
            "AWS_CLI": str(DEPLOY / "aws"),
            "SAM_CLI": str(DEPLOY / "sam"),
            "LEFT_OUT": " ".join({*ALL_SECTIONS} - {*SECTIONS}),
            "SAM_CLI_TELEMETRY": "0",
            "SAM_CLI_POLL_DELAY": "0.2",
            "PATH": f"{bin_folder}:{Path(program('uv')).parent}:{os.environ['PATH']}",
        }
        with subprocess.Popen(["yes"], stdout=subprocess.PIPE) as yes:
            ran = subprocess.run(
                [BASH, "-eux", "-o", "pipefail", "-c", script],
                cwd=checkout,
                env=env,
                stdin=yes.stdout,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            yes.kill()
    assert ran.returncode == 0, ran.stdout[-6000:]
    bodies = [s3.get_object(Bucket=BUCKET, Key=each.template_key)["Body"] for each in stub.created]
    return Walk(
        created=stub.created,
        templates=[yaml.safe_load(body.read()) for body in bodies],
        calls=calls.read_text().splitlines(),
        files=[path.name for path in checkout.iterdir()],
        changes=git(checkout, "status", "--porcelain"),
        output=ran.stdout,
    )


def source(section: str) -> str:
    """The template of a section's stack, which SAM may build first."""
    build = EXAMPLES[section].get("build", {}).get("parameters", {})
    return str({"template_file": "template.yaml", **configured(section), **build}["template_file"])


def configured(section: str) -> dict[str, Any]:
    """What the example has for `sam deploy`, in a section."""
    parameters: dict[str, Any] = EXAMPLES[section]["deploy"]["parameters"]
    return parameters


def test_each_stack_comes_to_a_change_set(walk: Walk) -> None:
    stacks = [EXAMPLES[name]["global"]["parameters"]["stack_name"] for name in SECTIONS]
    assert [each.stack for each in walk.created] == stacks
    assert {*stacks} >= {"tidegate", "tidegate-registry", "tidegate-workers"}


def test_a_change_set_has_the_parameters_and_capabilities_of_the_configuration(walk: Walk) -> None:
    for change_set, section in zip(walk.created, SECTIONS, strict=True):
        expected = configured(section)
        given = [f"{name}={value}" for name, value in change_set.parameters.items()]
        assert sorted(given) == sorted(expected.get("parameter_overrides", [])), section
        assert change_set.capabilities == {*expected.get("capabilities", [])}, section
        assert change_set.tags == {"application": "tidegate"}, section


def test_a_change_set_has_the_template_of_the_repository(walk: Walk) -> None:
    for made, section in zip(walk.templates, SECTIONS, strict=True):
        ours = template(source(section))
        assert made["Parameters"].keys() == ours["Parameters"].keys()
        assert made["Resources"].keys() == ours["Resources"].keys()


def test_the_code_of_the_functions_is_uploaded_and_nested_templates_too(walk: Walk) -> None:
    front, _, workers, *_ = walk.templates
    uris = [
        resource["Properties"].get("CodeUri") or resource["Properties"].get("Location")
        for resource in [*front["Resources"].values(), *workers["Resources"].values()]
        if resource["Type"] in ("AWS::Serverless::Function", "AWS::Serverless::Application")
    ]
    assert len(uris) == 7
    assert all(BUCKET in uri for uri in uris), uris


def test_the_image_goes_from_the_build_to_the_repository(walk: Walk) -> None:
    docker = [call.removeprefix("docker ") for call in walk.calls if call.startswith("docker ")]
    build, login, *rest = [call for call in docker if call.split()[0] in ("build", "login", "push")]
    assert "--platform linux/arm64" in build
    assert login == f"login --username AWS --password-stdin {REPOSITORY.partition('/')[0]}"
    [push] = rest
    assert push.startswith(f"push --quiet {REPOSITORY}:")
    assert push.endswith("-arm64")
    assert f"\n{DIGEST}\n" in walk.output


def test_no_file_of_the_repository_changes_and_no_credentials_are_left(walk: Walk) -> None:
    assert walk.changes == ""
    assert [name for name in walk.files if name in WRITTEN] == []


@pytest.mark.parametrize("name", [*WRITTEN, "installation.toml", "installation-dev.toml"])
def test_git_ignores_what_the_reader_writes(name: str) -> None:
    assert git(ROOT, "check-ignore", name).strip() == name
