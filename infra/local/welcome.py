"""What a running stack prints: where everything is, and what to type; and the script that makes the
printed commands work in another shell."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape

from core import bootstrap
from core.config.settings import Settings
from core.contracts import ROOT_WORKER, WORKERS, WorkerSpec
from core.domain.routing.table import Deliver, Route
from core.formats.shared.times import format_time
from infra.local.cloud import CLOUDS, INCIDENTS, QUARANTINE, REPORTS
from infra.local.endpoints import exports
from infra.local.environment import WEBHOOKS
from infra.local.stack import LocalStack

_SAMPLES: Final = Path(__file__).with_name("sample")
_ALERT: Final = "alert.json"


def shell_script(stack: LocalStack) -> str:
    """A script that makes a shell use the stack: it sets the variables of the stack's processes and
    the URLs that messages and webhooks are sent to, and puts `tidegate` on PATH."""
    urls = {
        "MESSAGES_QUEUE_URL": stack.cloud.message_queue,
        "WEBHOOKS_URL": f"{stack.cloud.gateway}/hooks",
    }
    # The function's own, and what `tidegate workers` goes by.
    served = (
        {"TIDEGATE_SERVED_WORKERS": ",".join(worker.name for worker in stack.workers)}
        if stack.function is not None
        else {}
    )
    script = exports({**stack.env, **served, **urls})
    ours = Path(sys.executable).with_name("tidegate")
    found = shutil.which(ours.name)
    if ours.exists() and (found is None or Path(found).resolve() != ours.resolve()):
        script += f'export PATH={shlex.quote(str(ours.parent))}:"$PATH"\n'
    return script


def write_alert(state: Path) -> None:
    """Write an alert that fires since now, as Alertmanager posts it, for the printed commands."""
    sample = json.loads((_SAMPLES / _ALERT).read_text(encoding="utf-8"))
    for alert in sample["alerts"]:
        alert["startsAt"] = format_time(datetime.now(UTC))
    (state / _ALERT).write_text(json.dumps(sample, indent=2) + "\n", encoding="utf-8")


def welcome(console: Console, stack: LocalStack, state: Path, took: float) -> None:
    """Print where everything is, and what to type."""
    for remark in (*stack.processes.ports.remarks, *waiting(stack.env, stack.workers)):
        console.print(f"[yellow]{escape(remark)}[/]", highlight=False, soft_wrap=True)
    console.print(f"\n[bold green]The stack is up[/], after {took:.1f} s:")
    for name, place in _places(stack):
        console.print(f"  {name:<15} {escape(place)}", highlight=False, soft_wrap=True)
    console.print("\nIn another shell, in this folder; the first line sets this stack's variables:")
    for line in _commands(stack, state):
        console.print(f"  {escape(line)}", highlight=False, soft_wrap=True)
    if stack.pages:
        console.print("\nHANDLE: the six characters at the beginning of an incident's line.")
    console.print("\nCtrl-C stops everything.\n")


def _places(stack: LocalStack) -> Iterator[tuple[str, str]]:
    cloud, ends = stack.cloud, stack.endpoints
    yield "Temporal's UI", str(ends.temporal_ui)
    yield "Temporal", ends.temporal
    yield CLOUDS[cloud.name], cloud.endpoint
    yield "Webhooks", f"{ends.gateway}/hooks/NAME"
    yield "Uploads go to", f"{cloud.store}/{INCIDENTS}"
    yield "Messages go to", cloud.message_queue
    if stack.pages:
        yield "Pages", f"{ends.pager}/pages"
        if stack.application is not None:
            yield "Their links", stack.application.url
            yield "Console", f"{stack.application.url}/console"
        yield "Reports go to", f"{cloud.store}/{REPORTS}"
    yield "Quarantine", f"{cloud.store}/{QUARANTINE}"
    yield "Logs", str(stack.processes.logs)
    if stack.function is not None:
        yield (
            "Workers",
            "asleep until there is a task: Temporal then invokes their function, and an incident "
            "is listed a few seconds after its alert",
        )
        yield "Invocations", str(stack.function.records)


def _commands(stack: LocalStack, state: Path) -> Iterator[str]:
    """What to type: every line works as it is, but for names in capitals. None has a comment, which
    zsh takes for arguments."""
    cloud = stack.cloud
    yield f". {_typed(state / 'env')}"
    if stack.pages:
        if stack.env["TIDEGATE_WEBHOOKS"] == str(WEBHOOKS):
            headers = (
                '-H "Authorization: Bearer $LOCAL_HOOK_TOKEN" -H "Content-Type: application/json"'
            )
            yield f"curl {headers} -d @{_typed(state / _ALERT)} $WEBHOOKS_URL/alertmanager"
        yield "tidegate incident list"
        yield "tidegate incident ack HANDLE"
        yield f"tidegate send {_typed(_SAMPLES / 'checkout-latency.md')}"
    else:
        yield "tidegate send FILE"
        yield "tidegate send --hook NAME FILE"
    yield "tidegate doctor"
    if ROOT_WORKER in stack.workers:
        yield (
            f"tidegate smoke --{cloud.name} --documents {cloud.store}/{INCIDENTS} "
            f"--queue {cloud.message_queue} --webhooks {cloud.gateway}/hooks/"
        )


def waiting(env: Mapping[str, str], workers: Sequence[WorkerSpec]) -> Iterator[str]:
    """A sentence for each worker that is not among these although routes need it."""
    routes = bootstrap.router(Settings.from_env(env)).routing.table.routes
    for worker in WORKERS:
        if worker in workers:
            continue
        if names := [route.name for route in routes if _needs(route, worker)]:
            yield f"Without {worker.name}, events of these routes wait: {', '.join(names)}"


def _needs(route: Route, worker: WorkerSpec) -> bool:
    orchestrated = worker == ROOT_WORKER and route.deliver is Deliver.ORCHESTRATE
    return orchestrated or route.task_queue == worker.task_queue


def _typed(path: Path) -> str:
    """A path as it is typed in this folder."""
    short = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return shlex.quote(str(short))
