"""Shells complete handles, quickly, and get neither tracebacks nor anything that they evaluate."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from core.cli import completion
from core.cli.completion import complete
from core.domain.handles import Named, handle_of
from tests.support.cli import Tidegate
from tests.support.completion import question

ONE, OTHER = Named("incident:1", "Checkout is slow"), Named("incident:2", "Disk full")


def finds(*things: Named) -> Any:
    async def find() -> tuple[Named, ...]:
        return things

    return find


def test_handles_complete_with_titles() -> None:
    completed = complete(finds(ONE, OTHER))
    assert completed("") == [(handle_of(t.id), t.title) for t in (ONE, OTHER)]
    assert completed(handle_of(OTHER.id)[:2]) == [(handle_of(OTHER.id), "Disk full")]
    assert completed("incident:") == []


@pytest.mark.parametrize(
    "title",
    [
        "$(touch gone)",
        "`touch gone`",
        "\\$(touch gone)",
        "'; touch gone; '",
        '"))\ntouch gone',
        "[red]\x1b",
    ],
)
def test_a_title_has_nothing_that_a_shell_evaluates(title: str) -> None:
    [(_, help)] = complete(finds(Named("incident:1", title)))("")
    assert re.fullmatch(r"[a-z ]*", help)


def test_a_failure_completes_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    async def fails() -> list[Named]:
        raise OSError("no answer")

    def cannot_begin() -> Coroutine[Any, Any, list[Named]]:
        raise ValueError("no such setting")

    assert complete(fails)("") == complete(cannot_begin)("") == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("blocks", [False, True], ids=["waits", "blocks its thread"])
def test_what_takes_too_long_completes_nothing(
    blocks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completion, "_DEADLINE", 0.1)
    done = threading.Event()

    async def waits() -> list[Named]:
        if blocks:
            done.wait(30)
        await asyncio.sleep(30)
        return [ONE]

    began = time.monotonic()
    assert complete(waits)("") == []
    assert time.monotonic() - began < 5
    done.set()


@pytest.mark.parametrize(
    ("shell", "arguments", "address"),
    [
        ("bash", "incident ack ", "127.0.0.1:1"),
        ("bash", "incident open --follows ", "not an address"),
        ("zsh", "incident show k", ""),
        ("zsh", "incident report ", "localhost"),
    ],
)
def test_without_a_stack_a_shell_is_left_alone(
    shell: str,
    arguments: str,
    address: str,
    tidegate: Tidegate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in question(shell, f"tidegate {arguments}").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TEMPORAL_ADDRESS", address)
    answer = tidegate()
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.strip() == ("" if shell == "bash" else "_files")


def test_a_home_in_which_completion_cannot_be_installed_is_one_line(
    tidegate: Tidegate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.write_text("not a folder")
    monkeypatch.setenv("HOME", str(home))
    result = tidegate("--install-completion", "bash")
    assert result.code == 1, result
    cause, step = result.err.splitlines()
    assert cause.startswith(("NotADirectoryError: ", "FileExistsError: "))
    assert str(home) in cause
    assert step == "  next: see that this user may read and write it"
