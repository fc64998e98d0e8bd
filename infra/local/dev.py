"""`tidegate dev`: the whole stack on this machine until Ctrl-C.

It watches its children: a worker, a listener or a Temporal server that dies is reported and
restarted, as a platform would do; one that keeps dying ends the stack with its last words. So does
the death of a server of the cloud, which keeps its state in memory.
"""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path
from typing import Final, NoReturn

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from core.errors import TidegateError
from infra.local.cloud import CLOUDS, INCIDENTS, QUARANTINE, REPORTS, CloudName
from infra.local.endpoints import STATE, Endpoints, announced
from infra.local.processes import LocalStackError
from infra.local.signals import interruptible
from infra.local.stack import LocalStack

PORTS: Final = {
    "temporal": 7233,
    "temporal's UI": 8233,
    "store": 5555,
    "service-bus": 5300,
    "gateway": 8080,
    "pager": 8400,
}
"""The ports that people expect; where one is taken, another is used."""
_WATCH = 0.5
_DEATHS, _WITHIN = 3, 60.0


def run_dev(
    *,
    cloud: CloudName = "aws",
    state: Path = STATE,
    keep: bool = False,
    console: Console | None = None,
) -> int:
    """Run the stack until Ctrl-C or SIGTERM; returns the exit code, 1 when it failed.

    With `keep` Temporal starts with the workflows of the last run.
    """
    console = console or Console()
    state.mkdir(parents=True, exist_ok=True)
    if (other := Endpoints.read(state)) is not None:
        console.print(f"[red]A stack runs here already, as process {other.pid}.[/]")
        return 1
    with interruptible():
        try:
            servers = f"pager, {CLOUDS[cloud]}, Temporal"
            console.print(f"Starting: {servers}, two workers, the listeners ...")
            with (
                LocalStack(
                    state / "dev", cloud=cloud, ports=PORTS, ui=True, persistent=True, keep=keep
                ) as stack,
                announced(stack.endpoints, _shell(stack), state),
            ):
                _welcome(console, stack, state)
                _watch(console, stack)
        except KeyboardInterrupt:
            console.print("Stopped; no process is left.")
            return 0
        except (TidegateError, OSError) as error:
            console.print(f"[red]{escape(str(error))}[/]")
            return 1


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
                console.print(f"[yellow]{escape(str(death))}\nStarting it again.[/]")
                stack.restart(child.name)
        time.sleep(_WATCH)


def _shell(stack: LocalStack) -> dict[str, str]:
    """The variables of a shell that uses the stack: those of its processes, and the URL that
    messages are sent to."""
    return {**stack.env, "MESSAGES_QUEUE_URL": stack.cloud.message_queue}


def _welcome(console: Console, stack: LocalStack, state: Path) -> None:
    for remark in stack.processes.ports.remarks:
        console.print(f"[yellow]{remark}[/]")
    ends = stack.endpoints
    table = Table(show_header=False, box=None, padding=(0, 2))
    table.add_row("Temporal's UI", f"{ends.temporal_ui}")
    table.add_row("Temporal", ends.temporal)
    table.add_row(CLOUDS[stack.cloud.name], stack.cloud.endpoint)
    table.add_row("Webhooks", f"{ends.gateway}/hooks/NAME    (`tidegate webhooks check`)")
    table.add_row("Pages", f"{ends.pager}/pages")
    table.add_row("Uploads go to", f"{stack.cloud.store}/{INCIDENTS}")
    table.add_row("Messages go to", stack.cloud.message_queue)
    table.add_row("Reports go to", f"{stack.cloud.store}/{REPORTS}")
    table.add_row("Quarantine", f"{stack.cloud.store}/{QUARANTINE}")
    table.add_row("Logs", f"{stack.processes.logs}")
    console.print("\n[bold green]The stack is up:[/]")
    console.print(table)
    sample = Path(__file__).with_name("sample") / "checkout-latency.md"
    console.print("\nType next, in another shell in this folder:")
    for line in (
        f"tidegate send {_short(sample)}",
        f". {state / 'env'}          # from here on every command uses this stack",
        "tidegate incident acknowledge INCIDENT    # or show, or resolve",
        "tidegate doctor",
        f"tidegate smoke --{stack.cloud.name} --documents {stack.cloud.store}/{INCIDENTS} "
        f"--queue {stack.cloud.message_queue} --webhooks {ends.gateway}/hooks/",
    ):
        console.print(f"  {escape(line)}", highlight=False, soft_wrap=True)
    console.print("\nCtrl-C stops everything.\n")


def _short(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
