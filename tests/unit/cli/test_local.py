"""`tidegate dev`: what it refuses before anything starts, and how a running stack is found."""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path
from threading import Timer
from typing import Any, get_args

import pytest

from core.contracts import INCIDENT_WORKER, ROOT_WORKER, WORKERS
from infra.local import demo, dev
from infra.local.endpoints import (
    Endpoints,
    NoLocalStack,
    alone,
    announced,
    env_file,
    exports,
    running,
)
from infra.local.workers import Hosting
from tests.support.bad_input import refused
from tests.support.cli import Tidegate

ENDS = Endpoints(
    temporal="127.0.0.1:1",
    temporal_ui=None,
    cloud={"name": "aws", "endpoint": "http://127.0.0.1:4", "gateway": "http://127.0.0.1:2"},
    gateway="http://127.0.0.1:2",
    pager="http://127.0.0.1:3",
    env={"TIDEGATE_QUEUE_FORMATS": "alarms=cloudwatch"},
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `dev` is started with, instead of a stack."""
    options: dict[str, Any] = {}

    def run_dev(**given: Any) -> int:
        options.update(given)
        return 0

    monkeypatch.setattr(dev, "run_dev", run_dev)
    return options


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--with", "roots"], "'roots' is not one of root-worker, incident-worker"),
        (["--without", "roots"], "'roots' is not one of root-worker, incident-worker"),
        (["--with", "root-worker", "--without", "incident-worker"], "cannot be combined"),
        (["--port-base", "80"], "--port-base is not from 1024 to 65529"),
        (["--port-base", "65530"], "--port-base is not from 1024 to 65529"),
        (["--port-base", "many"], "--port-base"),
        (["--cloud", "gcp"], "'gcp'"),
        (["--workers", "threads"], "'threads'"),
    ],
)
def test_dev_refuses_what_it_does_not_know(
    tidegate: Tidegate, started: dict[str, Any], arguments: list[str], said: str
) -> None:
    cause, _ = refused(tidegate("dev", *arguments), 2)
    assert said in cause
    assert not started


@pytest.mark.parametrize(
    ("arguments", "chosen"),
    [
        ([], list(WORKERS)),
        (["--with", "root-worker"], [ROOT_WORKER]),
        (["--without", "incident-worker"], [ROOT_WORKER]),
        (["--without", "root-worker"], [INCIDENT_WORKER]),
        (["--without", "root-worker", "--without", "incident-worker"], []),
    ],
)
def test_workers_are_chosen_by_name(
    tidegate: Tidegate, started: dict[str, Any], arguments: list[str], chosen: list[object]
) -> None:
    assert tidegate("dev", *arguments).code == 0
    assert started["chosen"] == chosen


@pytest.mark.parametrize("hosting", get_args(Hosting))
def test_what_workers_run_in_is_chosen_by_name(
    tidegate: Tidegate,
    started: dict[str, Any],
    hosting: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(demo, "run_demo", dev.run_dev)
    for command in ("dev", "demo"):
        assert tidegate(command, "--workers", hosting).code == 0
        assert started.pop("hosting") == hosting
        assert tidegate(command).code == 0
        assert started.pop("hosting") == "processes"


def test_serverless_workers_on_azure_are_refused_before_anything_starts(
    tidegate: Tidegate, folder: Path
) -> None:
    result = tidegate("dev", "--cloud", "azure", "--workers", "serverless")
    assert result.code == 1
    assert "Temporal invokes workers on AWS Lambda and has no such provider for Azure" in result.err
    assert "\n  next: run them as processes (`--workers processes`), or " in result.err
    assert not (folder / ".tidegate" / "dev").exists()


def test_a_second_stack_in_a_folder_is_refused_with_a_next_step(
    tidegate: Tidegate, folder: Path
) -> None:
    state = folder / ".tidegate"
    with alone(state), announced(ENDS, "", state):
        result = tidegate("dev")
    assert result.code == 1
    assert f"a stack runs here already, as process {os.getpid()}" in result.err
    assert f"next: use it (`. .tidegate/env`), stop it (`kill {os.getpid()}`" in result.err
    with alone(state):
        pass


def test_a_stack_that_starts_here_has_nothing_to_use_yet(tidegate: Tidegate, folder: Path) -> None:
    state = folder / ".tidegate"
    killed(state)
    with alone(state):
        assert env_file() is None
        result = tidegate("dev")
        with pytest.raises(NoLocalStack, match="the local stack here is not up yet"):
            running(state)
    assert result.code == 1
    assert f"a stack starts here already, as process {os.getpid()}" in result.err
    assert f"next: wait until it is up, stop it (`kill {os.getpid()}`" in result.err
    assert "env" not in result.err


def test_a_command_that_looks_for_a_stack_does_not_refuse_one_that_starts(folder: Path) -> None:
    state = folder / ".tidegate"
    with alone(state):
        pass
    with (state / "lock").open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        release = Timer(0.05, fcntl.flock, (looking, fcntl.LOCK_UN))
        release.start()
        with alone(state):
            pass
        release.join()


def test_a_state_folder_that_cannot_be_written_is_refused_with_a_next_step(
    tidegate: Tidegate, folder: Path
) -> None:
    (folder / ".tidegate").write_text("a file")
    result = tidegate("dev")
    assert result.code == 1
    assert result.err.startswith("LocalStackError: cannot start: File exists: .tidegate\n  next: ")
    assert "start the stack in another folder" in result.err


def test_a_running_stack_has_a_script_that_only_its_owner_reads(folder: Path) -> None:
    state = folder / ".tidegate"
    assert env_file() is None
    with alone(state), announced(ENDS, exports({"A": "it's", "B": ""}), state):
        assert env_file() == Path(".tidegate/env")
        assert (state / "env").read_text() == "export A='it'\"'\"'s'\nexport B=''\n"
        for name in ("env", "stack.json"):
            assert (state / name).stat().st_mode & 0o777 == 0o600
    assert env_file() is None


def killed(state: Path, stack: str | None = None) -> None:
    """Leave behind what a stack does that was killed. `stack` is what its file holds then."""
    with alone(state):
        pass
    ENDS.write(state)
    (state / "env").touch()
    if stack is not None:
        (state / "stack.json").write_text(stack)


def test_a_stack_is_found_by_its_state_folder_only_while_it_runs(folder: Path) -> None:
    state = folder / ".tidegate"
    with alone(state), announced(ENDS, "", state):
        assert running(state) == ENDS
    with pytest.raises(NoLocalStack, match="no local stack runs here"):
        running(state)


@pytest.mark.parametrize("stack", [None, "", "{", "[]", '{"pid": 1}', "[" * 100_000, "9" * 5000])
def test_what_a_killed_stack_leaves_behind_is_not_taken_for_a_running_one(
    folder: Path, stack: str | None
) -> None:
    state = folder / ".tidegate"
    killed(state, stack)
    assert env_file() is None
    with pytest.raises(NoLocalStack, match="no local stack runs here"):
        running(state)
    with alone(state):
        assert not (state / "env").exists()


@pytest.mark.parametrize("half", ["", "{", "[]", "{}"])
def test_a_stack_whose_file_is_half_written_is_not_up_yet(folder: Path, half: str) -> None:
    state = folder / ".tidegate"
    with alone(state):
        (state / "stack.json").write_text(half)
        assert env_file() is None


def test_the_ports_of_a_base_have_the_names_of_the_documentation() -> None:
    text = (Path(__file__).parents[3] / "docs" / "cli.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (2000\d) \| ([^:,|]+?)(?:[:,].*)? \|$", text, re.M)
    assert rows == [(str(20_000 + n), name) for n, name in enumerate(dev.PORTS)]
