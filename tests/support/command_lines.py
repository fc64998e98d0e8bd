"""What each program takes that the documentation calls, and what is wrong with a call.

`aws`, `sam`, `tidegate` and `uvicorn` are asked by their own parsers, `temporal` by its help,
`make` by the Makefile. For what no test can install there is a table: recorded from the Azure CLI's
parser, and for the few calls of other programs copied from their reference.
"""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import click
import typer
import uvicorn

from core.cli.main import app
from infra.local.processes import program
from tests.support.cloudformation import template
from tests.support.console import ROOT, Invocation

DEPLOY_TOOLS: Final = ROOT / ".venv-deploy" / "bin" / "python"
"""The environment of the deployment tools; `make .deploy-tools` makes it."""
INSTALLATION: Final = ROOT / "infra" / "aws" / "installation.example.toml"
AZ_TABLE: Final = Path(__file__).with_name("az_commands.txt")
AZ_OF_EVERY_COMMAND: Final = "--output/-o --query --help/-h --debug --verbose --only-show-errors"
AZD: Final = {
    "auth login": "",
    "deploy": "",
    "down": "--force --purge",
    "env get-value": "",
    "env get-values": "",
    "env new": "--location --subscription",
    "env set": "",
    "provision": "--preview",
    "up": "",
}
"""https://learn.microsoft.com/azure/developer/azure-developer-cli/reference"""
DOCKER: Final = {
    "build": "--build-arg --file --platform --push --tag",
    "compose exec": "",
    "compose up": "--build --detach",
    "inspect": "--format",
    "login": "--password-stdin --username",
    "push": "",
    "run": "--privileged --rm --stop-timeout",
    "tag": "",
}
"""https://docs.docker.com/reference/cli/docker/"""
FUNC: Final = {"azure functionapp publish": "--python"}
"""https://learn.microsoft.com/azure/azure-functions/functions-core-tools-reference"""
GIT: Final = {"checkout": "", "clone": "", "rev-parse": "--short", "status": "--short"}
"""https://git-scm.com/docs"""


def faults(calls: Sequence[Invocation]) -> dict[Invocation, str]:
    """What is wrong with those calls that have a fault."""
    asked = [call for call in calls if call.program in ("aws", "sam")]
    found = dict(zip(asked, _by_their_parsers(asked), strict=True))
    texts = {call: found.get(call) or _fault(call) for call in calls}
    return {call: text for call, text in texts.items() if text and not _left_out(call, text)}


def _left_out(call: Invocation, text: str) -> bool:
    """Whether nothing is wrong but that the prose does not give every argument in full."""
    needs = ("needs ", "the following arguments are required", "requires an argument")
    return call.in_prose and ("..." in call.arguments or any(each in text for each in needs))


def _by_their_parsers(calls: Sequence[Invocation]) -> list[str]:
    commands = [[call.program, *call.arguments] for call in calls]
    asked = subprocess.run(
        [str(DEPLOY_TOOLS), str(Path(__file__).with_name("aws_command_lines.py"))],
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 0, asked.stderr
    answers: list[str] = json.loads(asked.stdout)
    return answers


def by_table(table: Mapping[str, str], arguments: Sequence[str]) -> str:
    """By a table from commands to their options: each with its aliases, ! where it is required."""
    words = list(arguments)
    while words and " ".join(words) not in table:
        words.pop()
    if not words:
        return "there is no such command, or the table does not have it"
    options = {o.rstrip("!"): o.endswith("!") for o in table[" ".join(words)].split()}
    given = {a.partition("=")[0] for a in arguments[len(words) :] if re.match(r"--?[a-zA-Z]", a)}
    if unknown := given - {name for names in options for name in names.split("/")}:
        return f"no such option: {' '.join(sorted(unknown))}"
    missing = [n for n, required in options.items() if required and not given & {*n.split("/")}]
    return f"needs {' '.join(missing)}" if missing else ""


@cache
def az_table() -> Mapping[str, str]:
    """The recorded commands of the Azure CLI and what each of them takes."""
    lines = AZ_TABLE.read_text(encoding="utf-8").splitlines()
    pairs = [line.partition(" # ")[0].partition(":") for line in lines if line[:1] not in ("#", "")]
    return {command: f"{options} {AZ_OF_EVERY_COMMAND}" for command, _, options in pairs}


def _docker(call: Invocation) -> str:
    words = [*call.arguments]
    if words[:1] == ["compose"] and words[1:2] in (["--file"], ["-f"]):
        del words[1:3]
    end = len(words)
    inner = ""
    if words[:2] == ["compose", "exec"]:
        end = 2
        inner = _fault(Invocation(words[3], tuple(words[4:])))
    elif words[:1] == ["run"]:  # what follows the image is the container's
        places = range(1, len(words))
        images = (i for i in places if words[i][0] != "-" and words[i - 1] != "--stop-timeout")
        end = next(images, end)
    return by_table(DOCKER, words[:end]) or inner


def _make(call: Invocation) -> str:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for word in call.arguments:
        name, equals, _ = word.partition("=")
        pattern = rf"^{name} [?:]?=" if equals else rf"^{re.escape(word)}:.*## "
        if not re.search(pattern, makefile, re.M):
            return f"the Makefile has no {name}"
    return ""


def _tidegate(call: Invocation) -> str:
    command: Any = typer.main.get_command(app)
    context, rest = click.Context(command, info_name="tidegate"), list(call.arguments)
    try:
        while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
            name, *rest = rest
            if name not in command.commands:
                return f"there is no command {name}"
            command = command.commands[name]
            context = click.Context(command, info_name=name, parent=context)
        given, remaining, _ = command.make_parser(context).parse_args(rest)
    except (click.ClickException, typer.TyperException) as error:
        return str(error)
    missing = [p.name for p in command.params if p.required and given.get(p.name) in (None, ())]
    if remaining:
        return f"takes no {' '.join(remaining)}"
    return f"needs {' '.join(missing)}" if missing else ""


def _temporal(call: Invocation) -> str:
    words = [*call.arguments]
    end = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
    asked = subprocess.run(
        [program("temporal"), *words[:end], "--help", *words[end:]],
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode:
        return asked.stderr.strip()
    if "\nAvailable Commands:" in asked.stdout:
        return f"there is no such command, but {asked.stdout}"
    return ""


def _sam(call: Invocation) -> str:
    """Whether `--config-file` is the reader's copy of the example of an installation,
    `--config-env` a section of it, and whether `--parameter-overrides` are parameters of the
    template."""
    words = [*call.arguments]
    copy = INSTALLATION.name.replace(".example", "")
    if "--config-file" in words and (file := words[words.index("--config-file") + 1]) != copy:
        return f"there is no {file}, only {copy}"
    if "--config-env" in words:
        section = words[words.index("--config-env") + 1]
        if section not in tomllib.loads(INSTALLATION.read_text(encoding="utf-8")):
            return f"{INSTALLATION.name} has no section {section}"
    if "--parameter-overrides" not in words:
        return ""
    named = [words[i + 1] for i, word in enumerate(words) if word in ("--template", "-t")]
    known = template(named[0] if named else "template.yaml")["Parameters"]
    values = words[words.index("--parameter-overrides") + 1 :]
    unknown = [word for word in values if word.partition("=")[0] not in known]
    return f"the template has no {' '.join(unknown)}" if unknown else ""


def _uvicorn(call: Invocation) -> str:
    """Whether the options are its own, and the application is a factory of ours."""
    try:
        with uvicorn.main.make_context("uvicorn", [*call.arguments]) as context:
            module, _, name = context.params["app"].partition(":")
            is_factory = context.params["factory"]
    except click.ClickException as error:
        return str(error)
    found = callable(getattr(importlib.import_module(module), name, None))
    return "" if found and is_factory else f"there is no factory {module}:{name}"


def _fault(call: Invocation) -> str:
    return CHECKS[call.program](call)


def _anything(_: Invocation) -> str:
    return ""


CHECKS: Final[Mapping[str, Callable[[Invocation], str]]] = {
    "aws": _anything,  # its parser says it all
    "az": lambda call: by_table(az_table(), call.arguments),
    "azd": lambda call: by_table(AZD, call.arguments),
    "docker": _docker,
    "func": lambda call: by_table(FUNC, call.arguments),
    "git": lambda call: by_table(GIT, call.arguments),
    "make": _make,
    "sam": _sam,
    "temporal": _temporal,
    "tidegate": _tidegate,
    "uvicorn": _uvicorn,
    # No vendor changes what these take.
    **dict.fromkeys(
        ("cat", "cp", "curl", "jq", "mkdir", "openssl", "pip-audit", "rm", "uv"), _anything
    ),
}
