"""The demo with serverless workers: what it says of sleep and wake, and what it bills."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from infra.local.aws.serverless import Invocation
from infra.local.wakes import Wakes

if TYPE_CHECKING:
    from infra.local.aws.serverless import LambdaServer

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Function:
    """Invocations that a test starts and ends."""

    def __init__(self) -> None:
        self.server = SimpleNamespace(child=SimpleNamespace(check=lambda: None))
        self.ids: list[str] = []
        self.ended: dict[str, Invocation] = {}

    def start(self, id: str) -> None:
        self.ids.append(id)

    def end(self, id: str, billed_ms: int) -> None:
        self.ended[id] = Invocation(id, "workers", "1", NOW, NOW, billed_ms, "succeeded")

    def started(self) -> dict[str, int]:
        return dict.fromkeys(self.ids, 1)

    def running(self) -> dict[str, int]:
        return {id: 1 for id in self.ids if id not in self.ended}

    def invocations(self) -> list[Invocation]:
        return list(self.ended.values())


@pytest.fixture
def function() -> Function:
    return Function()


@pytest.fixture
def said() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def wakes(function: Function, said: list[tuple[str, str]]) -> Wakes:
    """The story's, which begins when the invocation of the deployment has ended."""
    function.start("deployment")
    wakes = Wakes(
        cast("LambdaServer", function), lambda hop, text: said.append((hop, text)), always_on=2
    )
    function.end("deployment", 60_000)
    wakes.begin()
    return wakes


def test_each_change_is_said_once_with_what_woke_the_worker(
    wakes: Wakes, function: Function, said: list[tuple[str, str]]
) -> None:
    wakes.expect("the webhook")
    wakes.look()
    function.start("a")
    wakes.look()
    wakes.look()
    function.start("b")
    wakes.look()
    function.end("a", 3000)
    wakes.look()
    function.end("b", 3000)
    wakes.look()
    wakes.look()
    assert said == [
        ("Asleep", "no worker runs"),
        ("Woken", "a worker, by the webhook [dim](invocation a)[/]"),
        ("Woken", "a worker, before the other one served it [dim](invocation b)[/]"),
        ("Asleep", "no worker runs"),
    ]


def test_a_wake_that_nobody_looked_at_in_time_is_said_with_its_own_cause(
    wakes: Wakes, function: Function, said: list[tuple[str, str]]
) -> None:
    wakes.expect("the webhook")
    function.start("a")
    wakes.expect("a timer")
    assert said[-1] == ("Woken", "a worker, by the webhook [dim](invocation a)[/]")


def test_the_bill_has_the_story_s_invocations_alone(
    wakes: Wakes, function: Function, said: list[tuple[str, str]]
) -> None:
    for id, billed_ms in (("a", 2500), ("b", 4100)):
        function.start(id)
        function.end(id, billed_ms)
    wakes.end()
    hop, text = said[-1]
    assert hop == "Billed"
    assert text.startswith("[bold]2[/] invocations, [bold]6.6 s[/], and nothing until the next ")
    assert "; 2 workers that never sleep: " in text
