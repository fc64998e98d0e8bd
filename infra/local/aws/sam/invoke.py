"""`sam build` of a template, and `sam local invoke` in Lambda's image.

SAM passes a function only those variables that the template names, whatever the file for
`--env-vars` holds (checked with 1.170). Secrets of the local webhooks and the address of a local
AWS are not among a deployment's variables, so a copy of the built template that names them is
invoked. And for `AWS::NoValue` SAM passes an empty text, CloudFormation nothing: the copy omits
such variables."""

from __future__ import annotations

import json
import platform
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from infra.local.aws.servers import BUCKET
from infra.local.containers import docker
from infra.local.environment import WEBHOOKS
from infra.local.processes import ROOT, LocalStackError, Processes, wait_until

SAM: Final = ROOT / ".venv-deploy" / "bin" / "sam"

ARCHITECTURE: Final = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
IMAGE: Final = f"public.ecr.aws/lambda/python:3.13-{ARCHITECTURE}"
"""Lambda's image, as SAM names it for the template's runtime."""

_BUILD_TIMEOUT: Final = 900.0
_INVOKE_TIMEOUT: Final = 600.0
"""Seconds; the first invocation may have an image to pull."""
BUILD_ID: Final = "sam-local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A template with functions, and values for its parameters that have no default or another."""

    name: str
    path: str
    parameters: Sequence[str]

    @property
    def options(self) -> list[str]:
        common = ("TemporalAddress=temporal:7233", "TemporalAuth=none")
        architecture = f"Architecture={ARCHITECTURE}"
        return ["--parameter-overrides", *common, architecture, *self.parameters]


LISTENERS: Final = Template(
    name="listeners", path="template.yaml", parameters=("Encryption=AWS-managed",)
)
WORKERS: Final = Template(
    name="workers",
    path="infra/aws/serverless-workers.yaml",
    parameters=(
        f"DocumentsBucketName={BUCKET}",
        f"RecordsBucketName={BUCKET}",
        "AlarmTopicArn=arn:aws:sns:eu-west-1:111122223333:tidegate-alarms",
        "TemporalPrincipalArns=arn:aws:iam::111122223333:role/temporal",
        "ExternalId=sam-local-external-id",
        f"BuildId={BUILD_ID}",
    ),
)
_CONTAINER: Final = re.compile(r"SAM_CONTAINER_ID: ([0-9a-f]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """A function's response, and the JSON lines that it logged."""

    answer: Any
    lines: Sequence[Mapping[str, Any]]
    seconds: float

    @property
    def receipts(self) -> list[dict[str, Any]]:
        return [receipt for line in self.lines for receipt in line.get("receipts", [])]


def build(processes: Processes, env: Mapping[str, str], folder: Path, template: Template) -> Path:
    """Run `sam build` for this machine, with the local stack's webhooks; returns the built
    template. Raises `LocalStackError` with SAM's last lines."""
    command = [str(SAM), "build", "--config-file", str(ROOT / "samconfig.toml")]
    command += ["--config-env", "local", "--template", str(ROOT / template.path)]
    command += ["--build-dir", str(folder / template.name), *template.options]
    variables = {"ARCHITECTURE": ARCHITECTURE, "WEBHOOKS": str(WEBHOOKS)}
    child = processes.start(f"sam-build-{template.name}", command, {**env, **variables})
    wait_until(lambda: not child.alive, _BUILD_TIMEOUT, "sam build")
    if child.code != 0:
        raise LocalStackError(f"sam build failed\n{child.last_words()}", fix="see its output")
    return folder / template.name / "template.yaml"


def prepare(template: Path, variables: Mapping[str, str]) -> tuple[Path, Path]:
    """A copy of the built template that names these variables, and a file with their values."""
    content = yaml.safe_load(template.read_text())
    environment = content["Globals"]["Function"]["Environment"]
    kept = {name: v for name, v in environment["Variables"].items() if not _may_be_absent(v)}
    environment["Variables"] = {**kept, **dict.fromkeys(variables, "")}
    copy, values = template.with_name("local.yaml"), template.with_name("variables.json")
    copy.write_text(yaml.safe_dump(content, sort_keys=False))
    values.write_text(json.dumps({"Parameters": dict(variables)}, indent=2))
    return copy, values


@dataclass(frozen=True, slots=True, kw_only=True)
class Functions:
    """The built functions of a template. `images` are SAM's own options about the image."""

    processes: Processes
    env: Mapping[str, str]
    source: Template
    template: Path
    variables: Path
    images: Sequence[str] = ()

    def invoke(self, function: str, event: Path) -> Invocation:
        """Invoke a function in a container, which is removed afterwards. Raises `LocalStackError`
        when SAM fails; the error of a function is a response."""
        logged = self.variables.with_name(f"{event.stem}.log")
        command = [str(SAM), "local", "invoke", function, "--event", str(event)]
        command += ["--config-file", str(ROOT / "samconfig.toml"), "--config-env", "local"]
        command += ["--template", str(self.template), "--env-vars", str(self.variables)]
        command += ["--log-file", str(logged), *self.images]
        command += self.source.options
        begun = time.monotonic()
        child = self.processes.start(event.stem, command, self.env)
        try:
            wait_until(lambda: not child.alive, _INVOKE_TIMEOUT, f"sam local invoke {function}")
        finally:
            if child.code != 0:
                child.stop()
                _remove(child.output())
        if child.code != 0:
            raise LocalStackError(f"sam local invoke failed\n{child.last_words()}")
        log = logged.read_text()
        return Invocation(
            answer=_answer(log), lines=_json_lines(log), seconds=time.monotonic() - begun
        )


def _may_be_absent(value: Any) -> bool:
    return isinstance(value, dict) and {"Ref": "AWS::NoValue"} in value.get("Fn::If", ())


def _answer(log: str) -> Any:
    """The response, which SAM writes as the last line, after all that the function logged."""
    for line in reversed(log.splitlines()):
        with suppress(ValueError):
            return json.loads(line)
    return None


def _json_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def _remove(output: str) -> None:
    """Remove the containers of a SAM that could not clean up."""
    for container in _CONTAINER.findall(output):
        with suppress(LocalStackError):
            docker("rm", "--force", container)
