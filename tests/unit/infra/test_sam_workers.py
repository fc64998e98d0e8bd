"""What `make sam-local` reports of the workers' function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra.local.aws.sam import workers
from infra.local.aws.sam.invoke import Invocation
from infra.local.processes import LocalStackError
from infra.local.temporal import Workflow

FAILED = {"errorType": "SettingsError", "errorMessage": "TIDEGATE_BUILD_ID is not set"}
SEEN = Invocation(answer=None, lines=[{"BacklogAge": 0}], seconds=1.0)
DONE = Invocation(answer=None, lines=[], seconds=1.0)


class Functions:
    """Answers each invocation as a test sets it; an exception is raised."""

    def __init__(self, **answers: Any) -> None:
        self._answers = {"poll": DONE, "work": DONE, "watch": SEEN} | answers
        self.invoked: list[str] = []

    def invoke(self, function: str, event: Path) -> Invocation:
        assert event.read_text() == "{}"
        self.invoked.append(function)
        answer: Any = self._answers[event.stem.removeprefix("workers-")]
        if isinstance(answer, Exception):
            raise answer
        found: Invocation = answer
        return found


class Temporal:
    def __init__(self, status: str = "COMPLETED") -> None:
        self._status = status

    def start(self, name: str, *, id: str, task_queue: str, argument: Any) -> None:
        assert (name, task_queue) == ("RootOrchestrator", "tidegate-root")

    def find(self, id: str) -> Workflow:
        return Workflow(id, "RootOrchestrator", "run", self._status)


@pytest.fixture(autouse=True)
def current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_make_current", lambda address: None)


def problems(functions: Any, temporal: Any, folder: Path) -> list[str]:
    return list(workers.workers_row(functions, temporal, "127.0.0.1:7233", folder).problems)


def test_the_function_polls_then_works_and_is_watched(tmp_path: Path) -> None:
    functions = Functions()
    assert problems(functions, Temporal(), tmp_path) == []
    assert functions.invoked == ["Workers", "Workers", "Watch"]


@pytest.mark.parametrize(
    ("functions", "temporal", "said"),
    [
        (Functions(), Temporal("RUNNING"), "is RUNNING, not COMPLETED"),
        (
            Functions(work=Invocation(answer=FAILED, lines=[], seconds=1)),
            Temporal(),
            "Workers answered",
        ),
        (Functions(watch=DONE), Temporal(), "the watch wrote no BacklogAge"),
        (
            Functions(watch=Invocation(answer=FAILED, lines=SEEN.lines, seconds=1)),
            Temporal(),
            "Watch answered",
        ),
        (Functions(poll=LocalStackError("sam local invoke failed")), Temporal(), "invoke failed"),
    ],
)
def test_anything_else_is_a_problem(
    functions: Functions, temporal: Temporal, said: str, tmp_path: Path
) -> None:
    [found] = problems(functions, temporal, tmp_path)
    assert said in found
