"""`tidegate demo`: an outage's way through the whole house, hop by hop, to the report.

The story is the same for every cloud; what is AWS's own (who announces an upload, how often) is in
`LocalStack`. Every hop is looked for where it shows: the listener's log, Temporal, the pager, the
bucket. Nothing is timed; a hop that does not come in time ends the demo with its name.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.markdown import Markdown
from rich.markup import escape
from rich.panel import Panel
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.service import RPCError

from core.contracts import (
    QUERY_INCIDENT,
)
from core.domain.alert import AlertStatus
from core.domain.event import ALERT
from core.domain.incident import commands
from core.domain.incident.model import CloseReason
from core.errors import TidegateError
from infra.local.answers import local_session
from infra.local.cloud import INCIDENTS, REPORTS
from infra.local.pager import ESCALATION, ON_CALL, Page
from infra.local.processes import LocalStackError, wait_until
from infra.local.receipts import receipts
from infra.local.stack import HOOK_SECRETS, LocalStack, interruptible
from infra.local.temporal import Temporal, temporal_view

SAMPLE = Path(__file__).with_name("sample") / "checkout-latency.md"

_MONITORING = "/monitoring"
_ALERT = {
    "key": "checkout-p99",
    "title": "Checkout p99 above 8 s",
    "source": "alertmanager",
    "severity": "error",
    "service": "checkout",
    "summary": "One order in five is given up.",
    "labels": {"cluster": "eu-1"},
}
_ACK_TIMEOUT = 3.0
_PATIENCE = 30.0
_INTERRUPTED = 130

Found = TypeVar("Found")


def run_demo(
    *,
    cloud: str = "aws",
    report: Path = SAMPLE,
    console: Console | None = None,
    containers: bool = False,
) -> int:
    """Tell the story with a stack of its own; returns the exit code: 0 when it came to its end.

    With `containers` its workers run in containers of their image. Logs are kept, and named, when
    it did not.
    """
    console = console or Console()
    state = Path(tempfile.mkdtemp(prefix="tidegate-demo-"))
    code = 1
    with interruptible():
        try:
            stack = LocalStack(
                state, cloud=cloud, ack_timeout=_ACK_TIMEOUT, bridge=True, containers=containers
            )
            servers = f"pager, {stack.cloud.title}, Temporal"
            workers = "two workers in containers" if containers else "two workers"
            console.print(f"[bold]Starting[/] {servers}, {workers}, the listeners ...")
            begin = time.monotonic()
            with stack:
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
        self._cloud = stack.cloud
        self._temporal = temporal
        self._begin = time.monotonic()
        self._outage_began = datetime.now(UTC).isoformat(timespec="seconds")

    def tell(self, report: Path) -> None:
        first = self._outage()
        self._late_report(report, first)
        self._say("Done", "[green]six deliveries, two incidents: no page lost, none sent twice[/]")

    def _outage(self) -> str:
        """Alerts open an incident, which is paged, escalated, acknowledged, resolved, reported;
        returns its ID."""
        self._alert("1", AlertStatus.FIRING, times=2)
        self._say("Sent", "an alert, [bold]twice[/]: monitoring was not sure that it was heard")
        incident = self._route(self._receipts(self._cloud.message_listener, f"{_MONITORING}#1"))
        shown = self._open(incident)
        self._show_page("Paged", self._page(ON_CALL))
        self._post_alert()
        self._until(incident, "the second alert to join", lambda i: i["alerts"]["fired"] == 2)
        self._say("Joined", "a second alert: two by now, and still [bold]one[/] incident")
        self._say("Waiting", f"nobody acknowledges for {_ACK_TIMEOUT:g} s ...")
        self._show_page("Escalated", self._page(ESCALATION))
        note = {"note": "looking into it"}
        self._command(incident, commands.Acknowledge.name, "Acknowledged", "ana", note)
        note = {"note": "rolled the release back"}
        self._command(incident, commands.Comment.name, "Commented", "ana", note)
        self._alert("3", AlertStatus.RESOLVED)
        self._until(incident, "the incident to resolve", lambda i: i["resolved_at"])
        self._say("Recovered", "the source says that its alert is [bold]resolved[/]")
        self._report(incident)
        return str(shown["id"])

    def _late_report(self, report: Path, first: str) -> None:
        """An upload about the same outage becomes an incident of its own, and ends as it should."""
        self._say("Later", "the support desk uploads its report of the same outage")
        self._upload(report)
        incident = self._route(
            self._receipts(self._cloud.upload_listener, f"/{INCIDENTS}{report.name}@")
        )
        self._open(incident)
        duplicate = {"reason": CloseReason.DUPLICATE, "note": f"it was {first}"}
        self._command(incident, commands.Close.name, "Closed", "ana", duplicate)
        self._ended(incident)

    def _alert(self, id: str, status: AlertStatus, *, times: int = 1) -> None:
        """Have the monitoring send an alert to the messages queue."""
        body = json.dumps(
            {
                "specversion": "1.0",
                "type": ALERT,
                "source": _MONITORING,
                "id": id,
                "data": {**_ALERT, "status": status.value, "starts_at": self._outage_began},
            }
        )
        for _ in range(times):
            self._cloud.send(body)

    def _post_alert(self) -> None:
        """Have Alertmanager post the same alert to its webhook, with its token."""
        alert: dict[str, Any] = {
            "status": "firing",
            "fingerprint": _ALERT["key"],
            "labels": {"severity": "error", "service": "checkout"},
            "annotations": {"summary": _ALERT["title"]},
            "startsAt": self._outage_began,
        }
        url = f"{self._cloud.gateway}/hooks/alertmanager"
        answer = local_session().post(
            url,
            json={"version": "4", "status": "firing", "alerts": [alert]},
            headers={"Authorization": f"Bearer {HOOK_SECRETS['LOCAL_HOOK_TOKEN']}"},
            timeout=_PATIENCE,
        )
        self._say("Posted", f"a second alert, to {url}: {answer.status_code} {answer.reason}")
        answer.raise_for_status()

    def _upload(self, report: Path) -> None:
        version = self._cloud.upload(report.name, report.read_bytes())
        uri = f"{self._cloud.store}/{INCIDENTS}{report.name}"
        self._say("Uploaded", f"{uri} [dim](version {version})[/]")
        self._say("Announced", f"twice: {self._cloud.announcing}")

    def _receipts(self, listener: str, wanted: str) -> str:
        """Both deliveries' receipts; returns the ID of the workflow that one of them started."""
        found = self._wait(
            lambda: _all_of(receipts(self._stack, wanted, listener=listener), at_least=2),
            f"the {listener}'s receipts for both deliveries",
        )
        # Both were accepted at once: which one was first is chance, so it is told in order.
        for receipt in sorted(found, key=lambda receipt: receipt["verdict"] != "started"):
            detail = receipt.get("workflow_id") or receipt.get("reason", "")
            self._say("Receipt", f"[bold]{receipt['verdict']}[/] {escape(detail)}")
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

    def _open(self, incident: str) -> dict[str, Any]:
        shown = self._until(incident, "the incident to open", lambda i: i["opened_at"])
        self._say(
            "Opened",
            f"[bold]{escape(shown['title'])}[/] "
            f"[dim](severity {shown['severity']}, status {shown['status']})[/]",
        )
        return shown

    def _page(self, who: str) -> Page:
        page: Page = self._wait(
            lambda: next((page for page in self._stack.pager.pages() if page.to == who), None),
            f"a page for {who}",
        )
        return page

    def _show_page(self, hop: str, page: Page) -> None:
        self._say(hop, f"{page.to}:")
        self._console.print(Panel(escape(page.message), title=escape(page.title), width=80))

    def _until(
        self, incident: str, what: str, check: Callable[[dict[str, Any]], object]
    ) -> dict[str, Any]:
        """The incident, once it is as it is waited for."""

        def look() -> dict[str, Any] | None:
            shown: dict[str, Any] = self._temporal.query(incident, QUERY_INCIDENT)
            return shown if check(shown) else None

        found: dict[str, Any] = self._wait(look, what)
        return found

    def _command(
        self, incident: str, name: str, hop: str, actor: str, fields: Mapping[str, str]
    ) -> None:
        argument = {"command_id": str(uuid.uuid4()), "actor": actor, **fields}
        answer = self._temporal.update(incident, name, argument)
        said = f"{actor}: {escape(fields['note'])!r}; the incident is"
        self._say(hop, f"{said} [bold]{answer['status']}[/]")

    def _ended(self, incident: str) -> None:
        self._wait(
            lambda: (found := self._temporal.find(incident)) and not found.open,
            "the incident to close",
        )
        self._temporal.result(incident)

    def _report(self, incident: str) -> None:
        self._ended(incident)
        keys = self._cloud.keys(REPORTS)
        key = next((key for key in keys if key.endswith(".md")), None)
        if key is None:
            raise LocalStackError(f"there is no report under {self._cloud.store}/{REPORTS}")
        for written in keys:
            self._say("Reported", f"{self._cloud.store}/{escape(written)}")
        text = (self._cloud.read(key) or b"").decode()
        self._console.print(Panel(Markdown(text), title="The post-incident report"))

    def _wait(self, look: Callable[[], Found | bool | None], what: str) -> Any:
        return wait_until(look, _PATIENCE, what, check=self._stack.processes.check)

    def _say(self, hop: str, text: str) -> None:
        after = time.monotonic() - self._begin
        self._console.print(
            f"[dim]{after:5.1f} s[/]  [cyan]{hop:<12}[/]  {text}", highlight=False, soft_wrap=True
        )


def _all_of(found: Sequence[Found], *, at_least: int) -> Sequence[Found] | None:
    return found if len(found) >= at_least else None
