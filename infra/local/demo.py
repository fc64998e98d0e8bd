"""`tidegate demo`: the story of an outage (see `story`), told by a stack of its own."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.service import RPCError

from core.errors import TidegateError
from infra.local.cloud import CLOUDS, CloudName
from infra.local.progress import shown_on
from infra.local.signals import interruptible
from infra.local.stack import LocalStack
from infra.local.story import PEOPLE, SETTINGS, Story, on_call_settings
from infra.local.temporal import temporal_view
from infra.local.workers import Hosting

SAMPLE: Final = Path(__file__).with_name("sample") / "checkout-latency.md"
_INTERRUPTED: Final = 130
_HOSTINGS: Final[Mapping[Hosting, str]] = {
    "processes": "",
    "docker": ", its workers in containers",
    "serverless": ", its workers serverless",
}


def run_demo(
    *,
    cloud: CloudName = "aws",
    report: Path = SAMPLE,
    console: Console | None = None,
    hosting: Hosting = "processes",
) -> int:
    """Tell the story; returns the exit code, 0 when it came to its end.

    `hosting` is what the workers run in. When the story fails, the logs are kept, and the output
    says where.
    """
    console = console or Console()
    state = Path(tempfile.mkdtemp(prefix="tidegate-demo-"))
    code = 1
    with interruptible():
        try:
            console.print(f"[bold]Starting[/] the stack as {CLOUDS[cloud]}{_HOSTINGS[hosting]}:")
            if unused := sorted(name for name in os.environ if name.startswith("TIDEGATE_")):
                names = ", ".join(unused)
                console.print(f"[yellow]The demo uses no settings: not {names}[/]", soft_wrap=True)
            begin = time.monotonic()
            settings = {**SETTINGS[hosting], **on_call_settings(state)}
            with LocalStack(
                state,
                cloud=cloud,
                bridge=True,
                application=True,
                hosting=hosting,
                settings=settings,
                people=PEOPLE,
                slack=True,
                step=shown_on(console),
            ) as stack:
                console.print(f"[dim]ready in {time.monotonic() - begin:.1f} s[/]\n")
                with temporal_view(stack.temporal.address) as temporal:
                    Story(console, stack, temporal).tell(report)
            code = 0
        except KeyboardInterrupt:
            console.print("Stopped; no process is left.")
            code = _INTERRUPTED
        except (TidegateError, RPCError, OSError) as error:
            reason, fix = str(error), ""
            if isinstance(error, TidegateError):
                reason, fix = error.message, error.fix
            console.print(f"\n[red bold]The demo failed:[/] {escape(reason)}", soft_wrap=True)
            if fix:
                console.print(f"  next: {escape(fix)}", soft_wrap=True)
        except (WorkflowFailureError, WorkflowUpdateFailedError) as error:
            console.print(f"\n[red bold]The demo failed:[/] {escape(str(error.cause))}")
    if code == 1 and (state / "logs").exists():
        console.print(f"The logs are in {state / 'logs'}", soft_wrap=True)
    else:
        shutil.rmtree(state, ignore_errors=True)
    return code
