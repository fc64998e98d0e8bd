"""What README.md says to type, typed: from `make dev` to an acknowledged alert."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.local.endpoints import Endpoints
from infra.local.processes import ROOT, wait_until
from tests.support.console import blocks
from tests.support.leftovers import marked, new_mark

pytestmark = pytest.mark.slow

PATIENCE = 120.0
HANDLE = "<handle>"
LISTED = r"^([a-z0-9]{6})\s.*Checkout p99 above 8 s"
VENV = ROOT / ".venv"


class Shell:
    """A shell that is typed into line by line, and what it printed since the start."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self._log = folder / "shell.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                ["/bin/bash"],
                cwd=folder,
                env=env,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._typed = 0

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()  # which ends it
        self.process.wait(PATIENCE)

    def type(self, command: str) -> str:
        """What a command prints, once it has ended; it must succeed."""
        assert self.process.stdin
        self._typed += 1
        begin, end = self._log.stat().st_size, f"ended {self._typed}: "
        self.process.stdin.write(f"{command}\necho '{end}'$?\n".encode())
        self.process.stdin.flush()

        def printed() -> str:
            return self._log.read_bytes()[begin:].decode()

        wait_until(lambda: end in printed(), PATIENCE, f"{command} to end: {printed()}")
        answer, _, code = printed().partition(end)
        assert int(code) == 0, f"{command}\n{answer}"
        return answer


@contextmanager
def dev(command: str, folder: Path, env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The README's first shell, in a session of its own as a terminal has it."""
    with (
        (folder / "dev.log").open("wb") as log,
        subprocess.Popen(
            ["/bin/bash", "-c", command],
            cwd=folder,
            env=env,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with all that the repository has, and no stack's state. What `make` writes or clears
    here is not the repository's."""
    for entry in ROOT.iterdir():
        if entry.name not in (".git", ".tidegate", VENV.name):
            (tmp_path / entry.name).symlink_to(entry)
    (tmp_path / VENV.name).mkdir()
    for entry in VENV.iterdir():
        (tmp_path / VENV.name / entry.name).symlink_to(entry)
    return tmp_path


def is_set_up() -> bool:
    """Whether `make setup` has nothing to install."""
    asked = subprocess.run(
        ["make", "-n", "setup"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return asked.returncode == 0 and "Installing" not in asked.stdout


def words(command: str) -> tuple[str, ...]:
    """The words of a command, with those of a comment: zsh hands them over, too."""
    return tuple(shlex.split(command, comments=False))


def welcomed(printed: str) -> set[tuple[str, ...]]:
    """The commands that `dev` prints, without that of smoke, which has a test of its own."""
    shown = re.split(r"In another shell, in this folder.*:\n", printed)[-1].partition("\n\n")[0]
    shown = shown.replace(f"{ROOT}/", "").replace("HANDLE", HANDLE)
    found = {words(line) for line in shown.splitlines() if "smoke" not in line}
    assert len(found) > 5, printed
    return found


def commands(block: str) -> list[str]:
    """A block's commands, a line each where none is continued."""
    return block.replace("\\\n", "").strip().splitlines()


@pytest.mark.skipif(not is_set_up(), reason="`make dev` would install: run `make setup`")
def test_an_alert_is_fired_and_acknowledged_in_ten_lines(clone: Path) -> None:
    env = {**new_mark(), "COLUMNS": "80"}
    env["PATH"] = os.pathsep.join(
        folder for folder in env["PATH"].split(os.pathsep) if not Path(folder, "tidegate").exists()
    )
    [first, second, third] = [
        block.text
        for block in blocks(ROOT / "README.md")
        if re.search(r"make dev|tidegate ", block.text)
    ]
    assert len((first + second).splitlines()) <= 10
    [make_dev] = commands(first)
    begin = time.monotonic()
    transcript: list[str] = []

    def note(line: str, printed: str) -> None:
        transcript.append(f"[{time.monotonic() - begin:5.1f} s] $ {line}\n{printed}")

    with dev(make_dev, clone, env) as stack:
        log = clone / "dev.log"

        def is_up() -> bool:
            return "Ctrl-C stops everything" in log.read_text() or stack.poll() is not None

        wait_until(is_up, PATIENCE, "the stack to be up")
        assert stack.poll() is None, log.read_text()
        assert welcomed(log.read_text()) <= {words(line) for line in commands(second + third)}
        note(make_dev, log.read_text())
        shell = Shell(clone, env)
        handle, acknowledged = HANDLE, False
        for line in commands(second + third):
            printed = shell.type(line.replace(HANDLE, handle))
            if line == "tidegate incident list":

                def listed(again: str = line) -> re.Match[str] | None:
                    return re.search(LISTED, shell.type(again), re.M)

                handle = wait_until(listed, PATIENCE, "the incident to be listed")[1]
            note(line.replace(HANDLE, handle), printed)
            if line.startswith("tidegate incident ack"):
                acknowledged = True
                assert printed.startswith(f"{handle} acknowledged by ")
        shell.close()
        os.killpg(stack.pid, signal.SIGINT)
        stack.wait(PATIENCE)
    sys.stdout.write("\n".join(transcript))
    assert "Stopped; no process is left." in log.read_text()
    assert "Traceback" not in log.read_text()
    assert marked(env) == []
    assert Endpoints.read(clone / ".tidegate") is None
    assert acknowledged
