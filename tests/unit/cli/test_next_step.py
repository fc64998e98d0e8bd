"""Where a stack runs in this folder, the next step for an unset variable is its env file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.endpoints import Endpoints, alone, announced
from tests.support.cli import Tidegate

HINT = "`. .tidegate/env`, for the stack that runs in this folder; else "


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The state folder of a stack that this process is."""
    monkeypatch.chdir(tmp_path)
    state = tmp_path / ".tidegate"
    endpoints = Endpoints(
        temporal="127.0.0.1:1",
        temporal_ui=None,
        cloud={},
        gateway="",
        pager="",
        env={},
    )
    with alone(state), announced(endpoints, "", state):
        yield


UNSET = [
    (("incident", "list"), "set TEMPORAL_ADDRESS"),
    (("quarantine", "list"), "set TIDEGATE_QUARANTINE: URI prefix"),
    (("webhooks", "check"), "set TIDEGATE_WEBHOOKS: The webhooks' endpoints"),
]


@pytest.mark.parametrize(("command", "fix"), UNSET)
def test_every_command_names_the_env_file_of_the_stack_here(
    tidegate: Tidegate, stack: None, command: tuple[str, ...], fix: str
) -> None:
    result = tidegate(*command)
    assert result.code == 2
    assert f"\n  next: {HINT}{fix}" in result.err


@pytest.mark.parametrize(("command", "fix"), UNSET)
def test_without_a_stack_the_variable_is_explained(
    tidegate: Tidegate,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    fix: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = tidegate(*command)
    assert result.code == 2
    assert f"\n  next: {fix}" in result.err


def test_doctor_names_it_for_everything_that_is_not_set(tidegate: Tidegate, stack: None) -> None:
    checks = {check["code"]: check for check in tidegate("doctor", "--json").json["checks"]}
    for code in ("quarantine", "reports", "documents", "temporal"):
        assert checks[code]["fix"].startswith(HINT)
    assert not checks["routes"]["fix"]


def test_a_shell_that_has_the_stacks_variables_is_not_sent_to_them_again(
    tidegate: Tidegate, stack: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    result = tidegate("quarantine", "list")
    assert "\n  next: set TIDEGATE_QUARANTINE: URI prefix" in result.err
