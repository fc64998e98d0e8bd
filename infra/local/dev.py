"""`tidegate dev`: the whole stack on this machine until Ctrl-C.

It watches its children: a worker, a listener or a Temporal server that dies is reported and
restarted, as a platform would do; one that keeps dying ends the stack with its last words. So does
the death of a server of the cloud, which keeps its state in memory.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

from rich.console import Console
from rich.markup import escape

from core.contracts import WORKERS, WorkerSpec
from infra.local.caller import read_caller
from infra.local.cloud import CloudName
from infra.local.endpoints import STATE, alone, announced
from infra.local.loopback import (
    APPLICATION_PORT,
    DOCUMENTS_PORT,
    PAGER_PORT,
    SERVICE_BUS_PORT,
    TEMPORAL_PORT,
    UI_PORT,
    WEBHOOKS_PORT,
    Ports,
)
from infra.local.processes import LocalStackError
from infra.local.progress import shown_on
from infra.local.signals import interruptible
from infra.local.stack import LocalStack, not_started
from infra.local.welcome import shell_script, welcome, write_alert
from infra.local.workers import Hosting

PORTS: Final = {
    TEMPORAL_PORT: 7233,
    UI_PORT: 8233,
    WEBHOOKS_PORT: 8080,
    PAGER_PORT: 8400,
    DOCUMENTS_PORT: 5555,
    SERVICE_BUS_PORT: 5300,
    APPLICATION_PORT: 8300,
}
"""The ports that people expect, by their names in docs/cli.md; where one is taken, another is used.
With a base they are the base and the numbers after it, in this order, and where one is taken,
nothing starts."""
_WATCH = 0.5
_DEATHS, _WITHIN = 3, 60.0


def run_dev(
    *,
    cloud: CloudName = "aws",
    state: Path = STATE,
    keep: bool = False,
    port_base: int | None = None,
    chosen: Sequence[WorkerSpec] = WORKERS,
    hosting: Hosting = "processes",
    console: Console | None = None,
) -> int:
    """Run the stack with the `chosen` workers until Ctrl-C or SIGTERM; returns 0 then. `hosting` is
    what they run in.

    With `keep` Temporal starts with the workflows of the last run. Raises `ConfigurationError` for
    a setting or file of the caller's that no process could use, and `LocalStackError` when the
    stack cannot start or dies.
    """
    console = console or Console()
    begin = time.monotonic()
    step = shown_on(console)
    with interruptible():
        try:
            with alone(state):
                with step("settings, routes, policies, on call, webhooks"):
                    caller = read_caller()
                if caller.unused:
                    names = ", ".join(caller.unused)
                    _warn(console, f"The stack does not use these variables of yours: {names}")
                stack = LocalStack(
                    state / "dev",
                    cloud=cloud,
                    ports=_ports(port_base),
                    chosen=chosen,
                    hosting=hosting,
                    ui=True,
                    application=True,
                    persistent=True,
                    keep=keep,
                    settings=caller.variables,
                    step=step,
                )
                write_alert(state)
                with stack, announced(stack.endpoints, shell_script(stack), state):
                    welcome(console, stack, state, time.monotonic() - begin)
                    _watch(console, stack)
        except KeyboardInterrupt:
            console.print("Stopped; no process is left.")
            return 0
        except OSError as error:
            raise not_started(error) from error


def _ports(base: int | None) -> Ports:
    if base is None:
        return Ports(PORTS)
    return Ports({name: base + number for number, name in enumerate(PORTS)}, exact=True)


def _watch(console: Console, stack: LocalStack) -> NoReturn:
    deaths: dict[str, deque[float]] = {}
    while True:
        for child in stack.processes:
            try:
                child.check()
            except LocalStackError as death:
                now = time.monotonic()
                recent = deaths.setdefault(child.name, deque(maxlen=_DEATHS))
                recent.append(now)
                keeps_dying = len(recent) == _DEATHS and now - recent[0] < _WITHIN
                if keeps_dying or child.name in stack.cloud.servers:
                    raise
                _warn(console, f"{death.message} ({death.fix}). Starting it again.")
                stack.restart(child.name)
        time.sleep(_WATCH)


def _warn(console: Console, sentence: str) -> None:
    console.print(f"[yellow]{escape(sentence)}[/]", highlight=False, soft_wrap=True)
