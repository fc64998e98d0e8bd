"""`tidegate heartbeat NAME -- COMMAND`: run a command, and report how it ended.

It needs no access to Temporal: the report is a POST to a webhook whose format is `heartbeat`. The
command's exit code is this one's, whatever becomes of the report.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO, Annotated, Any, Final

import typer
from rich.markup import escape

from core.cli.console import EXIT_UNAVAILABLE, err
from core.cli.quantities import duration
from core.domain.heartbeat.names import FAILED, OK, OUTPUT_CHARS
from core.domain.names import is_name

URL_VARIABLE: Final = "TIDEGATE_HEARTBEAT_URL"
TOKEN_VARIABLE: Final = "TIDEGATE_HEARTBEAT_TOKEN"  # noqa: S105  # the variable's name
NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""Exit codes of a command that cannot be run, as shells have them."""
_BY_SIGNAL: Final = 128
_FORWARDED: Final = (
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
_OF_THE_TERMINAL: Final = (signal.SIGINT, signal.SIGQUIT)
"""What a terminal sends to every process in its foreground, the command included."""
_TERMINAL: Final = Path("/dev/tty")
_TIMEOUT: Final = 10.0
"""Seconds for one attempt to report."""
_LONGEST_DELAY: Final = 15.0
_TAIL_BYTES: Final = 4 * OUTPUT_CHARS
_CHUNK: Final = 8_192


def heartbeat(
    name: Annotated[str, typer.Argument(help="The heartbeat's name.")],
    command: Annotated[
        list[str] | None,
        typer.Argument(help="The command, after `--`. Without one, a beat is sent."),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            help="The webhook, https://.../hooks/NAME. Without one, the command is only run.",
            envvar=URL_VARIABLE,
        ),
    ] = None,
    token_env: Annotated[
        str, typer.Option(help="The environment variable that has the webhook's bearer token.")
    ] = TOKEN_VARIABLE,
    output: Annotated[
        bool,
        typer.Option(
            "--output",
            help="Report the end of the command's output, too, at most 2,000 characters. It may "
            "have secrets in it: whoever is paged sees it.",
        ),
    ] = False,
    retry_for: Annotated[
        timedelta,
        typer.Option(
            parser=duration,
            metavar="DURATION",
            show_default="1m",
            help="How long to try to report: 30s, 5m.",
        ),
    ] = timedelta(seconds=60),
) -> None:
    """Run a command and report how it ended: `tidegate heartbeat backup -- pg_dump shop`.

    Exits with the command's exit code. A report that cannot be made is a warning then; without a
    command, the exit code is 3."""
    if not is_name(name):
        raise typer.BadParameter(
            f"{name!r} is not a heartbeat's name: it has lower-case letters, digits, - and _"
        )
    if url and not url.startswith(("https://", "http://")):
        raise typer.BadParameter(f"{url!r} is not an address like https://example.org/hooks/beats")
    token = os.environ.get(token_env, "")
    if not command:
        if url is None:
            raise typer.BadParameter(f"set {URL_VARIABLE} or give --url")
        if not _report(url, token, {"heartbeat": name, "status": OK}, retry_for):
            raise typer.Exit(EXIT_UNAVAILABLE)
        return
    began = time.monotonic()
    code, end = _run(command, keep=output)
    report: dict[str, Any] = {
        "heartbeat": name,
        "status": FAILED if code else OK,
        "exit_code": code,
        "duration": round(time.monotonic() - began, 3),
    }
    if end:
        report["output"] = end
    _report(url, token, report, retry_for)
    raise typer.Exit(code)


def _run(command: Sequence[str], *, keep: bool) -> tuple[int, str]:
    """The exit code of the command, and the end of its output where that is to be kept."""
    pipe = subprocess.PIPE if keep else None
    tail = _Tail()
    with _forwarding() as forward_to:
        try:
            child = subprocess.Popen(command, stdout=pipe, stderr=pipe)  # the caller's
        except FileNotFoundError:
            _warn(f"{command[0]} was not found")
            return NOT_FOUND, ""
        except OSError as error:
            _warn(f"{command[0]} cannot be run: {(error.strerror or str(error)).lower()}")
            return NOT_EXECUTABLE, ""
        forward_to(child)
        copies = [
            threading.Thread(target=_copy, args=(source, target, tail.add), daemon=True)
            for source, target in (
                (child.stdout, sys.stdout.buffer),
                (child.stderr, sys.stderr.buffer),
            )
            if source is not None
        ]
        for copy in copies:
            copy.start()
        code = child.wait()
        for copy in copies:  # what it has started may hold its output open
            copy.join(timeout=1.0)
    return (_BY_SIGNAL - code if code < 0 else code), tail.text()


@contextmanager
def _forwarding() -> Iterator[Callable[[subprocess.Popen[bytes]], None]]:
    """Pass signals on to the command that the yielded function is called with, and do not end
    before it. Those that arrive earlier reach it then."""
    children: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def forward(number: int, frame: object) -> None:
        if number in _OF_THE_TERMINAL and _is_in_foreground():
            return
        if children:
            children[0].send_signal(number)
        else:
            early.append(number)

    def to(child: subprocess.Popen[bytes]) -> None:
        children.append(child)
        for number in early:
            child.send_signal(number)

    before = {number: signal.signal(number, forward) for number in _FORWARDED}
    try:
        yield to
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_in_foreground() -> bool:
    """Whether a terminal's signals reach the command by themselves."""
    try:
        with _TERMINAL.open() as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False


class _Tail:
    """The end of what several threads add."""

    def __init__(self) -> None:
        self._kept = b""
        self._lock = threading.Lock()

    def add(self, chunk: bytes) -> None:
        with self._lock:
            self._kept = (self._kept + chunk)[-_TAIL_BYTES:]

    def text(self) -> str:
        with self._lock:
            return self._kept.decode(errors="replace")[-OUTPUT_CHARS:]


def _copy(source: IO[bytes], target: IO[bytes], add: Callable[[bytes], None]) -> None:
    """Copy until the end. When nobody reads the target any more, the command still runs on."""
    is_read = True
    with source:
        while chunk := os.read(source.fileno(), _CHUNK):
            add(chunk)
            if is_read:
                try:
                    target.write(chunk)
                    target.flush()
                except OSError:
                    is_read = False


def _report(url: str | None, token: str, report: dict[str, Any], retry_for: timedelta) -> bool:
    """Report, and retry until that is too late; returns whether it was reported. If not, there is a
    warning: it must never change how the command ends."""
    import json

    if url is None:
        _warn(f"nothing is reported: set {URL_VARIABLE} or give --url")
        return False
    id = uuid.uuid4().hex
    body = json.dumps({**report, "id": id}).encode()
    deadline, delay = time.monotonic() + retry_for.total_seconds(), 1.0
    while True:
        problem, may_work_later = _post(url, token, body)
        if problem is None:
            return True
        wait = delay * random.uniform(0.5, 1.0)  # noqa: S311  # so that many do not retry together
        if not may_work_later or time.monotonic() + wait > deadline:
            _warn(f"heartbeat {report['heartbeat']} is not reported: {problem}")
            return False
        time.sleep(wait)
        delay = min(2 * delay, _LONGEST_DELAY)


def _post(url: str, token: str, body: bytes) -> tuple[str | None, bool]:
    """Why the report was not taken, None if it was, and whether to try it again. A redirect is not
    followed: it would take the token along, and leave the report behind."""
    import http.client
    import urllib.error
    import urllib.request

    from core.adapters.deployments.http import NotFollowed

    headers = {"content-type": "application/json", "user-agent": "tidegate-heartbeat"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    try:
        request = urllib.request.Request(url, data=body, headers=headers, method="POST")  # noqa: S310  # http or https
        with urllib.request.build_opener(NotFollowed).open(request, timeout=_TIMEOUT):
            return None, False
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code} {error.reason}", error.code >= 500 or error.code in (408, 429)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        what = getattr(reason, "strerror", None) or str(reason) or type(error).__name__
        return f"no answer: {what.lower()}; see whether the webhook's address is right", True
    except ValueError:  # its text may quote the token
        return "its address or its token has characters that no request can have", False


def _warn(text: str) -> None:
    err.print(f"[yellow]warning[/yellow]: {escape(text)}", soft_wrap=True)
