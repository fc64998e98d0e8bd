"""`tidegate dev` while it runs: which child is restarted, and whose death ends the stack."""

from __future__ import annotations

from io import StringIO
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from core.cli import local
from infra.local import dev
from infra.local.environment import outside_environment
from infra.local.processes import LocalStackError
from infra.local.stack import LocalStack


class Dying:
    """A stack with one child, which has always died. No time passes until `now` is changed."""

    def __init__(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.name = name
        self.processes = [self]
        self.cloud = SimpleNamespace(servers=("store",))
        self.restarts = 0
        self.now, self.pause = 0.0, 0.0
        clock = SimpleNamespace(monotonic=lambda: self.now, sleep=self._sleep)
        monkeypatch.setattr(dev, "time", clock)

    def _sleep(self, _: float) -> None:
        self.now += self.pause
        if self.restarts == 10:
            raise KeyboardInterrupt

    def check(self) -> None:
        raise LocalStackError(f"{self.name} ended", fix="see its log")

    def restart(self, name: str) -> None:
        assert name == self.name
        self.restarts += 1

    def watch(self) -> str:
        """What is printed until the stack ends."""
        printed = StringIO()
        with pytest.raises((LocalStackError, KeyboardInterrupt)):
            dev._watch(Console(file=printed, width=200), cast("LocalStack", self))
        return printed.getvalue()


@pytest.mark.parametrize(
    ("name", "pause", "restarts"),
    [("root-worker", 1.0, 2), ("root-worker", 31.0, 10), ("store", 31.0, 0)],
    ids=["keeps dying", "dies now and then", "has the state in memory"],
)
def test_a_child_that_died_is_started_again_unless_it_keeps_dying_or_has_the_state(
    monkeypatch: pytest.MonkeyPatch, name: str, pause: float, restarts: int
) -> None:
    stack = Dying(name, monkeypatch)
    stack.pause = pause
    printed = stack.watch()
    assert stack.restarts == restarts
    assert printed == f"{name} ended (see its log). Starting it again.\n" * restarts


def test_with_a_base_each_server_has_the_next_port_and_none_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert local._BASES[-1] + len(dev.PORTS) - 1 == 65_535
    made: list[tuple[Any, Any]] = []
    monkeypatch.setattr(
        dev, "Ports", lambda preferred, exact=False: made.append((preferred, exact))
    )
    dev._ports(20_000)
    dev._ports(None)
    assert made == [
        (
            {
                "Temporal": 20_000,
                "Temporal's UI": 20_001,
                "Webhooks": 20_002,
                "Pager": 20_003,
                "Documents": 20_004,
                "Service Bus": 20_005,
                "Application": 20_006,
            },
            True,
        ),
        (dev.PORTS, False),
    ]


def test_no_process_of_a_stack_asks_a_proxy_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "example.com")
    env = outside_environment()
    assert [env[name] for name in ("NO_PROXY", "no_proxy")] == ["127.0.0.1,localhost"] * 2
