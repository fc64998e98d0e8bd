"""A command that waits for a worker says so, where somebody reads it."""

from __future__ import annotations

import asyncio

import pytest
from rich.console import Console

from core.cli import waiting


@pytest.fixture(params=[True, False], ids=["terminal", "file"])
def terminal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether standard error is a terminal."""
    console = Console(stderr=True, force_terminal=request.param)
    monkeypatch.setattr(waiting, "err", console)
    return bool(request.param)


async def answer(when: asyncio.Event) -> str:
    await when.wait()
    return "answer"


async def test_a_slow_answer_is_announced_in_a_terminal(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(waiting, "NOTICE_AFTER", 0.0)
    late = asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, late.set)
    assert await waiting.answered(answer(late)) == "answer"
    shown = capsys.readouterr()
    assert shown.out == ""
    assert ("waiting for a worker to wake up" in shown.err) is terminal


@pytest.mark.usefixtures("terminal")
async def test_a_quick_answer_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    known = asyncio.Event()
    known.set()
    assert await waiting.answered(answer(known)) == "answer"
    assert capsys.readouterr().err == ""
