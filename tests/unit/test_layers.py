"""The layers gate refuses what it must, by a contract whose name says what to do instead."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("core", "functions_aws", "functions_azure", "workers", "infra")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the code, to be broken."""
    for name in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__", "node_modules")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(tree: Path) -> str:
    """What the gate says about the tree, as one line."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    return " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("module", "line", "chain"),
    [
        (
            "workers/incident/workflow/throttle.py",
            "import requests",
            "workers.incident.workflow.throttle -> requests",
        ),
        (
            "workers/incident/workflow/state.py",
            "from workers.incident.paging import pager",
            "workers.incident.workflow.state -> workers.incident.paging.pager",
        ),
        (
            "workers/root_orchestrator/workflows.py",
            "from core import bootstrap",
            "workers.root_orchestrator.workflows -> core.bootstrap",
        ),
        (
            "workers/incident/payloads.py",
            "from core.config.settings import Settings",
            "workers.incident.payloads -> core.config.settings",
        ),
    ],
)
def test_workflow_code_that_imports_io_is_refused(
    tree: Path, module: str, line: str, chain: str
) -> None:
    with (tree / module).open("a") as file:
        file.write(f"{line}\n")
    said = lint(tree)
    assert (
        "workers: workflow code may not do I/O: do it in the worker's activities.py, and call the "
        "activity BROKEN"
    ) in said
    assert chain in said


def test_an_import_cycle_of_the_listeners_is_refused(tree: Path) -> None:
    with (tree / "functions_azure" / "telemetry.py").open("a") as file:
        file.write("from functions_azure import runtime\n")
    assert (
        "functions_azure have no import cycles: move what both files need into a third BROKEN"
        in (lint(tree))
    )
