"""The `tidegate` command's own help, and what it loads before it knows what to do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from core.cli.main import app


def walk(command: Any, *names: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The command, with its path from `tidegate`, and all commands below it."""
    yield names, command
    for name, child in getattr(command, "commands", {}).items():
        yield from walk(child, *names, name)


DOCUMENTATION = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
COMMANDS = dict(walk(typer.main.get_command(app)))
PATHS = pytest.mark.parametrize("path", COMMANDS, ids=lambda path: " ".join(path) or "tidegate")


def test_the_walk_reaches_every_depth() -> None:
    assert {(), ("doctor",), ("incident",), ("incident", "ack")} <= set(COMMANDS)


@PATHS
def test_help_begins_with_a_sentence_on_what_the_command_does(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "500"})
    assert result.exit_code == 0
    sentence = str(COMMANDS[path].help).partition("\n")[0]
    assert sentence.endswith(".")
    assert sentence in " ".join(result.output.split())


@PATHS
def test_every_option_and_argument_has_help(path: tuple[str, ...]) -> None:
    silent = [parameter.name for parameter in COMMANDS[path].params if not parameter.help]
    assert silent == []


@PATHS
def test_the_documentation_has_a_row_for_a_command_and_no_option_that_it_lacks(
    path: tuple[str, ...],
) -> None:
    name = " ".join(("tidegate", *path))
    rows = re.findall(rf"^\| `{re.escape(name)}(?: [A-Z]+)?` \|(.*)", DOCUMENTATION, re.M)
    if not hasattr(COMMANDS[path], "commands"):
        assert len(rows) == 1, f"docs/cli.md needs one row that begins with | `{name}` |"
    options = {name for parameter in COMMANDS[path].params for name in parameter.opts}
    assert set(re.findall(r"--[a-z-]+", "".join(rows))) <= options


@pytest.mark.parametrize(
    ("arguments", "variables", "printed"),
    [
        (["--version"], {}, "tidegate "),
        (
            [],
            {
                "_TIDEGATE_COMPLETE": "complete_bash",
                "COMP_WORDS": "tidegate quar",
                "COMP_CWORD": "1",
            },
            "quarantine",
        ),
    ],
    ids=["--version", "completion"],
)
def test_the_command_starts_without_what_only_some_of_its_commands_need(
    arguments: list[str], variables: dict[str, str], printed: str
) -> None:
    code = "from core.cli.program import program; program()"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code, *arguments],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    loaded = set(re.findall(r"\| +(\S+)$", done.stderr, re.M))
    packages = {name.partition(".")[0] for name in loaded}
    heavy = {
        "azure",
        "boto3",
        "functions_aws",
        "infra",
        "jmespath",
        "temporalio",
        "workers",
        "yaml",
    }
    assert done.stdout.startswith(printed)
    assert "core.cli.main" in loaded
    assert packages & heavy == set()
    modules = {"core.operations", "core.webhooks.endpoints", "core.formats.mapping"}
    assert loaded & {*modules, "rich.progress"} == set()


def test_ctrl_c_while_the_command_loads_ends_it_without_a_traceback() -> None:
    code = """
import sys
from core.cli.program import program

class Interrupt:
    def find_spec(self, name, path, target=None):
        if name == "core.cli.main":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
program()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
