"""`tidegate dev` and `send`: what they refuse before anything starts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from core.contracts import INCIDENT_WORKER, ROOT_WORKER, WORKERS
from infra.local import dev
from infra.local.endpoints import Endpoints, alone, announced, env_file, exports
from infra.local.processes import LocalStackError
from tests.support.bad_input import refused
from tests.support.cli import Tidegate

ENDS = Endpoints(
    pid=os.getpid(),
    temporal="127.0.0.1:1",
    temporal_ui=None,
    cloud={},
    gateway="http://127.0.0.1:2",
    pager="http://127.0.0.1:3",
    env={},
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
        (["--port-base", "80"], "--port-base is not from 1024 to 65530"),
        (["--port-base", "65531"], "--port-base is not from 1024 to 65530"),
        (["--port-base", "many"], "--port-base"),
        (["--cloud", "gcp"], "'gcp'"),
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


def test_a_second_stack_in_a_folder_is_refused_with_a_next_step(
    tidegate: Tidegate, folder: Path
) -> None:
    with alone(folder / ".tidegate"):
        result = tidegate("dev")
    assert result.code == 1
    assert f"a stack runs here already, as process {os.getpid()}" in result.err
    assert f"next: use it (`. .tidegate/env`), stop it (`kill {os.getpid()}`" in result.err
    with alone(folder / ".tidegate"):
        pass


def test_a_state_folder_that_cannot_be_written_is_refused_with_a_next_step(
    tidegate: Tidegate, folder: Path
) -> None:
    (folder / ".tidegate").write_text("a file")
    result = tidegate("dev")
    assert result.code == 1
    assert result.err.startswith("LocalStackError: cannot start: File exists: .tidegate\n  next: ")
    assert "start the stack in another folder" in result.err


def test_without_a_stack_send_says_how_to_start_one_and_ends_with_3(
    tidegate: Tidegate, folder: Path
) -> None:
    (folder / "report.md").write_text("# It burns\n")
    result = tidegate("send", "report.md")
    assert result.code == 3
    assert "no local stack runs here" in result.err
    assert "next: start one in another shell, in this folder: `tidegate dev`" in result.err


def test_a_running_stack_has_a_script_that_only_its_owner_reads(folder: Path) -> None:
    state = folder / ".tidegate"
    assert env_file() is None
    with alone(state), announced(ENDS, exports({"A": "it's", "B": ""}), state):
        assert env_file() == Path(".tidegate/env")
        assert (state / "env").read_text() == "export A='it'\"'\"'s'\nexport B=''\n"
        for name in ("env", "stack.json"):
            assert (state / name).stat().st_mode & 0o777 == 0o600
    assert env_file() is None


def test_what_a_killed_stack_leaves_behind_is_not_taken_for_a_running_one(folder: Path) -> None:
    state = folder / ".tidegate"
    with pytest.raises(LocalStackError), alone(state), announced(ENDS, "", state), alone(state):
        pass
    assert env_file() is None
