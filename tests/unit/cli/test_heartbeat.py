"""`tidegate heartbeat NAME -- COMMAND`: what it runs, reports and exits with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.cli.heartbeat import TOKEN_VARIABLE, URL_VARIABLE
from core.cli.main import main
from tests.support.web import Site, serving

PATIENCE = 60.0
UNREACHABLE = "http://127.0.0.1:1/hooks/beats"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        yield site


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs it in this process: what it exits with, and what it and its command write."""

    def run(*arguments: str, url: str | None) -> tuple[int, str, str]:
        monkeypatch.delenv(URL_VARIABLE, raising=False)
        monkeypatch.setenv(TOKEN_VARIABLE, "the-token")
        if url:
            monkeypatch.setenv(URL_VARIABLE, url)
        monkeypatch.setattr(sys, "argv", ["tidegate", "heartbeat", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return (int(ended.value.code or 0), *capfd.readouterr())

    return run


def begun(*arguments: str, url: str) -> subprocess.Popen[str]:
    """The same as a process of its own."""
    program = Path(sys.executable).with_name("tidegate")
    return subprocess.Popen(
        [str(program), "heartbeat", *arguments],
        env={**os.environ, URL_VARIABLE: url},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def reported(site: Site) -> dict[str, Any]:
    [report] = site.bodies()
    assert report.pop("id")
    assert report.pop("duration", 0) >= 0
    return report


def test_a_command_is_run_and_reported(run: Run, site: Site) -> None:
    code, out, err = run("backup", "--", "sh", "-c", "echo done; echo bad >&2", url=site.url())
    assert (code, out, err) == (0, "done\n", "bad\n")
    assert reported(site) == {"heartbeat": "backup", "status": "ok", "exit_code": 0}
    [(_, headers, _)] = site.got
    assert headers["Authorization"] == "Bearer the-token"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("sh", "-c", "exit 3"), 3),
        (("sh", "-c", "kill -TERM $$"), 143),
        (("no-such-program",), 127),
        (("/",), 126),
    ],
)
def test_it_exits_with_the_commands_code(
    run: Run, site: Site, command: tuple[str, ...], code: int
) -> None:
    assert run("backup", "--", *command, url=site.url())[0] == code
    assert reported(site) == {"heartbeat": "backup", "status": "failed", "exit_code": code}


def test_without_a_command_a_beat_is_sent(run: Run, site: Site) -> None:
    assert run("backup", url=site.url()) == (0, "", "")
    assert reported(site) == {"heartbeat": "backup", "status": "ok"}


def test_the_output_is_reported_only_on_request(run: Run, site: Site) -> None:
    script = "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; exit 1"
    code, out, _ = run("backup", "--output", "--", "sh", "-c", script, url=site.url())
    assert (code, out.count("\n")) == (1, 2000)
    output = reported(site)["output"]
    assert output.endswith("line 1999\n")
    assert len(output) == 2000


def test_a_command_runs_on_when_nobody_reads_its_output(site: Site) -> None:
    script = "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; exit 5"
    with begun("backup", "--output", "--", "sh", "-c", script, url=site.url()) as process:
        assert process.stdout
        process.stdout.close()
        assert process.wait(PATIENCE) == 5
    assert reported(site)["output"].endswith("line 19999\n")


def test_options_of_the_command_are_its_own(run: Run, site: Site) -> None:
    code, out, _ = run("backup", "--", "echo", "--url", "-h", url=site.url())
    assert (code, out) == (0, "--url -h\n")


def test_it_passes_on_input_output_and_signals_until_its_command_ends(site: Site) -> None:
    script = "trap 'exit 9' TERM; read word; echo $word; while :; do sleep 0.05; done"
    with begun("backup", "--", "sh", "-c", script, url=site.url()) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write("ready\n")
        process.stdin.flush()
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 9
    assert reported(site)["exit_code"] == 9


def test_a_front_door_that_cannot_be_reached_is_a_warning(run: Run) -> None:
    code, out, err = run(
        "backup", "--retry-for", "100ms", "--", "sh", "-c", "echo done; exit 4", url=UNREACHABLE
    )
    assert (code, out) == (4, "done\n")
    assert err.startswith("warning: heartbeat backup is not reported: ")


def test_without_an_address_the_command_runs_all_the_same(run: Run) -> None:
    code, _, err = run("backup", "--", "true", url=None)
    assert (code, err) == (
        0,
        "warning: nothing is reported: set TIDEGATE_HEARTBEAT_URL or give --url\n",
    )


def test_a_beat_that_cannot_be_sent_is_a_failure(run: Run) -> None:
    code, _, err = run("backup", "--retry-for", "1ms", url=UNREACHABLE)
    assert code == 3
    assert "is not reported" in err


def test_what_is_refused_is_not_repeated(run: Run, site: Site) -> None:
    site.status = 401
    code, _, err = run("backup", "--", "true", url=site.url())
    assert (code, len(site.got)) == (0, 1)
    assert err == "warning: heartbeat backup is not reported: HTTP 401 Unauthorized\n"


def test_a_redirect_is_not_followed(run: Run, site: Site) -> None:
    site.status, site.headers = 302, {"Location": site.url("/elsewhere")}
    code, _, err = run("backup", "--", "true", url=site.url())
    assert (code, len(site.got)) == (0, 1)
    assert err == "warning: heartbeat backup is not reported: HTTP 302 Found\n"


@pytest.mark.parametrize(
    ("url", "token"),
    [
        ("http://[::1/hooks", "the-token"),
        ("http://127.0.0.1:99999/hooks", "the-token"),
        ("http://127.0.0.1:1/h\u00f6\u00f6ks", "the-token"),
        ("http://127.0.0.1:1/hooks", "the-token\nof-two-lines"),
    ],
    ids=["host", "port", "path", "token"],
)
def test_what_no_request_can_have_does_not_change_how_the_command_ends(
    run: Run, monkeypatch: pytest.MonkeyPatch, url: str, token: str
) -> None:
    monkeypatch.setenv("TOKEN", token)
    arguments = ("backup", "--token-env", "TOKEN", "--retry-for", "1ms", "--", "sh", "-c", "exit 4")
    code, _, err = run(*arguments, url=url)
    assert code == 4
    assert err.startswith("warning: heartbeat backup is not reported: ")
    assert "the-token" not in err


def test_what_is_unavailable_is_tried_again_as_the_same_beat(run: Run, site: Site) -> None:
    site.status = 503
    code, _, err = run("backup", "--retry-for", "2s", "--", "true", url=site.url())
    assert (code, err) == (
        0,
        "warning: heartbeat backup is not reported: HTTP 503 Service Unavailable\n",
    )
    assert len(site.got) > 1
    assert len({body["id"] for body in site.bodies()}) == 1


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("Backup",), "'Backup' is not a heartbeat's name"),
        (("backup", "--url", "example.org"), "'example.org' is not an address like https://"),
        (("backup",), "set TIDEGATE_HEARTBEAT_URL or give --url"),
        (("backup", "--retry-for", "soon", "--", "true"), "soon"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(
    run: Run, arguments: tuple[str, ...], why: str
) -> None:
    code, _, err = run(*arguments, url=None)
    assert code == 2
    assert why in err
