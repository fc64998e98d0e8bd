"""When the workers of a serverless stack are asleep, what wakes them, and what they are billed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from infra.local.processes import wait_until

if TYPE_CHECKING:
    from infra.local.aws.serverless import LambdaServer

_PATIENCE: Final = 90.0


class Wakes:
    """Says what becomes of a function's invocations, hop by hop, as soon as `look` sees it.
    `always_on` is how many workers would run all the time instead."""

    def __init__(
        self, function: LambdaServer, say: Callable[[str, str], None], *, always_on: int
    ) -> None:
        self._function = function
        self._say = say
        self._always_on = always_on
        self._before = set(function.started())
        self._seen = set(self._before)
        self._awake = True
        self._cause = ""

    def begin(self) -> None:
        """Return when the workers are asleep; what is billed counts from here."""
        self._wait_asleep()
        self._before = set(self._function.started())
        self._begin = time.monotonic()

    def expect(self, cause: str) -> None:
        """From here on, what wakes the workers is this."""
        self.look()
        self._cause = cause

    def look(self) -> None:
        """Say what has changed since the last look."""
        for id in self._function.started():
            if id not in self._seen:
                self._seen.add(id)
                why = "before the other one served it" if self._awake else f"by {self._cause}"
                self._awake = True
                self._say("Woken", f"a worker, {why} [dim](invocation {id})[/]")
        if self._awake and not self._function.running():
            self._awake = False
            self._say("Asleep", "no worker runs")

    def end(self) -> None:
        """Return when the workers are asleep, and say what they were billed."""
        self._wait_asleep()
        took = time.monotonic() - self._begin
        billed = [each for each in self._function.invocations() if each.id not in self._before]
        seconds = sum(each.billed_ms for each in billed) / 1000
        self._say(
            "Billed",
            f"[bold]{len(billed)}[/] invocations, [bold]{seconds:.1f} s[/], and nothing until the "
            f"next event; {self._always_on} workers that never sleep: "
            f"{self._always_on * took:.1f} s, and they go on",
        )

    def _wait_asleep(self) -> None:
        def asleep() -> bool:
            self.look()
            return not self._awake

        check = self._function.server.child.check
        wait_until(asleep, _PATIENCE, "the workers to fall asleep", check=check)
