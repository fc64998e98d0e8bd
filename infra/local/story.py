"""The demo's story: an outage on its way through the stack, hop by hop, to the report.

It is the same for every cloud; what differs (who announces an upload, and how) is in `Cloud`. Every
hop is looked for where it shows: the listener's log, Temporal, the pager, Slack, the bucket.
Nothing is timed; a hop that does not come in time ends the story with its name.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import requests
from rich.console import Console
from rich.markdown import Markdown
from rich.markup import escape
from rich.panel import Panel
from temporalio.service import RPCError

from core.adapters.temporal import heartbeats, on_call
from core.config.files import load_oncall
from core.contracts import QUERY_INCIDENT, QUERY_TIMELINE
from core.domain.command import Proof, attested
from core.domain.heartbeat.names import workflow_id
from core.domain.incident import commands
from core.domain.incident.status import CloseReason, Status
from core.domain.oncall.commands import AddOverride
from core.domain.oncall.rota import shift_at
from infra.local.cloud import INCIDENTS, REPORTS
from infra.local.environment import HOOK_SECRETS
from infra.local.loopback import local_session
from infra.local.pager import ESCALATION, Page
from infra.local.processes import LocalStackError, wait_until
from infra.local.slack import form_of, pressed, signed
from infra.local.stack import LocalStack
from infra.local.temporal import Temporal
from infra.local.wakes import Wakes
from infra.local.workers import Hosting

_ACK_TIMEOUT: Final = "TIDEGATE_ACK_TIMEOUT"
"""The setting for how long the story waits until an incident that nobody acknowledges is
escalated."""
_ALWAYS_ON: Final = {_ACK_TIMEOUT: "3"}
SETTINGS: Final[Mapping[Hosting, Mapping[str, str]]] = {
    "processes": _ALWAYS_ON,
    "docker": _ALWAYS_ON,
    # Long enough for the workers to fall asleep, so that the timer wakes them.
    "serverless": {_ACK_TIMEOUT: "6", "TIDEGATE_FIRST_TASK_TIMEOUT": "2"},
}
"""The settings of a stack that the story is told with."""

_SAMPLE: Final = Path(__file__).with_name("sample")
_FIRST_TURN: Final = "2026-03-02"
"""The day on which the sample's rotation starts."""
_SCHEDULE: Final = "shop"
_HEARTBEAT: Final = "backup"
PEOPLE: Final = ("ana", "ben")
"""Who is on call in the sample, in the order of their turns."""

_HOOK: Final = "alertmanager"
_ALERT: Final = {
    "fingerprint": "checkout-p99",
    "labels": {"severity": "error", "service": "checkout", "cluster": "eu-1"},
    "annotations": {
        "summary": "Checkout p99 above 8 s",
        "description": "One order in five is given up.",
        "runbook_url": "https://runbooks.example/checkout-p99",
    },
}
_ACKNOWLEDGES: Final = re.compile(r"^I have it: (\S+)$", re.MULTILINE)
_TOKEN: Final = re.compile(r"(?<=/i/)\S+")
_PATIENCE: Final = 30.0
_MINUTE: Final = 70.0
"""Seconds until the heartbeat of the sample is missed, at most."""
_LOOK: Final = timedelta(seconds=1)
_WAKING: Final = 60.0
"""Seconds more for a hop that may have to wake a worker."""

Found = TypeVar("Found")


def on_call_settings(folder: Path) -> dict[str, str]:
    """The settings with the sample's people on call, from today on; writes into `folder`."""
    oncall = folder / "oncall.yaml"
    text = (_SAMPLE / oncall.name).read_text(encoding="utf-8")
    oncall.write_text(text.replace(f"start: {_FIRST_TURN}", f"start: {datetime.now(UTC):%Y-%m-%d}"))
    return {
        "TIDEGATE_ONCALL": str(oncall),
        "TIDEGATE_POLICIES": str(_SAMPLE / "policies.yaml"),
    }


class Story:
    """The hops in their order. Each raises `LocalStackError` when it does not come in time."""

    def __init__(self, console: Console, stack: LocalStack, temporal: Temporal) -> None:
        self._console = console
        self._stack = stack
        self._cloud = stack.cloud
        self._temporal = temporal
        self._begin = time.monotonic()
        self._oncall = Path(stack.env["TIDEGATE_ONCALL"])
        self._hook = f"{stack.cloud.gateway}/hooks/{_HOOK}"
        self._outage_began = datetime.now(UTC)
        self._patience = _PATIENCE
        self._wakes: Wakes | None = None
        if stack.function is not None:
            self._patience += _WAKING
            self._wakes = Wakes(stack.function, self._say, always_on=len(stack.workers))

    def tell(self, report: Path) -> None:
        if self._wakes is not None:
            self._wakes.begin()
        if self._wakes is None:  # else its timer would wake workers in between
            self._expect_beats()
        self._say_on_call()
        first = self._outage()
        self._override()
        self._late_report(report, first)
        if self._wakes is not None:
            self._expect_beats()
        self._missed_heartbeat()
        if self._wakes is not None:
            self._wakes.end()
        self._say(
            "Done", "[green]eight deliveries, three incidents: no page lost, none sent twice[/]"
        )

    def _outage(self) -> str:
        """An alert opens an incident, which is paged, escalated, acknowledged, resolved and
        reported; it is repeated, and once overtaken by its recovery. Returns the incident's ID."""
        what = f"Alertmanager's alert to {self._hook}"
        incident = self._post("Posted", what, "firing", "started")
        shown = self._open(incident)
        title = str(shown["title"])
        self._show_page("Paged", self._page("ana", title))
        self._post("Repeated", "the same by its peer", "firing", "delivered")
        self._until(incident, "the repeat to be counted", lambda i: i["alerts"]["fired"] == 2)
        self._say("Counted", "told twice so far, and still [bold]one[/] incident and one page")
        self._say("Waiting", f"nobody acknowledges for {self._stack.env[_ACK_TIMEOUT]} s ...")
        self._expect("the escalation's timer")
        self._show_page("Escalated", self._page(ESCALATION, title))
        self._tap(incident, self._page("ana", title))
        self._show_news("Acknowledged", title)
        note = {"note": "rolled the release back"}
        self._command(incident, commands.Comment.name, "Commented", "ana", note)
        self._post("Recovered", "the alert is [bold]resolved[/]", "resolved", "delivered")
        self._show_news("Resolved", title)
        self._until(incident, "the incident to close", lambda i: i["closed_at"] and i["reports"])
        self._report()
        self._overtaken(incident, title)
        return str(shown["id"])

    def _overtaken(self, incident: str, title: str) -> None:
        """A word that the alert fires, which its recovery has overtaken, and then the recovery from
        the same peer."""
        pages = len(self._pages(title))
        self._post("Overtaken", "a late word of its peer: it fires", "firing", "delivered")
        self._wait(
            lambda: any(" held" in text for text in self._timeline(incident)),
            "the late word to be held",
        )
        self._say("Held", "it may be late, or true: what its peer says next will tell")
        self._post("Settled", "its peer: resolved, too", "resolved", "delivered")
        self._until(incident, "the incident to stay closed", lambda i: i["status"] == Status.CLOSED)
        if more := len(self._pages(title)) - pages:
            raise LocalStackError(f"a late word led to pages: {more}")
        self._say("Quiet", "the incident stays closed, and nobody is paged")

    def _say_on_call(self) -> None:
        """Say who is on call, and what decides it."""
        now = datetime.now(UTC)
        file = load_oncall(self._oncall)
        state = self._temporal.ask(on_call.read_state)
        shift = shift_at(file.schedules[_SCHEDULE], now, state.at(now).overrides)
        if shift is None:
            raise LocalStackError(f"nobody is on call for {_SCHEDULE}")
        who, until = " and ".join(shift.people), f"{shift.end:%Y-%m-%d %H:%M}"
        self._say("On call", f"for {_SCHEDULE}: [bold]{who}[/], by {shift.reason}, until {until}")

    def _override(self) -> None:
        """Put ben on call instead of ana, as `tidegate oncall override` does."""
        self._expect("ana's override")
        command = AddOverride(
            command_id=str(uuid.uuid4()),
            actor="ana",
            schedule=_SCHEDULE,
            people=("ben",),
            end=datetime.now(UTC) + timedelta(hours=1),
            why="the school has called",
        )
        fields = command.model_dump(mode="json", by_alias=True, exclude_unset=True)
        self._temporal.ask(lambda client: on_call.send(client, command.name, fields))
        self._look()
        self._say("Overridden", f"ana: ben takes over for an hour: {command.why!r}")
        self._say_on_call()

    def _late_report(self, report: Path, first: str) -> None:
        """An upload about the same outage becomes a second incident, which is closed as a
        duplicate."""
        self._say("Later", "the support desk uploads its report of the same outage")
        self._upload(report)
        incident = self._route(
            self._receipts(self._cloud.upload_listener, f"/{INCIDENTS}{report.name}@")
        )
        shown = self._open(incident)
        title = str(shown["title"])
        self._show_page("Paged", self._page("ben", title))
        self._press(incident, "ben", title)
        duplicate = {"reason": CloseReason.DUPLICATE, "note": f"it was {first}"}
        self._command(incident, commands.Close.name, "Closed", "ana", duplicate)
        self._ended(incident)
        self._show_message(title, "Closed as duplicate")

    def _expect_beats(self) -> None:
        """Begin the heartbeat, as `tidegate heartbeats sync` does: from now on it is expected."""
        self._expect("the heartbeat's declaration")
        declared = load_oncall(self._oncall).heartbeats[_HEARTBEAT].declared(_HEARTBEAT)
        self._temporal.ask(lambda client: heartbeats.begin(client, [_HEARTBEAT]))
        self._due = declared.due(datetime.now(UTC))
        self._say("Expected", f"[bold]{_HEARTBEAT}[/], at {declared.text()}; nobody runs it")

    def _missed_heartbeat(self) -> None:
        """The heartbeat is missed: that opens an incident, which its next beat resolves."""
        self._expect("the heartbeat's timer")
        incident = f"incident:tidegate:{workflow_id(_HEARTBEAT)}"
        self._say("Waiting", f"until {self._due:%H:%M:%S} UTC, when {_HEARTBEAT} is due ...")
        self._wait(lambda: self._temporal.find(incident), "the heartbeat to be missed", _MINUTE)
        shown = self._open(incident)
        self._show_page("Paged", self._page("ben", shown["title"]))
        self._expect("the beat")
        hook = f"{self._cloud.gateway}/hooks/heartbeats"
        answer = self._send(hook, data=_HEARTBEAT)
        self._say("Heard", f"{_HEARTBEAT} runs again, {hook}: {answer.status_code} {answer.reason}")
        [receipt] = answer.json()["receipts"]
        self._say_receipt(receipt)
        over = (Status.RESOLVED, Status.CLOSED)  # which follows immediately
        self._until(incident, "the beat to resolve it", lambda i: i["status"] in over)
        self._say("Recovered", f"{escape(shown['title'])}: [bold]resolved[/] by the beat")

    def _post(self, hop: str, what: str, status: str, verdict: str) -> str:
        """Post what Alertmanager says of its alert to the webhook, with its token; returns the
        incident's workflow, which the receipt names."""
        self._expect("the webhook")
        over = status == "resolved"
        alert: dict[str, Any] = {
            **_ALERT,
            "status": status,
            "startsAt": self._outage_began.isoformat(),
            "endsAt": datetime.now(UTC).isoformat() if over else "0001-01-01T00:00:00Z",
        }
        answer = self._send(self._hook, json={"version": "4", "status": status, "alerts": [alert]})
        self._say(hop, f"{what}: {answer.status_code} {answer.reason}")
        answer.raise_for_status()
        [receipt] = answer.json()["receipts"]
        self._say_receipt(receipt)
        if receipt["verdict"] != verdict:
            raise LocalStackError(f"the receipt is {receipt['verdict']}, not {verdict}")
        return str(receipt["workflow_id"])

    def _send(self, hook: str, **body: Any) -> requests.Response:
        """What a webhook answers to a body with its token."""
        with local_session() as session:
            return session.post(
                hook,
                headers={"Authorization": f"Bearer {HOOK_SECRETS['LOCAL_HOOK_TOKEN']}"},
                timeout=self._patience,
                **body,
            )

    def _upload(self, report: Path) -> None:
        self._expect("the upload")
        version = self._cloud.upload(report.name, report.read_bytes())
        uri = f"{self._cloud.store}/{INCIDENTS}{report.name}"
        self._say("Uploaded", f"{uri} [dim](version {version})[/]")
        self._say("Announced", f"twice: {self._cloud.announcing}")

    def _receipts(self, listener: str, wanted: str) -> str:
        """Both deliveries' receipts; returns the ID of the workflow that one of them started."""
        receipts = self._wait(
            lambda: len(both := self._stack.receipts(listener, wanted)) > 1 and both,
            f"the {listener}'s receipts for both deliveries",
        )
        # Both were accepted concurrently, in either order; the output has one order.
        for receipt in sorted(receipts, key=lambda receipt: receipt["verdict"] != "started"):
            self._say_receipt(receipt)
        verdicts = sorted(receipt["verdict"] for receipt in receipts)
        if verdicts != ["duplicate", "started"]:
            raise LocalStackError(f"the receipts are {verdicts}, not one start and one duplicate")
        return str(receipts[0]["workflow_id"])

    def _say_receipt(self, receipt: Mapping[str, Any]) -> None:
        detail = receipt.get("workflow_id") or receipt.get("reason", "")
        self._say("Receipt", f"[bold]{receipt['verdict']}[/] {escape(detail)}")

    def _route(self, root: str) -> str:
        done = self._wait(
            lambda: (ran := self._temporal.find(root)) and not ran.open and ran,
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

    def _pages(self, title: str) -> list[Page]:
        """The pages so far for the incident of that title."""
        return [page for page in self._stack.pager.pages() if title in page.title]

    def _page(self, who: str, title: str) -> Page:
        page: Page = self._wait(
            lambda: next((page for page in self._pages(title) if page.to == who), None),
            f"a page for {who}",
        )
        return page

    def _show_page(self, hop: str, page: Page) -> None:
        self._say(hop, f"{page.to}:")
        message = escape(_TOKEN.sub("...", page.message))
        self._console.print(Panel(message, title=escape(page.title), width=80))

    def _show_news(self, what: str, title: str) -> None:
        """Show what everybody who was paged hears of the incident of that title."""
        paged = {page.to for page in self._pages(title)}

        def heard() -> dict[str, str] | None:
            news = self._stack.pager.follow_ups()
            about_it = [
                each for each in news if each.title.startswith(what) and title in each.title
            ]
            titles = {each.to: each.title for each in about_it}
            return titles if titles.keys() == paged else None

        titles = self._wait(heard, f"the news for {' and '.join(sorted(paged))}")
        [title] = set(titles.values())
        self._say("Heard", f"{' and '.join(sorted(titles, reverse=True))}: {escape(title)}")

    def _until(
        self, incident: str, what: str, check: Callable[[dict[str, Any]], object]
    ) -> dict[str, Any]:
        """The incident, once `check` is true of it."""

        def look() -> dict[str, Any] | None:
            shown: dict[str, Any] | None = self._query(incident, QUERY_INCIDENT)
            return shown if shown and check(shown) else None

        shown: dict[str, Any] = self._wait(look, what)
        return shown

    def _timeline(self, incident: str) -> list[str]:
        return [entry["text"] for entry in self._query(incident, QUERY_TIMELINE) or ()]

    def _query(self, incident: str, name: str) -> Any:
        """The answer, or None while the incident's worker is busy or wakes."""
        try:
            return self._temporal.query(incident, name, timeout=_LOOK)
        except RPCError:
            return None

    def _command(
        self, incident: str, name: str, hop: str, actor: str, fields: Mapping[str, str]
    ) -> None:
        self._expect(f"{actor}'s command")
        argument = {"command_id": str(uuid.uuid4()), "actor": actor, **fields}
        answer = self._temporal.update(incident, name, argument)
        self._look()
        note, status = escape(fields["note"]), answer["status"]
        self._say(hop, f"{actor}: {note!r}; the incident is [bold]{status}[/]")

    def _tap(self, incident: str, page: Page) -> None:
        """Acknowledge by the link in a page: it is looked at, and then its button is pressed."""
        self._expect(f"{page.to}'s tap on a link")
        link = _ACKNOWLEDGES.findall(page.message)[0]
        with local_session() as session:
            session.get(link, timeout=self._patience).raise_for_status()
            answer = session.post(link, timeout=self._patience)
        shown = _TOKEN.sub("...", link)
        self._say("Tapped", f"{page.to}: the link {shown}: {answer.status_code} {answer.reason}")
        answer.raise_for_status()
        self._say("Acknowledged", self._wait(lambda: self._by_whom(incident), "the link to count"))

    def _press(self, incident: str, who: str, title: str) -> None:
        """Acknowledge by the button of the message in Slack."""
        slack, application = self._stack.slack, self._stack.application
        if slack is None or application is None:
            raise LocalStackError("the stack has no Slack, or no application that answers it")
        message = self._show_message(title, "Open: nobody has it")
        self._expect(f"{who}'s press of a button in Slack")
        user = str(load_oncall(self._oncall).people[who].slack)
        body = form_of(pressed(message, commands.Acknowledge.name, user, respond=slack.respond))
        with local_session() as session:
            url = f"{application.url}/slack/interactions"
            answer = session.post(url, body, headers=signed(body), timeout=self._patience)
        what = f"{answer.status_code} {answer.reason}"
        self._say("Pressed", f"{who}: the button [bold]Acknowledge[/] in Slack: {what}")
        answer.raise_for_status()
        self._say("Acknowledged", self._wait(lambda: self._by_whom(incident), "the press to count"))
        self._show_message(title, f"Acknowledged by {who}")

    def _show_message(self, title: str, stands: str) -> dict[str, Any]:
        """The message in Slack about the incident of that title, once it says how that stands."""

        def look() -> dict[str, Any] | None:
            messages = self._stack.slack.messages() if self._stack.slack else []
            shown = (each for each in messages if title in each["text"] and stands in each["text"])
            return next((each for each in shown if "thread_ts" not in each), None)

        message: dict[str, Any] = self._wait(look, f"the message in Slack to say {stands!r}")
        self._say("Slack", escape(message["text"]))
        return message

    def _by_whom(self, incident: str) -> str | None:
        """Who has acknowledged it, and by what that is known."""
        entries = self._query(incident, QUERY_TIMELINE) or ()
        by = [each for each in entries if each["kind"] == "acknowledged"]
        return attested(by[0]["actor"], Proof(by[0]["proof"])) if by else None

    def _ended(self, incident: str) -> None:
        self._wait(
            lambda: (ran := self._temporal.find(incident)) and not ran.open,
            "the incident to close",
        )
        self._temporal.result(incident)

    def _report(self) -> None:
        keys = self._cloud.keys(REPORTS)
        key = next((key for key in keys if key.endswith(".md")), None)
        if key is None:
            raise LocalStackError(f"there is no report under {self._cloud.store}/{REPORTS}")
        for written in keys:
            self._say("Reported", f"{self._cloud.store}/{escape(written)}")
        text = (self._cloud.read(key) or b"").decode()
        self._console.print(Panel(Markdown(text), title="The post-incident report"))

    def _wait(self, look: Callable[[], Found | bool | None], what: str, more: float = 0) -> Any:
        def checked() -> None:
            self._stack.processes.check()
            self._look()

        return wait_until(look, self._patience + more, what, check=checked)

    def _look(self) -> None:
        if self._wakes is not None:
            self._wakes.look()

    def _expect(self, cause: str) -> None:
        """From here on, what wakes a worker that sleeps is this."""
        if self._wakes is not None:
            self._wakes.expect(cause)

    def _say(self, hop: str, text: str) -> None:
        after = time.monotonic() - self._begin
        self._console.print(
            f"[dim]{after:5.1f} s[/]  [cyan]{hop:<12}[/]  {text}", highlight=False, soft_wrap=True
        )
