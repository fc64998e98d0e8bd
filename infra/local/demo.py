"""`tidegate demo`: one upload's way through the whole house, hop by hop, to the report.

The story is the same for every cloud; what is AWS's own (who announces an upload, how often) is in
`LocalStack`. Every hop is looked for where it shows: the listener's log, Temporal, the pager, the
bucket. Nothing is timed; a hop that does not come in time ends the demo with its name.
"""

from __future__ import annotations

import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.markdown import Markdown
from rich.markup import escape
from rich.panel import Panel
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.service import RPCError

from core.contracts import QUERY_INCIDENT, UPDATE_ACKNOWLEDGE, UPDATE_RESOLVE
from core.errors import TidegateError
from infra.local.aws import BUCKET, INCIDENTS, REPORTS
from infra.local.pager import ESCALATION, ON_CALL, Page
from infra.local.processes import LocalStackError, wait_until
from infra.local.receipts import receipts
from infra.local.stack import LocalStack, interruptible
from infra.local.temporal import Temporal, temporal_view

SAMPLE = Path(__file__).with_name("sample") / "checkout-latency.md"

_ACK_TIMEOUT = 3.0
_PATIENCE = 30.0
_INTERRUPTED = 130

Found = TypeVar("Found")


def run_demo(*, report: Path = SAMPLE, console: Console | None = None) -> int:
    """Tell the story with a stack of its own; returns the exit code: 0 when it came to its end.

    Logs are kept, and named, when it did not.
    """
    console = console or Console()
    state = Path(tempfile.mkdtemp(prefix="tidegate-demo-"))
    code = 1
    with interruptible():
        try:
            console.print("[bold]Starting[/] pager, AWS, Temporal, two workers, two listeners ...")
            begin = time.monotonic()
            with LocalStack(state, ack_timeout=_ACK_TIMEOUT, bridge=True) as stack:
                console.print(f"[dim]ready in {time.monotonic() - begin:.1f} s[/]\n")
                with temporal_view(stack.temporal.address) as temporal:
                    _Story(console, stack, temporal).tell(report)
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


class _Story:
    """The hops in their order. Each raises `LocalStackError` when it does not come."""

    def __init__(self, console: Console, stack: LocalStack, temporal: Temporal) -> None:
        self._console = console
        self._stack = stack
        self._temporal = temporal
        self._begin = time.monotonic()

    def tell(self, report: Path) -> None:
        self._upload(report)
        root = self._receipts(report.name)
        incident = self._route(root)
        self._open(incident)
        self._show_page("Paged", self._page(ON_CALL))
        self._say("Waiting", f"nobody acknowledges for {_ACK_TIMEOUT:g} s ...")
        self._show_page("Escalated", self._page(ESCALATION))
        self._command(incident, UPDATE_ACKNOWLEDGE, "ana", "looking into it")
        self._command(incident, UPDATE_RESOLVE, "ana", "rolled the release back")
        self._report(incident)

    def _upload(self, report: Path) -> None:
        version = self._stack.aws.upload(report.name, report.read_bytes())
        self._say("Uploaded", f"s3://{BUCKET}/{INCIDENTS}{report.name} [dim](version {version})[/]")
        self._say("Announced", "twice: by S3 to SQS, and through EventBridge to the same queue")

    def _receipts(self, name: str) -> str:
        """Both deliveries' receipts; returns the ID of the workflow that one of them started."""
        wanted = f"/{INCIDENTS}{name}@"
        found = self._wait(
            lambda: _all_of(receipts(self._stack, wanted), at_least=2),
            "the S3 listener's receipts for both deliveries",
        )
        # Both were accepted at once: which one was first is chance, so it is told in order.
        for receipt in sorted(found, key=lambda receipt: receipt["verdict"] != "started"):
            detail = receipt.get("workflow_id") or receipt.get("reason", "")
            self._say("Lambda says", f"[bold]{receipt['verdict']}[/] {escape(detail)}")
        verdicts = sorted(receipt["verdict"] for receipt in found)
        if verdicts != ["duplicate", "started"]:
            raise LocalStackError(f"the receipts are {verdicts}, not one start and one duplicate")
        return str(found[0]["workflow_id"])

    def _route(self, root: str) -> str:
        done = self._wait(
            lambda: (found := self._temporal.find(root)) and not found.open and found,
            "the root orchestrator to end",
        )
        result = self._temporal.result(done.id)
        self._say(
            "Routed",
            f"by [bold]{escape(result['route'])}[/]: {result['action']} "
            f"{result['workflow']} {escape(result['child_id'])}",
        )
        return str(result["child_id"])

    def _open(self, incident: str) -> None:
        def opened() -> Any:
            shown = self._temporal.query(incident, QUERY_INCIDENT)
            return shown["status"] != "new" and shown

        shown = self._wait(opened, "the incident to open")
        self._say(
            "Opened",
            f"[bold]{escape(shown['title'])}[/] "
            f"[dim](severity {shown['severity']}, status {shown['status']})[/]",
        )

    def _page(self, who: str) -> Page:
        page: Page = self._wait(
            lambda: next((page for page in self._stack.pager.pages() if page.to == who), None),
            f"a page for {who}",
        )
        return page

    def _show_page(self, hop: str, page: Page) -> None:
        self._say(hop, f"{page.to}:")
        self._console.print(Panel(escape(page.message), title=escape(page.title), width=80))

    def _command(self, incident: str, name: str, actor: str, note: str) -> None:
        argument = {"command_id": str(uuid.uuid4()), "actor": actor, "note": note}
        answer = self._temporal.update(incident, name, argument)
        said = f"{actor}: {note!r}; the incident is now"
        self._say(name.capitalize(), f"{said} [bold]{answer['status']}[/]")

    def _report(self, incident: str) -> None:
        self._wait(
            lambda: (found := self._temporal.find(incident)) and not found.open,
            "the incident to close",
        )
        self._temporal.result(incident)
        keys = self._stack.aws.keys(REPORTS)
        key = next((key for key in keys if key.endswith(".md")), None)
        if key is None:
            raise LocalStackError(f"there is no report under s3://{BUCKET}/{REPORTS}")
        for written in keys:
            self._say("Reported", f"s3://{BUCKET}/{escape(written)}")
        text = (self._stack.aws.read(key) or b"").decode()
        self._console.print(Panel(Markdown(text), title="The post-incident report"))
        self._say("Done", "[green]one upload, one incident, no page lost[/]")

    def _wait(self, look: Callable[[], Found | bool | None], what: str) -> Any:
        return wait_until(look, _PATIENCE, what, check=self._stack.processes.check)

    def _say(self, hop: str, text: str) -> None:
        after = time.monotonic() - self._begin
        self._console.print(
            f"[dim]{after:5.1f} s[/]  [cyan]{hop:<11}[/]  {text}", highlight=False, soft_wrap=True
        )


def _all_of(found: Sequence[Found], *, at_least: int) -> Sequence[Found] | None:
    return found if len(found) >= at_least else None
