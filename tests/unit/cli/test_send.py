"""`tidegate send`: what it prints, and how it ends. What it sends is tested on a real stack, in
tests/e2e/test_demo.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.domain.handles import handle_of
from core.operations.outcome import OpenedIncident, Outcome, Result
from infra.local import send
from infra.local.sent import Sent
from tests.support.cli import Tidegate

OPEN = OpenedIncident(id="incident:a@1", title="[It] burns\x1b[31m", status="open")
ACCEPTED = Outcome(
    result=Result.ACCEPTED, workflow_id="w", child_id="c", incident=OPEN, started=True
)
REFUSED = Outcome(result=Result.REFUSED, code="NoRoute", reason="no route", record="message-1")
LATE = Outcome(result=Result.UNKNOWN, reason="no workflow has begun")
UPLOADED = Sent(uri="s3://b/incidents/a.md", outcomes=(ACCEPTED,), events=1, link="http://ui")


class Stack:
    """Stands in for the running stack: what is sent to it, and what it says."""

    def __init__(self) -> None:
        self.answer = UPLOADED
        self.sent: list[tuple[Any, ...]] = []
        self.timeout: float | None = None
        self.reaches = True
        self.interrupted = False

    def take(self, *what: Any, timeout: float, report: send.Report) -> Sent:
        self.sent.append(what)
        self.timeout = timeout
        if self.reaches:
            report("uploaded to s3://b/a.md")
        if self.interrupted:
            raise KeyboardInterrupt
        return self.answer


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Stack:
    stack = Stack()
    for name in ("send_file", "send_message", "send_hook"):
        monkeypatch.setattr(send, name, stack.take)
    return stack


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.md"
    path.write_bytes(b"# It burns")
    return path


def test_an_upload_says_which_incident_it_opened(
    tidegate: Tidegate, stack: Stack, file: Path
) -> None:
    sent = tidegate("send", str(file))
    assert (sent.code, sent.err) == (0, "")
    assert sent.out == (
        "sent         s3://b/incidents/a.md\n"
        "workflow     w\n"
        "child        c\n"
        "open         http://ui\n"
        f"accepted: incident {OPEN.handle} opened: [It] burns\\x1b[31m\n"
        f"  next: tidegate incident show {OPEN.handle}\n"
    )
    assert stack.sent == [("a.md", b"# It burns")]
    assert stack.timeout == 30


@pytest.mark.parametrize(
    ("sent", "code", "last"),
    [
        (UPLOADED, 0, f"  next: tidegate incident show {OPEN.handle}"),
        (
            Sent(uri="u", outcomes=(REFUSED,), events=1),
            1,
            f"  next: tidegate quarantine show {handle_of('message-1')}",
        ),
        (Sent(uri="u", refused="NotVerified: no", fix="leave it out"), 1, "  next: leave it out"),
        (Sent(uri="u", outcomes=(LATE,), events=1), 3, "  next: tidegate doctor"),
        (Sent(uri="u", note="it holds no events"), 0, "it holds no events"),
    ],
)
def test_the_exit_code_says_what_became_of_it(
    tidegate: Tidegate, stack: Stack, file: Path, sent: Sent, code: int, last: str
) -> None:
    stack.answer = sent
    shown = tidegate("send", str(file))
    assert (shown.code, shown.out.splitlines()[-1]) == (code, last)
    as_json = tidegate("send", str(file), "--json")
    assert (as_json.code, as_json.json) == (code, sent.to_json())


def test_a_message_and_a_request_are_sent_as_such(
    tidegate: Tidegate, stack: Stack, file: Path
) -> None:
    tidegate("send", "--message", "-", stdin=b"{}")
    tidegate("send", "--hook", "grafana", str(file), "-H", "Authorization: Bearer wrong")
    headers = {"content-type": "application/json", "authorization": "Bearer wrong"}
    assert stack.sent == [("-", b"{}"), ("grafana", b"# It burns", headers)]


@pytest.mark.parametrize(
    ("options", "timeout"), [(("--timeout", "5"), 5), (("--no-wait",), 0), ((), 30)]
)
def test_how_long_to_wait(
    tidegate: Tidegate, stack: Stack, file: Path, options: tuple[str, ...], timeout: float
) -> None:
    tidegate("send", str(file), *options)
    assert stack.timeout == timeout


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--message", "--hook", "grafana"), "use one of --message and --hook"),
        (("-H", "a: b"), "--header describes a request"),
        (("--timeout", "0"), "greater than or equal to 1"),
        (("--hook", "grafana", "-H", "nonsense"), "not a header"),
        (("--hook", "grafana", "-H", ": no name"), "not a header"),
        (("--hook", "grafana", "-H", "a: b\nc: d"), "not a header"),
        (("--hook", "grafana", "-H", "ü: b"), "not a header"),
        (("--hook", "grafana", "-H", "a: €"), "not a header"),
        (("--hook", "grafana", "-H", "a b: c"), "not a header"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    tidegate: Tidegate, stack: Stack, file: Path, arguments: tuple[str, ...], why: str
) -> None:
    refused = tidegate("send", str(file), *arguments)
    assert (refused.code, stack.sent) == (2, [])
    assert why in refused.err


@pytest.mark.parametrize(
    ("name", "why"),
    [("nowhere.md", "no such file or directory"), (".", "is a directory")],
)
def test_a_file_that_cannot_be_read_is_one_line(
    tidegate: Tidegate, stack: Stack, tmp_path: Path, name: str, why: str
) -> None:
    file = tmp_path / name
    refused = tidegate("send", str(file))
    assert (refused.code, stack.sent) == (2, [])
    assert refused.err.splitlines()[0] == f"ConfigurationError: cannot read {file}: {why}"


@pytest.mark.parametrize(
    ("reaches", "known"),
    [
        (True, "Stopped: uploaded to s3://b/a.md."),
        (False, "Stopped: it is not known whether it was sent."),
    ],
)
def test_ctrl_c_says_how_far_it_got(
    tidegate: Tidegate, stack: Stack, file: Path, reaches: bool, known: str
) -> None:
    stack.reaches, stack.interrupted = reaches, True
    stopped = tidegate("send", str(file))
    assert (stopped.code, stopped.out, stopped.err) == (130, "", f"{known}\n")


def test_an_empty_name_is_a_webhook_s_and_not_an_upload(
    tidegate: Tidegate, stack: Stack, file: Path
) -> None:
    tidegate("send", str(file), "--hook", "")
    assert stack.sent == [("", b"# It burns", {"content-type": "application/json"})]


@pytest.mark.parametrize("way", [(), ("--message",), ("--hook", "grafana")])
def test_without_a_stack_the_way_to_start_one_is_said(
    tidegate: Tidegate,
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: tuple[str, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = tidegate("send", str(file), *way)
    assert refused.code == 3
    assert refused.err == (
        "NoLocalStack: no local stack runs here (.tidegate/stack.json names none)\n"
        "  next: start one in another shell, in this folder: `tidegate dev`\n"
    )
