"""`tidegate demo`: the story of an outage (see `story`), told by a stack of its own."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.service import RPCError

from core.errors import TidegateError
from infra.local.cloud import CLOUDS, CloudName
from infra.local.signals import interruptible
from infra.local.stack import LocalStack
from infra.local.story import ACK_TIMEOUT, Story
from infra.local.temporal import temporal_view

SAMPLE: Final = Path(__file__).with_name("sample") / "checkout-latency.md"
_INTERRUPTED: Final = 130


def run_demo(
    *,
    cloud: CloudName = "aws",
    report: Path = SAMPLE,
    console: Console | None = None,
    containers: bool = False,
) -> int:
    """Tell the story; returns the exit code, 0 when it came to its end.

    With `containers` the workers run in containers of their image. When the story fails, the logs
    are kept, and the output says where.
    """
    console = console or Console()
    state = Path(tempfile.mkdtemp(prefix="tidegate-demo-"))
    code = 1
    with interruptible():
        try:
            servers = f"pager, {CLOUDS[cloud]}, Temporal"
            workers = "two workers in containers" if containers else "two workers"
            console.print(f"[bold]Starting[/] {servers}, {workers}, the listeners ...")
            begin = time.monotonic()
            with LocalStack(
                state, cloud=cloud, ack_timeout=ACK_TIMEOUT, bridge=True, containers=containers
            ) as stack:
                console.print(f"[dim]ready in {time.monotonic() - begin:.1f} s[/]\n")
                with temporal_view(stack.temporal.address) as temporal:
                    Story(console, stack, temporal).tell(report)
            code = 0
        except KeyboardInterrupt:
            console.print("Stopped; no process is left.")
            code = _INTERRUPTED
        except (TidegateError, RPCError, OSError) as error:
            console.print(f"\n[red bold]The demo failed:[/] {escape(str(error))}")
        except (WorkflowFailureError, WorkflowUpdateFailedError) as error:
            console.print(f"\n[red bold]The demo failed:[/] {escape(str(error.cause))}")
    if code == 1:
        console.print(f"The logs are in {state / 'logs'}", soft_wrap=True)
    else:
        shutil.rmtree(state, ignore_errors=True)
    return code
